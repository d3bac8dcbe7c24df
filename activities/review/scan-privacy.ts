/** Counts personal data in a prepared dataset: what the reviewer sees before anything is trained on it. */
import { EspalierError } from '../../artifacts/errors.ts';
import { PII_KINDS, type PiiKind } from '../../pipelines/definition/data.ts';
import type { PersonalDataCount, PrivacySummary, ScanPrivacyInput } from '../contract/review.ts';
import type { Split } from '../contract/data.ts';
import { SPLITS } from '../data/dataset.ts';
import { loadTexts } from '../data/prompts.ts';
import { breather } from '../data/pauses.ts';
import { hasShifted } from '../data/shifted.ts';
import { kindsTo } from '../privacy/policy.ts';
import { findPersonalData } from '../privacy/scan.ts';
import type { StepDefinition } from '../step.ts';

const SAMPLES_A_KIND = 5;

/** Rows from elsewhere are stored, asked and quoted in the evidence as the test rows are. */
type Side = Split | 'shifted';
type Count = { -readonly [of in keyof PersonalDataCount]: number };

/** Throws BadData with the counts, and no value, where the definition says that such data are refused. */
export const scanPrivacy: StepDefinition<ScanPrivacyInput, PrivacySummary> = {
  type: 'review.privacy',
  version: 4,
  // Redaction and dropping were done when the dataset was made: they are in its digest.
  identity: ({ dataset, onPersonalData }) => ({ dataset, refused: kindsTo('fail', onPersonalData) }),
  async run({ dataset, onPersonalData }, context) {
    const sides: readonly Side[] = (await hasShifted(context.store, dataset)) ? [...SPLITS, 'shifted'] : SPLITS;
    const counts = Object.fromEntries(PII_KINDS.map((kind) => [kind, emptyCounts(sides)])) as Counts;
    const samples: PrivacySummary['samples'][number][] = [];
    let rowsScanned = 0;
    const breathe = breather(context, 'scanning for personal data');
    for (const split of sides) {
      for (const { id, texts } of await loadTexts(context.store, dataset, split, context.signal)) {
        const matches = texts.flatMap((text) => findPersonalData(text));
        for (const kind of new Set(matches.map((match) => match.kind))) counts[kind][split].rows += 1;
        for (const { kind, redacted } of matches) {
          counts[kind][split].matches += 1;
          if (samples.filter((sample) => sample.kind === kind).length < SAMPLES_A_KIND) {
            samples.push({ kind, redacted, rowId: id });
          }
        }
        rowsScanned += 1;
        await breathe(texts.join(''), split);
      }
    }
    refuseAny(counts, kindsTo('fail', onPersonalData));
    return { rowsScanned, counts, samples };
  },
};

type Counts = Record<PiiKind, Record<Side, Count>>;

function refuseAny(counts: Counts, kinds: readonly PiiKind[]): void {
  const found = kinds.map((kind) => ({ kind, ...total(counts[kind]) })).filter(({ matches }) => matches > 0);
  if (found.length === 0) return;
  const parts = found.map(({ kind, rows, matches }) => `${kind}: ${matches} in ${rows} row${rows === 1 ? '' : 's'}`);
  throw new EspalierError('BadData', `the data hold personal data (${parts.join('; ')})`, {
    where: 'data.onPersonalData',
    fix: "set data.onPersonalData to 'redact' or 'drop' for these kinds, remove them from the data files, or write 'warn' and let the reviewer decide",
  });
}

function total(counts: Readonly<Record<Side, Count>>): Count {
  const all = Object.values(counts);
  return { rows: sum(all.map(({ rows }) => rows)), matches: sum(all.map(({ matches }) => matches)) };
}

function emptyCounts(sides: readonly Side[]): Readonly<Record<string, Count>> {
  return Object.fromEntries(sides.map((side) => [side, { rows: 0, matches: 0 }]));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
