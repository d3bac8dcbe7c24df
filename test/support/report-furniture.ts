/** The numbers of a report that are in no artifact of the run: the short list, each with its reason. */
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { runDossier } from '../../activities/privacy/dossier/dossier.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';
import { MEMORISATION_GATE_TABLE } from '../../pipelines/gates/memorisation.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';
import { reads, type Figure } from './trace.ts';

/** What the gates' tables say of every run alike: meanings, and false alarms that bench/ measured. */
const OF_TABLES = new Set(
  [GATE_TABLE, GENERATION_GATE_TABLE, MEMORISATION_GATE_TABLE, RETRIEVAL_GATE_TABLE]
    .flatMap((table) => Object.values(table))
    .flatMap(({ title, meaning, falseAlarms, examples }) => [
      title,
      meaning,
      falseAlarms,
      'none' in examples ? examples.none : `${title}: ${examples.rows}`,
    ]),
);

/** Words of the page that have a number in them, and why it is nobody's measurement. */
const WORDS: readonly (readonly [words: RegExp, why: string])[] = [
  [/F1\b/, 'the name of a measure'],
  [/\bp50\b/, 'the name of a measure'],
  [/\bp95\b/, 'the name of a measure'],
  [/SHA-256/, 'the name of a digest'],
  [/sha256:/, 'the name of a digest'],
  [/management system of Art\. 9\b/, 'an article of a law'],
  [/GDPR Art\. 35\(7\) and 30\(1\)/, 'articles of a law that the dossier is a template after'],
  [/of 255 levels/, 'the levels that a pixel has'],
  [/of 64 bits/, 'the length of a difference hash'],
  [/^#+ .*/, 'a heading of DOSSIER.md: an article of a law'],
  [/with 95 % intervals/, 'how sure the intervals of a comparison are: one constant'],
  [/^Cost(: | of )1,000/, 'what a cost is told for: one constant'],
  [/less than 0\.000001/, 'the smallest probability that is told in digits'],
];

export function isFurniture({ piece, text }: Figure): boolean {
  if (piece.tick || OF_TABLES.has(piece.text)) return true;
  return WORDS.some(([words]) =>
    words
      .exec(piece.text)?.[0]
      .replaceAll(/(?<=\d),(?=\d{3})/g, '')
      .match(/\d+(\.\d+)?/g)
      ?.includes(text),
  );
}

/** Sums, shares and differences of figures that stand beside them: a reader can do the same sum. */
interface Recomputed {
  readonly what: string;
  /** Of the page by their ids, and DOSSIER.md. */
  readonly sections: readonly string[];
  readonly where: RegExp;
  readonly values: (facts: RunFacts) => readonly number[];
}

const total = (counts: object | undefined): number => sum(Object.values(counts ?? {}) as number[]);
const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);

const RECOMPUTED: readonly Recomputed[] = [
  {
    what: 'gates by verdict: they stand in the table',
    sections: [''],
    where: /^\d+ (passed|failed|warned)$/,
    values: ({ gates }) =>
      ['pass', 'fail', 'warn'].map(
        (verdict) => gates?.gates.filter((gate: { readonly verdict: string }) => gate.verdict === verdict).length ?? 0,
      ),
  },
  {
    what: 'new minus production, and the ratio, of two figures of the same row',
    sections: ['comparison'],
    where: /^−?[\d.]+ (ms|MB|%)$/,
    values: ({ comparison }) => {
      if (comparison?.comparable !== true) return [];
      const { latency, sizeMb } = comparison;
      const pairs = [
        [latency.production.p50Ms, latency.candidate.p50Ms],
        [latency.production.p95Ms, latency.candidate.p95Ms],
        [sizeMb.production, sizeMb.candidate],
      ] as const;
      return pairs.flatMap(([before, after]) => [after - before, after / before - 1]);
    },
  },
  {
    what: 'edge inputs with an answer: all are listed',
    sections: ['evaluation', 'DOSSIER.md'],
    where: /answered with a probability for every label|awkward inputs were answered/,
    values: ({ evaluation }) => [evaluation?.edgeInputs.filter(({ ok }) => ok).length ?? 0],
  },
  {
    what: 'rows with the word minus those that have the label as well',
    sections: ['diagnosis'],
    where: /rows, and in \d+ others$/,
    values: ({ evaluation }) =>
      [evaluation?.diagnosis?.giveaway, evaluation?.diagnosis?.telltale].flatMap((rule) =>
        rule == null ? [] : [rule.rows - rule.both],
      ),
  },
  {
    what: 'rows of all splits, and the share of a label in them',
    sections: ['data'],
    where: /^\d[\d .]*( %)?$/,
    values: ({ data }) => {
      const rows = total(data?.rows);
      const labels = (data?.labels ?? []).map((label) => total(data?.labelCounts[label]));
      // A label that a sample of facts counts nowhere has none.
      return [rows, ...labels.map((count) => count / rows), ...(labels.includes(0) ? [0] : [])];
    },
  },
  {
    what: 'matches and rows of all splits',
    sections: ['privacy', 'DOSSIER.md'],
    where: /^\d+$|^- Left in the /,
    values: ({ privacy }) =>
      Object.values(privacy?.counts ?? {}).flatMap((splits) => [
        sum(Object.values(splits).map(({ rows }) => rows)),
        sum(Object.values(splits).map(({ matches }) => matches)),
      ]),
  },
  {
    what: 'open fields and all of them: they follow',
    sections: ['DOSSIER.md'],
    where: /fields open/,
    values: (facts) => {
      const { open, entries } = runDossier(facts, null);
      return [open, entries.length];
    },
  },
  {
    what: 'from the begin of a step to its end, which is beside it and in facts.json',
    sections: ['steps'],
    where: /^[\d.]+ (s|min \d+ s|h \d+ min)$/,
    values: ({ steps }) =>
      steps.flatMap(({ startedAt, finishedAt }) =>
        startedAt === undefined || finishedAt === undefined
          ? []
          : [(Date.parse(finishedAt) - Date.parse(startedAt)) / 1000],
      ),
  },
];

export function isRecomputed({ piece, text }: Figure, { facts }: { readonly facts: RunFacts }): boolean {
  return RECOMPUTED.some(
    ({ sections, where, values }) =>
      sections.includes(piece.section) && where.test(piece.text) && values(facts).some((value) => reads(text, value)),
  );
}
