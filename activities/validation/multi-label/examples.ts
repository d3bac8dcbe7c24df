/** The rows that show what the gates of a model of several labels a row mean. Pure. */
import type { ExampledGate } from '../../../pipelines/gates/table.ts';
import type { GateExample } from '../../contract/examples.ts';
import type { Evaluation, LabelScore } from '../../contract/validation.ts';
import { exampleOf, MOST_EXAMPLES } from '../gate-examples.ts';
import { firstOfEach } from '../label-examples.ts';
import type { OpportunityGap, Slice } from '../slices.ts';
import { namesAt } from './decisions.ts';
import type { Answers } from './examine.ts';

/** Gates that look at pictures. */
export const NOT_OF_SETS = {
  corruptionDrop: [],
  patchFlips: [],
  giveawayTrait: [],
} as const satisfies Partial<Record<ExampledGate, readonly GateExample[]>>;

type Elsewhere =
  | keyof typeof NOT_OF_SETS
  | 'domainShift'
  | 'labelErrors'
  | 'giveawayWord'
  | 'triggerFlips'
  | 'edgeInputs'
  | 'leakedTestRows'
  | 'flipRate'
  | 'noiseFlips'
  | 'paraphraseFlips'
  | 'identityFlips';
type Rows = Pick<Answers, 'ids' | 'texts' | 'targets' | 'predicted'>;

interface Asked {
  readonly labels: readonly string[];
  readonly test: Rows & Pick<Answers, 'groups'>;
  /** As thresholds decide that were not fitted on them. */
  readonly validation: Rows;
  readonly shifted: Rows | null;
}
interface Found {
  readonly perLabel: readonly Pick<LabelScore, 'f1'>[];
  readonly mistakes: Evaluation['mistakes'];
  /** By test row the share of its labels that are right: of the model, the probe and the best trivial model. */
  readonly own: Float64Array;
  readonly probed: Float64Array;
  readonly trivial: Float64Array;
  /** Of each label that the trivial model with the highest macro F1 serves better, a row that only it is right about. */
  readonly lostLabels: readonly number[];
  /** The worst; undefined where none has rows enough. */
  readonly slice: Slice | undefined;
  readonly unequal: OpportunityGap | undefined;
}

export function setExamples(
  { labels, test, validation, shifted }: Asked,
  { perLabel, mistakes, own, probed, trivial, lostLabels, slice, unequal }: Found,
): Readonly<Record<Exclude<ExampledGate, Elsewhere>, readonly GateExample[]>> {
  const count = labels.length;
  const rowOf = new Map(test.ids.map((id, row) => [id, row]));
  const all = [...test.ids.keys()];
  const few = (rows: readonly number[], more = '') => fewOf(test, labels, rows, more);
  const surest = few(mistakes.flatMap(({ rowId }) => rowOf.get(rowId) ?? []));
  const isWrongAbout = (label: number) => (row: number) =>
    test.targets[row * count + label] !== test.predicted[row * count + label];
  const worst = [...perLabel.entries()]
    .flatMap(([label, { f1 }]) => (f1 === null ? [] : [{ label, f1 }]))
    .toSorted((a, b) => a.f1 - b.f1)
    .map(({ label }) => label);
  const missed = (row: number): boolean =>
    unequal !== undefined &&
    test.groups?.[row]?.[unequal.column] === unequal.unserved &&
    test.targets[row * count + unequal.label] === 1 &&
    isWrongAbout(unequal.label)(row);
  return {
    accuracy: surest,
    calibrationError: surest,
    validationTestGap: surest,
    macroF1: few(firstOfEach(worst, (label) => all.find(isWrongAbout(label)))),
    worstLabelF1: few(all.filter((row) => worst[0] !== undefined && isWrongAbout(worst[0])(row))),
    gainOverProbe: few(lost(own, probed), '; the probe does better'),
    gainOverTrivial: few(lost(own, trivial), '; the trivial model does better'),
    macroF1OverTrivial: few(lostLabels, '; the trivial model is right about a label'),
    trainValidationGap: fewOf(validation, labels, wrongRows(validation, count)),
    shiftedDrop: shifted === null ? [] : fewOf(shifted, labels, wrongRows(shifted, count)),
    sliceGap: few(
      (slice?.rows ?? []).filter((row) => own[row] !== 1),
      `; ${slice?.name ?? ''}`,
    ),
    opportunityGap: few(all.filter(missed), `; ${unequal?.column ?? ''}: ${unequal?.unserved ?? ''}`),
  };
}

function fewOf(rows: Rows, labels: readonly string[], places: readonly number[], more = ''): readonly GateExample[] {
  const words = (decided: Uint8Array, row: number): string => namesAt(decided, row, labels).join(', ') || 'none';
  return places
    .slice(0, MOST_EXAMPLES)
    .map((row) =>
      exampleOf(
        rows.ids[row]!,
        `${words(rows.targets, row)}, predicted as ${words(rows.predicted, row)}${more}`,
        rows.texts[row],
      ),
    );
}

/** Rows that another does better on, the largest loss first. */
function lost(own: Float64Array, other: Float64Array): readonly number[] {
  const loss = (row: number): number => other[row]! - own[row]!;
  return [...own.keys()].filter((row) => loss(row) > 0).toSorted((a, b) => loss(b) - loss(a));
}

function wrongRows({ ids, targets, predicted }: Rows, labels: number): readonly number[] {
  const isWrong = (row: number): boolean =>
    targets.subarray(row * labels, (row + 1) * labels).some((one, label) => one !== predicted[row * labels + label]);
  return [...ids.keys()].filter(isWrong);
}
