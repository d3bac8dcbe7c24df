/**
 * Which good answers are shown to a model as examples: drawn, most like what is asked, or such that show what is done
 * wrong. Pure and seeded: the same rows give the same examples.
 */
import type { ExampleChoice } from '../../pipelines/definition/generation.ts';
import { jaccard, shingles } from '../data/near-duplicates.ts';
import { normaliseText } from '../data/normalise.ts';
import type { PromptRow } from '../data/prompts.ts';
import { seededRandom, shuffleStart } from '../validation/random.ts';
import { asked, given } from './answers.ts';
import type { CheckContext } from './guidelines/checker.ts';
import type { Judge, Judgement } from './judge.ts';

export type Example = Readonly<Record<'user' | 'assistant', string>>;
/** A good answer of a training row, and the guidelines that are about it. */
export interface GoodAnswer extends Example {
  readonly applied: readonly string[];
}
export interface ChoiceContext {
  /** Prompts that the examples are to help with: of validation, never of the test. */
  readonly prompts: readonly string[];
  /** How often answers without examples broke each guideline. */
  readonly failed: ReadonlyMap<string, number>;
  readonly seed: number;
}

/**
 * Of training rows in a seeded order the first whose answers keep every guideline of severity `gate`, no example twice: a dialogue
 * that was cut at every answer begins with the same one each time. The rows come in their own order, one at a time;
 * `count` says how many.
 */
export async function goodAnswers(
  train: AsyncIterable<PromptRow>,
  count: number,
  judge: Judge,
  seed: number,
): Promise<readonly GoodAnswer[]> {
  const order = Array.from({ length: count }, (_, index) => index);
  shuffleStart(order, count, seededRandom(seed, 1));
  const rankOf = new Uint32Array(count);
  for (const [rank, index] of order.entries()) rankOf[index] = rank;
  let pool: readonly { readonly rank: number; readonly good: GoodAnswer }[] = [];
  let index = 0;
  for await (const row of train) {
    const rank = rankOf[index++]!;
    const isTooLate = pool.length === POOL && rank > pool.at(-1)!.rank;
    if (isTooLate) continue;
    const example = exampleOf(row);
    if (example === undefined) continue;
    const { assistant, context } = example;
    const { adherent, applied } = judge.of(assistant, context);
    if (!adherent) continue;
    const good = { user: example.user, assistant, applied };
    const same = pool.find((other) => other.good.user === good.user && other.good.assistant === assistant);
    if (same !== undefined && same.rank < rank) continue;
    pool = [...pool.filter((other) => other !== same), { rank, good }]
      .toSorted((one, other) => one.rank - other.rank)
      .slice(0, POOL);
  }
  return pool.map(({ good }) => good);
}
/** Of a conversation its first question and answer: they need nothing before them. */
function exampleOf(row: PromptRow): (Example & { readonly context: CheckContext }) | undefined {
  const [question, answer] = (row.history ?? []).filter(({ role }) => role !== 'system');
  if (question !== undefined && answer !== undefined) {
    return { user: question.content, assistant: answer.content, context: { prompt: question.content } };
  }
  return row.completion === undefined
    ? undefined
    : { user: asked(row), assistant: row.completion, context: given(row) };
}
/** Enough to choose among; each is compared with every prompt. */
const POOL = 200;
/** Of the drawn, how many times as many as are shown: the short ones among them are, since they are read with every question. */
const DRAWN = 4;

export function chooseExamples(
  choice: ExampleChoice,
  good: readonly GoodAnswer[],
  count: number,
  context: ChoiceContext,
): readonly Example[] {
  return CHOICES[choice](good, Math.min(count, good.length), context).map(({ user, assistant }) => ({
    user,
    assistant,
  }));
}

/** How often each guideline was broken. */
export function brokenCounts(judgements: readonly Pick<Judgement, 'broken'>[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const id of judgements.flatMap(({ broken }) => broken)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

type Choose = (good: readonly GoodAnswer[], count: number, context: ChoiceContext) => readonly GoodAnswer[];

const CHOICES: Readonly<Record<ExampleChoice, Choose>> = {
  random: (good, count) =>
    good
      .slice(0, Math.max(count * DRAWN, 8))
      .toSorted(shorterFirst)
      .slice(0, count),

  // Facility location, greedily: every prompt is served by the example that is most like it (Nemhauser, Wolsey & Fisher,
  // Mathematical Programming 14, 1978: within 1 − 1/e of the best set).
  similar: (good, count, { prompts, seed }) => {
    const some = sample(prompts, MOST_PROMPTS, seed).map(shinglesOf);
    const likeness = good.map(({ user }) => {
      const own = shinglesOf(user);
      return some.map((other) => jaccard(own, other));
    });
    const served = some.map(() => 0);
    return greedy(
      good,
      count,
      (index) => likeness[index]!.reduce((sum, one, at) => sum + Math.max(0, one - served[at]!), 0),
      (index) => {
        for (const [at, one] of likeness[index]!.entries()) served[at] = Math.max(served[at]!, one);
      },
    );
  },

  covering: (good, count, { failed }) => {
    const open = new Map(failed);
    return greedy(
      good,
      count,
      (index) => good[index]!.applied.reduce((sum, id) => sum + (open.get(id) ?? 0), 0),
      (index) => {
        for (const id of good[index]!.applied) open.delete(id);
      },
    );
  },
};
const MOST_PROMPTS = 100;

/** One after the other the one that gains most; of equals the shorter one. */
function greedy(
  good: readonly GoodAnswer[],
  count: number,
  gainOf: (index: number) => number,
  take: (index: number) => void,
): readonly GoodAnswer[] {
  const left = new Set(good.keys());
  const taken: GoodAnswer[] = [];
  while (taken.length < count) {
    const [best] = [...left]
      .map((index) => ({ index, gain: gainOf(index) }))
      .toSorted((a, b) => b.gain - a.gain || shorterFirst(good[a.index]!, good[b.index]!) || a.index - b.index);
    if (best === undefined) break;
    left.delete(best.index);
    take(best.index);
    taken.push(good[best.index]!);
  }
  return taken;
}

function shorterFirst(one: Example, other: Example): number {
  return one.user.length + one.assistant.length - other.user.length - other.assistant.length;
}

function shinglesOf(text: string): Uint32Array {
  return shingles(normaliseText(text));
}

function sample(texts: readonly string[], count: number, seed: number): readonly string[] {
  const order = Array.from(texts, (_, index) => index);
  shuffleStart(order, count, seededRandom(seed, 3));
  return order.slice(0, count).map((index) => texts[index]!);
}
