/** How the tuned model answers the test split: label by label, where it errs, and what odd inputs do to it. */
import type { RunFacts } from '../../contract/evidence.ts';
import type { Evaluation, LabelScore } from '../../contract/validation.ts';
import {
  count,
  machineWords,
  milliseconds,
  percent,
  points,
  probability,
  score,
  significant,
  waitedWords,
} from '../format.ts';
import { reliabilityPlot } from '../plots/reliability.ts';
import { html, type Content, type Html } from '../../../artifacts/html.ts';
import { isOfPictures } from '../../privacy/policy-text.ts';
import type { Example } from '../examples.ts';
import { facts, table } from '../parts.ts';
import { edgeTable } from './edge-inputs.ts';
import type { Section } from '../page.ts';

export const evaluationSection: Section = {
  id: 'evaluation',
  title: 'Evaluation',
  body: ({ facts: run, examples }) => {
    const { evaluation } = run;
    if (evaluation === undefined) return null;
    const { latency, hardware } = evaluation;
    const pictures = isOfPictures(run.pipeline.data);
    return html`${facts([
      ['Test accuracy', score(evaluation.measures.accuracy)],
      ['Frozen probe on the same rows', score(evaluation.baselineAccuracy)],
      ...(evaluation.trivial ?? []).map(
        ({ kind, accuracy, midP, macroF1, learntFrom }) =>
          [
            `Trivial: ${kind}${learntFrom === undefined ? '' : `, from ${count(learntFrom.rows)} of ${count(learntFrom.of)} training rows`}`,
            html`${score(accuracy)}<small
                >McNemar, mid-p, against the model:
                ${probability(midP)}${macroF1 === undefined ? '' : `; macro F1 ${percent(macroF1)}`}</small
              >`,
          ] as const,
      ),
      ['Validation accuracy', score(evaluation.validationAccuracy)],
      ['Training accuracy', score(evaluation.trainAccuracy)],
      ['Macro F1', score(evaluation.measures.macroF1)],
      ...several(evaluation),
      ...(evaluation.calibration === undefined
        ? []
        : ([['Calibration', calibrationLine(evaluation, fittedOn(run))]] as const)),
      [
        pictures ? 'Latency, one picture' : 'Latency, one text',
        `p50 ${milliseconds(latency.p50Ms)}, p95 ${milliseconds(latency.p95Ms)} (${latency.runs} runs after ${latency.warmupRuns}${waitedWords(latency.waitedShare)})`,
      ],
      ['Measured on', machineWords(hardware, run.pipeline.selection.hardware)],
    ])}
    ${table(
      evaluation.perLabel.length < (run.data?.labels.length ?? 0)
        ? `The ${evaluation.perLabel.length} labels with the lowest F1 of ${count(run.data?.labels.length ?? 0)}, test split; all are in the evaluation artifact`
        : 'Label by label, test split',
      [
        { title: 'Label', cell: (row: LabelScore) => row.label },
        { title: 'Precision', numeric: true, cell: (row) => percent(row.precision) },
        { title: 'Recall', numeric: true, cell: (row) => percent(row.recall) },
        { title: 'F1', numeric: true, cell: (row) => percent(row.f1) },
        { title: 'Rows', numeric: true, cell: (row) => count(row.support) },
        ...(evaluation.severalLabels === undefined ? [] : OF_SEVERAL),
      ],
      evaluation.perLabel,
    )}${evaluation.calibration === undefined ? '' : reliabilityPlot(evaluation.calibration, evaluation.severalLabels !== undefined)}${confusion(evaluation)}${mistakes(examples ?? [], pictures)}${edgeTable(evaluation.edgeInputs, 'a probability for every label')}`;
  },
};

/** Of several labels a row. */
const OF_SEVERAL = [
  {
    title: 'Applies from',
    numeric: true,
    cell: (row: LabelScore) => `${percent(row.threshold ?? null)}${row.unfitted === true ? ' (not fitted)' : ''}`,
  },
  { title: 'Average precision', numeric: true, cell: (row: LabelScore) => percent(row.averagePrecision ?? null) },
  { title: 'ECE', numeric: true, cell: (row: LabelScore) => percent(row.calibrationError ?? null) },
] as const;

function several({ severalLabels }: Evaluation): readonly (readonly [string, Content])[] {
  if (severalLabels === undefined) return [];
  const { microF1, meanAveragePrecision, subsetAccuracy, labelsPerRow } = severalLabels;
  return [
    ['Micro F1', score(microF1)],
    ['Mean average precision', score(meanAveragePrecision)],
    ['Rows with all labels right', score(subsetAccuracy)],
    ['Labels a row', `${significant(labelsPerRow.given)} given, ${significant(labelsPerRow.predicted)} predicted`],
    [
      'Accuracy here',
      'share of a row’s labels that are right: both given and predicted, of those either given or predicted',
    ],
  ];
}

/** What the export fitted so that probabilities mean what they say. */
function fittedOn({ exported, data }: RunFacts): string {
  if (exported === undefined || !('temperature' in exported)) return '';
  const { temperature, calibratedLabels } = exported;
  if (calibratedLabels !== undefined)
    return `; sigmoid fitted for ${count(calibratedLabels)} of ${count(data?.labels.length)} labels, on validation`;
  return temperature === undefined || temperature === 1
    ? ''
    : `; logits divided by ${significant(temperature)}, fitted on validation`;
}

function calibrationLine({ calibration, measures }: Evaluation, how: string): Html {
  const ece = measures.calibrationError ?? { value: null, interval: null, rows: 0 };
  return html`ECE ${score(ece, points)} Brier ${significant(calibration?.brier)}, NLL
  ${significant(calibration?.nll)}${how}`;
}

/** Counts, shaded by their share of the row: green on the diagonal, red beside it; the count is always written. */
function confusion({ confusion: matrix, perLabel, severalLabels }: Evaluation): Html {
  if (severalLabels !== undefined) return html``;
  if (matrix.length === 0) return html`<p>The confusion matrix of so many labels is in the evaluation artifact.</p>`;
  const labels = perLabel.map((row) => row.label);
  const cell =
    (row: readonly number[], at: number) =>
    (column: number): Content => {
      const rows = row.reduce((sum, value) => sum + value, 0);
      const value = row[column] ?? 0;
      const tenth = rows === 0 ? 0 : Math.ceil((value / rows) * 10);
      return html`<td class="${column === at ? 'heat' : 'miss'}${tenth}">
        ${value === 0 ? html`<span class="quiet">0</span>` : count(value)}
      </td>`;
    };
  const caption = 'Confusion matrix: rows are the true label, columns the predicted one';
  return html`<div class="matrix">
    <div class="scroll" tabindex="0" role="region" aria-label="${caption}">
      <table>
        <caption>
          ${caption}
        </caption>
        <thead>
          <tr>
            <th scope="col">true ↓ predicted →</th>
            ${labels.map((label) => html`<th scope="col">${label}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${matrix.map(
            (row, at) =>
              html`<tr>
                <th scope="row">${labels[at] ?? `class ${at}`}</th>
                ${row.map((_, column) => cell(row, at)(column))}
              </tr> `,
          )}
        </tbody>
      </table>
    </div>
  </div>`;
}

function mistakes(wrong: readonly Example[], pictures: boolean): Html {
  if (wrong.length === 0) return html`<p>No test row was labelled wrongly.</p>`;
  return table(
    pictures
      ? 'Mistakes of which the model was surest; a picture lies under its row in test.tar of the dataset, and is not shown here'
      : 'Mistakes of which the model was surest; placeholders stand for personal data, long texts are cut',
    [
      { title: 'Row', cell: (row: Example) => html`<code>${row.rowId}</code>` },
      { title: 'True', cell: (row) => row.expected },
      { title: 'Predicted', cell: (row) => row.predicted },
      { title: 'Probability', numeric: true, cell: (row) => percent(row.probability) },
      ...(pictures
        ? []
        : [{ title: 'Text', cell: (row: Example) => html`<span class="text">${row.text ?? 'not kept'}</span>` }]),
    ],
    wrong,
  );
}
