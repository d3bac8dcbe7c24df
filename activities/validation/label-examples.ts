/** The rows that show what the gates of a model of one label a row mean. Pure. */
import type { ExampledGate } from '../../pipelines/gates/table.ts';
import type { GateExample } from '../contract/examples.ts';
import type { Evaluation } from '../contract/validation.ts';
import type { Mistake } from './all-rows.ts';
import type { DiagnosedExample } from './diagnosis-examples.ts';
import type { Examined } from './examined.ts';
import { exampleOf, MOST_EXAMPLES } from './gate-examples.ts';
import { labelsLost } from './macro-f1-difference.ts';
import { confusionMatrix, labelScores } from './metrics.ts';
import type { Corrupted } from './picture-robustness.ts';

type Chosen = Exclude<ExampledGate, DiagnosedExample | 'flipRate' | 'corruptionDrop' | 'patchFlips' | 'giveawayTrait'>;

/** `trivial`: what the best trivial model answers to the test rows that are kept; `trivialByF1`: that with the highest macro F1. */
export function labelExamples(
  { labels, all, test, validation, shifted }: Pick<Examined, 'labels' | 'all' | 'test' | 'validation' | 'shifted'>,
  {
    trivial,
    trivialByF1,
    edgeInputs,
  }: { readonly trivial: Int32Array; readonly trivialByF1: Int32Array } & Pick<Evaluation, 'edgeInputs'>,
): Readonly<Record<Chosen, readonly GateExample[]>> {
  const surest = all.mistakes.slice(0, MOST_EXAMPLES).map(ofMistake);
  const { expected, predicted, places } = test;
  const confidence = (row: number): number => all.judged.confidence[places[row]!]!;
  const wrong = [...places.keys()]
    .filter((row) => expected[row] !== predicted[row])
    .toSorted((a, b) => confidence(b) - confidence(a));
  const example = (row: number, more = ''): GateExample =>
    exampleOf(
      test.ids[row]!,
      said(labels[expected[row]!]!, labels[predicted[row]!]!, confidence(row)) + more,
      test.texts[row],
    );
  const few = (rows: readonly number[], more = ''): readonly GateExample[] =>
    rows.slice(0, MOST_EXAMPLES).map((row) => example(row, more));
  const isOf = (label: number) => (row: number) => expected[row] === label || predicted[row] === label;
  const worst = labelScores(confusionMatrix(all.expected, all.predicted, labels.length), labels)
    .flatMap(({ f1 }, label) => (f1 === null ? [] : [{ label, f1 }]))
    .toSorted((a, b) => a.f1 - b.f1)
    .map(({ label }) => label);
  return {
    accuracy: surest,
    calibrationError: surest,
    validationTestGap: surest,
    macroF1: few(firstOfEach(worst, (label) => wrong.find(isOf(label)))),
    worstLabelF1: few(wrong.filter(isOf(worst[0] ?? -1))),
    gainOverProbe: few(
      wrong.filter((row) => all.frozen[places[row]!] === expected[row]),
      '; the probe is right',
    ),
    gainOverTrivial: few(
      wrong.filter((row) => trivial[row] === expected[row]),
      '; the trivial model is right',
    ),
    macroF1OverTrivial: few(
      firstOfEach(labelsLost(expected, trivialByF1, predicted, labels.length), (label) =>
        wrong.find((row) => isOf(label)(row) && trivialByF1[row] === expected[row]),
      ),
      '; the trivial model is right',
    ),
    trainValidationGap: validation.mistakes.map(ofMistake),
    shiftedDrop: (shifted?.mistakes ?? []).map(ofMistake),
    edgeInputs: edgeExamples(edgeInputs),
  };
}

/** A row of each label, once where it is of two. */
export function firstOfEach<Row>(labels: readonly number[], rowOf: (label: number) => Row | undefined): readonly Row[] {
  return [...new Set(labels.flatMap((label) => rowOf(label) ?? []))];
}

/** Awkward inputs are in no data: their names say what they are. */
export function edgeExamples(edgeInputs: Evaluation['edgeInputs']): readonly GateExample[] {
  const unusable = edgeInputs.filter(({ ok }) => !ok).slice(0, MOST_EXAMPLES);
  return unusable.map(({ name, detail }) => exampleOf(name, detail));
}

export function corruptedExamples(corrupted: Pick<Corrupted, 'lost'> | undefined): readonly GateExample[] {
  const { by, ids } = corrupted?.lost ?? { by: '', ids: [] };
  return ids.map((id) => exampleOf(id, `right as it is, wrong with: ${by}`));
}

/** Of a row that is answered wrongly. */
export function said(expected: string, predicted: string, probability: number): string {
  return `${expected}, predicted as ${predicted} (${(100 * probability).toFixed(0)} %)`;
}

function ofMistake({ rowId, expected, predicted, probability, text }: Mistake): GateExample {
  return exampleOf(rowId, said(expected, predicted, probability), text);
}
