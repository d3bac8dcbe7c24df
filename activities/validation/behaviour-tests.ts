/** Behaviour tests that people wrote down, asked of the tuned model: a share that holds and the failures a table. */
import type { TextModel } from '../../inference/text-model.ts';
import { inputsOf, labelsNamed, picturesAsked, type BehaviourTest } from '../../pipelines/behaviour/table.ts';
import type { BehaviourFailure, BehaviourResult } from '../contract/validation.ts';
import type { StoredTest } from '../data/behaviour.ts';
import { groupBy } from '../data/group.ts';
import { argmaxRows } from './metrics.ts';
import { shareScore } from './scores.ts';

/** Failures of a table that a step's result lists; all are in the evaluation's details. */
export const LISTED_FAILURES = 20;

/** A rounding of float32 is no fall. */
const ROUNDING = 1e-6;

/** What a model says of a text, of two that belong together, or of a picture. */
export interface Answer {
  /** The label that it gives; of a model of several labels all that it gives, by name. */
  readonly labels: readonly string[];
  readonly chanceOf: (label: string) => number;
  /** Every probability is a number: one that is none holds nothing. */
  readonly finite: boolean;
}
/** The labels, by index, that the probabilities of a text amount to. */
export type Decide = (probabilities: Float32Array) => readonly number[];

/** One result a table, in the order of the tests. */
export async function askBehaviour(
  model: Pick<TextModel, 'runAll'>,
  labels: readonly string[],
  tests: readonly StoredTest[],
  options: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (done: number, total: number) => void;
    /** By default the most probable label. */
    readonly decide?: Decide;
  } = {},
): Promise<readonly BehaviourResult[]> {
  const { decide = mostProbable, ...running } = options;
  const results: BehaviourResult[] = [];
  for (const [name, ofTable] of groupBy(tests, ({ table }) => table)) {
    const inputs = ofTable.flatMap(({ test }) => inputsOf(test));
    const { probabilities = new Float32Array() } = await model.runAll(inputs, running);
    const answers = inputs.map((_, row) => {
      return answerOf(probabilities.subarray(row * labels.length, (row + 1) * labels.length), labels, decide);
    });
    results.push(judgeTable(name, ofTable, answers));
  }
  return results;
}

export const mostProbable: Decide = (probabilities) => [...argmaxRows(probabilities, probabilities.length)];

/** What the probabilities of one text, or picture, say. */
export function answerOf(chances: Float32Array, labels: readonly string[], decide: Decide): Answer {
  return {
    labels: decide(chances).map((label) => labels[label] ?? 'nothing'),
    chanceOf: (label) => chances[labels.indexOf(label)] ?? Number.NaN,
    finite: chances.length > 0 && chances.every(Number.isFinite),
  };
}

/** `answers`: to the texts, or pictures, of the tests, in their order. */
export function judgeTable(name: string, tests: readonly StoredTest[], answers: readonly Answer[]): BehaviourResult {
  let row = 0;
  const problems = tests.map(({ test }) => {
    const from = row;
    row += inputsOf(test).length;
    return problemOf(test, answers.slice(from, row));
  });
  return tableResult(name, tests, problems);
}

/** `problems`: why each test does not hold, null where it does. */
export function tableResult(
  name: string,
  tests: readonly StoredTest[],
  problems: readonly (string | null)[],
): BehaviourResult {
  const failures = tests.flatMap(({ file, line, test }, at): readonly BehaviourFailure[] => {
    const problem = problems[at] ?? null;
    if (problem === null) return [];
    const asked = 'image' in test ? { pictures: picturesAsked(test) } : { texts: inputsOf(test) };
    return [{ file, line, problem, ...asked }];
  });
  const { kind } = tests[0]!.test;
  return { name, kind, score: shareScore(tests.length - failures.length, tests.length), failures };
}

/** Why a test does not hold; null where it does. */
function problemOf(test: BehaviourTest, answers: readonly Answer[]): string | null {
  const [first, second] = answers;
  if (first === undefined) return 'was not answered';
  if (!answers.every(({ finite }) => finite)) return 'is answered with a probability that is no number';
  if (test.kind === 'minimum-functionality') {
    const wanted = labelsNamed(test);
    if (sameLabels(first.labels, wanted)) return null;
    return `is ${withChances(first.labels, first)} instead of ${withChances(wanted, first)}`;
  }
  if (second === undefined) return 'was not answered';
  if (test.kind === 'invariance') {
    if (sameLabels(first.labels, second.labels)) return null;
    return `is ${named(first.labels)} the one way and ${named(second.labels)} the other`;
  }
  const [before, after] = [first.chanceOf(test.label), second.chanceOf(test.label)];
  const wrongWay = test.mustNot === 'fall' ? before - after : after - before;
  if (wrongWay <= test.by + ROUNDING) return null;
  return `${test.label} goes from ${shown(before)} to ${shown(after)} and must not ${test.mustNot} by more than ${test.by}`;
}

/** Whatever their order. */
function sameLabels(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((label) => other.includes(label));
}

function named(labels: readonly string[]): string {
  return labels.join(' and ') || 'none';
}

function withChances(labels: readonly string[], { chanceOf }: Answer): string {
  return named(labels.map((label) => `${label} (${shown(chanceOf(label))})`));
}

const shown = (chance: number): string => chance.toFixed(2);

/** What of the results a step's result holds: the first failures, without their texts. */
export function listedBehaviour(results: readonly BehaviourResult[]): readonly BehaviourResult[] {
  return results.map(({ name, kind, score, failures }) => ({
    name,
    kind,
    score,
    failures: failures.slice(0, LISTED_FAILURES).map(({ file, line, problem, pictures }) => {
      return { file, line, problem, ...(pictures === undefined ? {} : { pictures }) };
    }),
  }));
}
