/** Test prompts that the model may have seen with an answer: as training prompts, or as examples of its own prompt. */
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import { beginningsOf, conversationIdentity } from '../data/conversations.ts';
import { groupBy } from '../data/group.ts';
import { jaccard, shingles } from '../data/near-duplicates.ts';
import { NearTwinIndex } from '../data/near-twin-index.ts';
import { normaliseText } from '../data/normalise.ts';
import { isSlip } from '../data/one-edit.ts';
import { pause, resting } from '../data/pauses.ts';
import type { PromptRow } from '../data/prompts.ts';
import { WordCounts } from '../data/word-counts.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import { notMeasured } from '../validation/scores.ts';
import { NEAR, seenScore, type SeenTexts } from '../validation/seen-texts.ts';
import { asked, type PromptSpec } from './answers.ts';

const PAUSE_ROWS = 100;

/**
 * The share of the test prompts that is found: word for word, also on the way of a training conversation (every answer in it is
 * learnt), or nearly, as `data.nearDuplicates` compares by default: in all that was said and in the last question by itself, since
 * much that was said before outweighs any question. Case and white space do not count, nor do system texts.
 * `training`: the training rows, read once for each way of looking.
 */
export async function leakedPrompts(
  rows: readonly PromptRow[],
  examples: PromptSpec['examples'],
  training: () => AsyncIterable<PromptRow>,
  signal: AbortSignal,
): Promise<{ readonly score: Score; readonly examples: readonly GateExample[] }> {
  if (rows.length === 0) return { score: notMeasured('there are no test prompts'), examples: [] };
  const test = rows.map((row) => conversationIdentity(row).normalised);
  const words = await WordCounts.of([test], signal);
  const same = await sameQuestions(test, training(), words, signal);
  const shown = await shownQuestions(rows, test, examples, words, signal);
  const { twins: near, compared } = await nearQuestions(test, training(), words, signal);
  const found = rows.flatMap((row, place): GateExample[] => {
    const example = shown.get(place);
    const learnt = same.get(place) ?? near.get(place);
    if (example === undefined && learnt === undefined) return [];
    const what = example === undefined ? `the training row ${learnt}` : `example ${example} of the prompt`;
    return [exampleOf(row.id, `repeats ${what}`, asked(row))];
  });
  return { score: seenScore(found.length, rows.length, compared), examples: found.slice(0, MOST_EXAMPLES) };
}

/**
 * The first example that nearly asks what a test prompt asks, by the test prompt's place. An example is shown with its facts, as a
 * prompt is asked: both must be alike with them and without, since long facts that many prompts share outweigh any question.
 */
async function shownQuestions(
  rows: readonly PromptRow[],
  test: readonly string[],
  examples: PromptSpec['examples'],
  words: WordCounts,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, number>();
  if (examples.length === 0) return found;
  const shown = examples.map(({ user }) => ({
    whole: compared(normaliseText(user)),
    // Where the facts end is not told: the question is what stands after one of the blank lines, or all of it.
    questions: [...user.matchAll(/\n\n|^/g)].map(({ index }) => compared(normaliseText(user.slice(index)))),
  }));
  const isNear = (one: Compared, other: Compared): boolean =>
    jaccard(one.shingles, other.shingles) >= NEAR || isSlip(other.text, one.text, words);
  for (const [place, row] of rows.entries()) {
    if (place % PAUSE_ROWS === 0) await pause(signal);
    const whole = compared(conversationIdentity({ ...row, prompt: asked(row) }).normalised);
    const question = compared(test[place]!);
    const at = shown.findIndex(
      (one) => isNear(whole, one.whole) && one.questions.some((each) => isNear(question, each)),
    );
    if (at !== -1) found.set(place, at + 1);
  }
  return found;
}

/** A normalised text, and its 5-grams. */
interface Compared {
  readonly text: string;
  readonly shingles: Uint32Array;
}

function compared(text: string): Compared {
  return { text, shingles: shingles(text) };
}

/** The first training row that asks, at its end or on its way, what a test prompt asks, by the test prompt's place. All rows' words are counted on the way. */
async function sameQuestions(
  test: readonly string[],
  training: AsyncIterable<PromptRow>,
  words: WordCounts,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const places = groupBy([...test.keys()], (place) => beginningsOf(test[place]!).at(-1)!);
  const found = new Map<number, string>();
  const rest = resting(signal);
  for await (const row of training) {
    const { normalised } = conversationIdentity(row);
    words.add(normalised);
    for (const beginning of beginningsOf(normalised)) {
      for (const place of places.get(beginning) ?? []) if (!found.has(place)) found.set(place, row.id);
    }
    await rest(normalised);
  }
  return found;
}

/**
 * The first training row that nearly asks what a test prompt asks, by the test prompt's place: both all that was said and the last
 * question must be alike. None is overlooked, however many share the one or the other; but of rows that are compared in part only.
 */
async function nearQuestions(
  test: readonly string[],
  training: AsyncIterable<PromptRow>,
  words: WordCounts,
  signal: AbortSignal,
): Promise<SeenTexts> {
  const twins = new Map<number, string>();
  let [looked, partly] = [0, 0];
  const questions = test.map(lastTurn);
  const by = { similarity: NEAR, words };
  const byQuestion = await NearTwinIndex.of(questions, by, signal);
  const areConversations = test.some((text, place) => text !== questions[place]);
  const byWhole = areConversations ? await NearTwinIndex.of(test, by, signal) : byQuestion;
  const rest = resting(signal);
  for await (const row of training) {
    if (twins.size === test.length) break;
    const { normalised } = conversationIdentity(row);
    const before = byQuestion.cut + byWhole.cut;
    const workBefore = byQuestion.work + byWhole.work;
    const near = new Set(byQuestion.matches(lastTurn(normalised)));
    const both = near.size === 0 ? [] : byWhole.matches(normalised).filter((place) => near.has(place));
    for (const place of both) {
      twins.set(place, row.id);
      byQuestion.remove(place);
      byWhole.remove(place);
    }
    looked += 1;
    if (byQuestion.cut + byWhole.cut > before) partly += 1;
    await rest(normalised, byQuestion.work + byWhole.work - workBefore);
  }
  return { twins, compared: { rows: looked, partly } };
}

/** Of a conversation as `conversationIdentity` gives it: its turns stand on lines of their own. */
function lastTurn(conversation: string): string {
  return conversation.slice(conversation.lastIndexOf('\n') + 1);
}
