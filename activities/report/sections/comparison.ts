/** The new model beside the one that it would replace: on the same rows, on the same machine, and setting by setting. */
import type {
  ComparedRow,
  GateResult,
  ModelComparison,
  PairedScore,
  ProductionModel,
} from '../../contract/validation.ts';
import type { Score } from '../../contract/measures.ts';
import type { GeneratorComparison } from '../../contract/prompting.ts';
import type { RetrieverComparison } from '../../contract/retrieval.ts';
import type { RunFacts } from '../../contract/evidence.ts';
import {
  count,
  digest,
  interval,
  megabytes,
  milliseconds,
  percent,
  points,
  probability,
  score,
  setting,
  time,
} from '../format.ts';
import { html, type Content, type Html } from '../../../artifacts/html.ts';
import { badge, facts, table } from '../parts.ts';
import type { Section } from '../page.ts';

/** A picture lies under its row in test.tar of the dataset; what a generator answered, under its row in the evaluation. */
function lostIds({ examples }: GateResult, lost: string): Content {
  if (examples === undefined) return '';
  return html`<p>${lost}: ${examples.ids.map((id, place) => html`${place === 0 ? '' : ', '}<code>${id}</code>`)}</p>`;
}

type Compared = Extract<ModelComparison, { comparable: true }>;

export const comparisonSection: Section = {
  id: 'comparison',
  title: 'Compared with production',
  body: ({ facts: run }) => {
    const { production } = run;
    const { model, channel } = run.pipeline.deploy;
    if (production === undefined) return null;
    if (production === null) {
      return html`<p>
        ${badge('neutral', 'nothing to compare with')} Nothing is in production: channel ${channel} of ${model} serves
        nothing.
      </p>`;
    }
    return html`${standing(production, channel)} ${besideEachOther(run, production)} ${settings(production)}`;
  },
};

function besideEachOther(
  { comparison, generationComparison, retrievalComparison }: RunFacts,
  production: ProductionModel,
): Html {
  if (generationComparison?.comparable === true) return generatorsCompared(generationComparison);
  if (retrievalComparison?.comparable === true) return retrieversCompared(retrievalComparison);
  if (comparison?.comparable === true) return compared(comparison);
  return notCompared(production, generationComparison ?? retrievalComparison ?? comparison);
}

/** For a reader with ten seconds. */
export function comparisonLine({
  production,
  comparison,
  generationComparison,
  retrievalComparison,
}: RunFacts): Content {
  if (production === undefined) return '';
  const line = (mark: Html, words: Content = '') => html`<p>Beside production: ${mark}${words}</p>`;
  if (production === null) return line(badge('neutral', 'nothing is there'));
  if (generationComparison?.comparable === true) {
    const { won, lost, rows, adherence } = generationComparison;
    const kept = `${count(won)} answers only it keeps within the guidelines, ${count(lost)} only production, of ${count(rows)}`;
    return line(mark(adherence.difference), ` (adherence ${change(adherence.difference)}; ${kept})`);
  }
  if (retrievalComparison?.comparable === true) {
    const { won, lost, rows, meanAveragePrecision } = retrievalComparison;
    const found = `${count(won)} pictures find better, ${count(lost)} worse, of ${count(rows)}`;
    return line(mark(meanAveragePrecision.difference), ` (mAP ${change(meanAveragePrecision.difference)}; ${found})`);
  }
  if (comparison?.comparable !== true) return line(badge('care', 'not compared'));
  const { won, lost, accuracy, macroF1 } = comparison;
  const rows = ` (${count(won)} rows won, ${count(lost)} lost of ${count(comparison.rows)})`;
  return line(mark(accuracy.difference), html`${rows}${worseF1(macroF1.difference)}`);
}

function standing({ bundle, revision, runId, since, made }: ProductionModel, channel: string): Html {
  return facts([
    ['In production', html`${digest(bundle)}, revision ${revision} of ${channel}`],
    ['Since', time(since)],
    ['Released by', html`<code>${runId}</code>`],
    ...(made === null ? [] : ([['Its definition', digest(made.definition)]] as const)),
  ]);
}

function notCompared(
  { problem }: ProductionModel,
  comparison: ModelComparison | GeneratorComparison | RetrieverComparison | undefined,
): Html {
  const reason = comparison?.comparable === false ? comparison.reason : (problem ?? 'the comparison was not made');
  return html`<p>${badge('care', 'not compared')} The two cannot be compared: ${reason}.</p>`;
}

/** Both were asked the same test prompts, and the same checks judged the answers. */
function generatorsCompared(both: Extract<GeneratorComparison, { comparable: true }>): Html {
  const { rows, rowsKnown, adherence, won, lost, exactP, midP, gate } = both;
  return html`${gate === undefined ? '' : html`<p>Gate ${gate.verdict}: ${gate.reason}</p>`}
  ${gate === undefined ? '' : lostIds(gate, 'Only production keeps the guidelines on')}
  ${facts([
    ['Test prompts that both were asked', count(rows)],
    ['Left out, since production may know them', rowsKnown === null ? 'nobody can say' : count(rowsKnown)],
    ['Adherence in production', score(adherence.production)],
    ['Adherence of the new model', score(adherence.candidate)],
    ['Difference', score(adherence.difference, points)],
    ['Only the new model keeps the guidelines', count(won)],
    ['Only production keeps them', count(lost)],
    ['McNemar, exact', `p = ${probability(exactP)}`],
    ['McNemar, mid-p', `p = ${probability(midP)}`],
  ])}`;
}

/** Both embedded the same gallery, and were asked with the same pictures. */
function retrieversCompared(both: Extract<RetrieverComparison, { comparable: true }>): Html {
  const { rows, rowsKnown, meanAveragePrecision, won, lost, gate } = both;
  return html`<p>Gate ${gate.verdict}: ${gate.reason}</p>
    ${lostIds(gate, 'Production does better most on')}
    ${facts([
      ['Test pictures that both were asked with', count(rows)],
      ['Left out, since production was made of them', rowsKnown === null ? 'nobody can say' : count(rowsKnown)],
      ['mAP in production', score(meanAveragePrecision.production)],
      ['mAP of the new model', score(meanAveragePrecision.candidate)],
      ['Difference', score(meanAveragePrecision.difference, points)],
      ['The new model ranks better for', count(won)],
      ['Production ranks better for', count(lost)],
    ])}
    <p class="quiet">Each model embeds the gallery of this run; what production’s own index finds is not compared.</p>`;
}

function compared(both: Compared): Html {
  const { accuracy, macroF1, latency, sizeMb, won, lost, rows, exactP, midP, hardware } = both;
  const measures: readonly Measure[] = [
    paired('Accuracy', accuracy),
    paired('Macro F1', macroF1),
    plain('Latency p50', latency.production.p50Ms, latency.candidate.p50Ms, milliseconds),
    plain('Latency p95', latency.production.p95Ms, latency.candidate.p95Ms, milliseconds),
    plain('Size of model.onnx', sizeMb.production, sizeMb.candidate, megabytes),
  ];
  const gates = [both.gate, both.macroF1Gate].filter((gate) => gate !== undefined);
  return html`<p>${verdict(both)}</p>
    ${gates.map((gate) => html`<p>Gate ${gate.verdict}: ${gate.reason}</p>`)}
    ${both.macroF1Gate === undefined ? '' : lostIds(both.macroF1Gate, 'Of labels that lose F1, only production has right')}
    ${table(
      `On the same ${count(rows)} test rows; differences are the new model's minus production's, with 95 % intervals`,
      [
        { title: 'Measure', cell: (row: Measure) => row.name },
        { title: 'In production', numeric: true, cell: (row) => row.production },
        { title: 'New', numeric: true, cell: (row) => row.candidate },
        { title: 'Difference', numeric: true, cell: (row) => row.difference },
      ],
      measures,
    )}
    ${facts([
      ['Rows only the new model has right', count(won)],
      ['Rows only production has right', count(lost)],
      ['McNemar, exact', `p = ${probability(exactP)}`],
      ['McNemar, mid-p', `p = ${probability(midP)}`],
    ])}
    <p class="quiet">
      ${leftOut(both)} p: how often two models that err equally often would differ as much by chance. Latency of both:
      one input at a time, one after the other, on ${hardware.cpu} (${hardware.cores} cores), ${hardware.runtime}.
    </p>
    ${examples('Rows won: wrong in production, right now', both.wonExamples, won)}
    ${examples('Rows lost: right in production, wrong now', both.lostExamples, lost)}`;
}

/** What the interval of the paired difference says; never more. */
function mark(difference: Score): Html {
  const { low, high } = difference.interval ?? { low: -1, high: 1 };
  if (low > 0) return badge('good', 'better');
  return high < 0 ? badge('bad', 'worse') : badge('neutral', 'no difference shown');
}

function verdict(both: Compared): Content {
  const { difference } = both.accuracy;
  const { low, high } = difference.interval ?? { low: -1, high: 1 };
  return html`${mark(difference)} ${count(both.won)} rows won, ${count(both.lost)} lost: accuracy
  ${change(difference)}.${worseF1(both.macroF1.difference)}
  ${low <= 0 && high >= 0 ? 'These rows cannot tell which of the two errs less.' : ''}`;
}

/** A loss that accuracy may not show: rare labels count as much as frequent ones. */
function worseF1(difference: Score): Content {
  return (difference.interval?.high ?? 1) < 0
    ? html` ${badge('bad', 'macro F1 worse')} Macro F1 ${change(difference)}.`
    : '';
}

/** `+8.0 points, 1.9 points to 13.8 points`. */
function change({ value, interval: between }: Score): string {
  const sign = value !== null && value > 0 ? '+' : '';
  return `${sign}${points(value)}${between === null ? '' : `, ${interval(between, points)}`}`;
}

function leftOut({ rowsKnown }: Compared): string {
  if (rowsKnown === null) {
    return 'The data that production was trained on are in the store no more: it may know some of these rows by heart.';
  }
  return rowsKnown === 0
    ? 'Production was trained on none of the test rows.'
    : `Left out are ${count(rowsKnown)} test rows that production was trained or chosen on.`;
}

interface Measure {
  readonly name: string;
  readonly production: Content;
  readonly candidate: Content;
  readonly difference: Content;
}

function paired(name: string, { production, candidate, difference }: PairedScore): Measure {
  return { name, production: score(production), candidate: score(candidate), difference: score(difference, points) };
}

function plain(name: string, production: number, candidate: number, show: (value: number) => string): Measure {
  const ratio = production > 0 ? percent(candidate / production - 1) : '';
  return {
    name,
    production: show(production),
    candidate: show(candidate),
    difference: html`${show(candidate - production)}${ratio === '' ? '' : html`<small>${ratio}</small>`}`,
  };
}

function examples(caption: string, rows: readonly ComparedRow[], all: number): Content {
  if (rows.length === 0) return '';
  return table(
    rows.length < all ? `${caption} (${rows.length} of ${count(all)}, the new model surest first)` : caption,
    [
      { title: 'Row', cell: (row: ComparedRow) => html`<code>${row.rowId}</code>` },
      { title: 'True', cell: (row) => row.expected },
      { title: 'In production', cell: (row) => row.production },
      { title: 'New', cell: (row) => row.candidate },
    ],
    rows,
  );
}

type Setting = ProductionModel['settings'][number];

function settings({ made, settings: changed, settingsLeftOut }: ProductionModel): Content {
  if (made === null) return '';
  if (changed.length === 0) return html`<p>Every setting is as in the definition of the model in production.</p>`;
  return html`<h3>Settings that differ</h3>
    ${table(
      settingsLeftOut === 0
        ? 'From the definition of the model in production'
        : `From the definition of the model in production, the first ${changed.length}; ${count(settingsLeftOut)} more differ`,
      [
        { title: 'Setting', cell: (one: Setting) => html`<code>${one.path}</code>` },
        { title: 'From', cell: (one) => setting(one.from) },
        { title: 'To', cell: (one) => setting(one.to) },
      ],
      changed,
    )}`;
}
