/** Behaviour tests that people wrote down, asked of the tuned model: a share that holds and the failures a table. */
import type { TextModel } from '../../inference/text-model.ts';
import { textsOf, type BehaviourTest } from '../../pipelines/behaviour/table.ts';
import type { BehaviourFailure, BehaviourResult } from '../contract/validation.ts';
import type { StoredTest } from '../data/behaviour.ts';
import { groupBy } from '../data/group.ts';
import { argmaxRows } from './metrics.ts';
import { shareScore } from './scores.ts';

/** Failures of a table that a step's result lists; all are in the evaluation's details. */
export const LISTED_FAILURES = 20;

/** A rounding of float32 is no fall. */
const ROUNDING = 1e-6;

/** One result a table, in the order of the tests. */
export async function askBehaviour(
  model: Pick<TextModel, 'runAll'>,
  labels: readonly string[],
  tests: readonly StoredTest[],
  options: { readonly signal?: AbortSignal; readonly onProgress?: (done: number, total: number) => void } = {},
): Promise<readonly BehaviourResult[]> {
  const results: BehaviourResult[] = [];
  for (const [name, ofTable] of groupBy(tests, ({ table }) => table)) {
    const texts = ofTable.flatMap(({ test }) => textsOf(test));
    const { probabilities = new Float32Array() } = await model.runAll(texts, options);
    const predicted = argmaxRows(probabilities, labels.length);
    const failures: BehaviourFailure[] = [];
    let row = 0;
    for (const { file, line, test } of ofTable) {
      const answers = textsOf(test).map((_, part): Answer => {
        const chances = probabilities.subarray((row + part) * labels.length, (row + part + 1) * labels.length);
        return {
          label: labels[predicted[row + part]!] ?? 'nothing',
          chanceOf: (label) => chances[labels.indexOf(label)] ?? Number.NaN,
        };
      });
      row += answers.length;
      const problem = problemOf(test, answers);
      if (problem !== null) failures.push({ file, line, problem, texts: textsOf(test) });
    }
    const kind = ofTable[0]!.test.kind;
    results.push({ name, kind, score: shareScore(ofTable.length - failures.length, ofTable.length), failures });
  }
  return results;
}

interface Answer {
  readonly label: string;
  readonly chanceOf: (label: string) => number;
}

/** Why a test does not hold; null where it does. A probability that is no number holds nothing. */
function problemOf(test: BehaviourTest, [first, second]: readonly Answer[]): string | null {
  if (first === undefined) return 'was not answered';
  if (test.kind === 'minimum-functionality') {
    const { label, chanceOf } = first;
    if (label === test.label && Number.isFinite(chanceOf(label))) return null;
    return `is ${label} (${shown(chanceOf(label))}) instead of ${test.label} (${shown(chanceOf(test.label))})`;
  }
  if (second === undefined) return 'was not answered';
  if (test.kind === 'invariance') {
    const holds =
      first.label === second.label && Number.isFinite(first.chanceOf(first.label) + second.chanceOf(second.label));
    return holds ? null : `is ${first.label} the one way and ${second.label} the other`;
  }
  const [before, after] = [first.chanceOf(test.label), second.chanceOf(test.label)];
  const wrongWay = test.mustNot === 'fall' ? before - after : after - before;
  if (wrongWay <= test.by + ROUNDING) return null;
  return `${test.label} goes from ${shown(before)} to ${shown(after)} and must not ${test.mustNot} by more than ${test.by}`;
}

const shown = (chance: number): string => chance.toFixed(2);

/** What of the results a step's result holds: the first failures, without their texts. */
export function listedBehaviour(results: readonly BehaviourResult[]): readonly BehaviourResult[] {
  return results.map((result) => ({
    ...result,
    failures: result.failures.slice(0, LISTED_FAILURES).map(({ file, line, problem }) => ({ file, line, problem })),
  }));
}
