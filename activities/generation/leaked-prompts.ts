/** Test prompts that the model may have seen with an answer: as training prompts, or as examples of its own prompt. */
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import { beginningsOf, conversationIdentity } from '../data/conversations.ts';
import { groupBy } from '../data/group.ts';
import { findNearTwins, jaccard, shingles, sketch } from '../data/near-duplicates.ts';
import { normaliseText } from '../data/normalise.ts';
import { pause } from '../data/pauses.ts';
import type { PromptRow } from '../data/prompts.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import { notMeasured, plainScore } from '../validation/scores.ts';
import { NEAR } from '../validation/seen-texts.ts';
import { asked, type PromptSpec } from './answers.ts';

/** Training rows that are in memory at a time. */
const PART_ROWS = 20_000;
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
  const shown = await shownQuestions(rows, examples, signal);
  const same = await sameQuestions(test, training());
  const near = await nearQuestions(test, training(), signal);
  const found = rows.flatMap((row, place): GateExample[] => {
    const example = shown.get(place);
    const learnt = same.get(place) ?? near.get(place);
    if (example === undefined && learnt === undefined) return [];
    const what = example === undefined ? `the training row ${learnt}` : `example ${example} of the prompt`;
    return [exampleOf(row.id, `repeats ${what}`, asked(row))];
  });
  return { score: plainScore(found.length / rows.length, rows.length), examples: found.slice(0, MOST_EXAMPLES) };
}

/**
 * The first example that nearly asks what a test prompt asks, by the test prompt's place. An example is shown with its facts, as a
 * prompt is asked: both must be alike with them and without, since long facts that many prompts share outweigh any question.
 */
async function shownQuestions(
  rows: readonly PromptRow[],
  examples: PromptSpec['examples'],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, number>();
  const shown = examples.map(({ user }) => ({
    whole: shinglesOf(user),
    // Where the facts end is not told: the question is what stands after one of the blank lines, or all of it.
    questions: [...user.matchAll(/\n\n|^/g)].map(({ index }) => shinglesOf(user.slice(index))),
  }));
  const isNear = (one: Uint32Array, other: Uint32Array): boolean => jaccard(one, other) >= NEAR;
  for (const [place, row] of rows.entries()) {
    if (shown.length > 0 && place % PAUSE_ROWS === 0) await pause(signal);
    const whole = shingles(conversationIdentity({ ...row, prompt: asked(row) }).normalised);
    const question = shingles(conversationIdentity(row).normalised);
    const at = shown.findIndex(
      (one) => isNear(whole, one.whole) && one.questions.some((each) => isNear(question, each)),
    );
    if (at !== -1) found.set(place, at + 1);
  }
  return found;
}

function shinglesOf(text: string): Uint32Array {
  return shingles(normaliseText(text));
}

/** The first training row that asks, at its end or on its way, what a test prompt asks, by the test prompt's place. */
async function sameQuestions(
  test: readonly string[],
  training: AsyncIterable<PromptRow>,
): Promise<ReadonlyMap<number, string>> {
  const places = groupBy([...test.keys()], (place) => beginningsOf(test[place]!).at(-1)!);
  const found = new Map<number, string>();
  for await (const row of training) {
    for (const beginning of beginningsOf(conversationIdentity(row).normalised)) {
      for (const place of places.get(beginning) ?? []) if (!found.has(place)) found.set(place, row.id);
    }
  }
  return found;
}

/**
 * The first training row found that nearly asks what a test prompt asks, by the test prompt's place: both all that was said and the last
 * question must be alike. Looked for by either: of rows that are all alike no more than a few are compared, and
 * hundreds may share all that was said before.
 */
async function nearQuestions(
  test: readonly string[],
  training: AsyncIterable<PromptRow>,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  const isNear = (one: string, other: string): boolean =>
    one === other || jaccard(shingles(one), shingles(other)) >= NEAR;
  const questions = test.map(lastTurn);
  const asked = { whole: await sketch(test, signal), question: await sketch(questions, signal) };
  const areConversations = test.some((text, place) => text !== questions[place]);
  for await (const { ids, texts } of partsOf(training)) {
    const last = texts.map(lastTurn);
    const whole = await findNearTwins(asked.whole, await sketch(texts, signal), NEAR, signal, (place, row) =>
      isNear(questions[place]!, last[row]!),
    );
    const question = areConversations
      ? await findNearTwins(asked.question, await sketch(last, signal), NEAR, signal, (place, row) =>
          isNear(test[place]!, texts[row]!),
        )
      : whole;
    for (const place of test.keys()) {
      const row = whole[place] === -1 ? question[place]! : whole[place]!;
      if (row !== -1 && !found.has(place)) found.set(place, ids[row]!);
    }
  }
  return found;
}

/** Of a conversation as `conversationIdentity` gives it: its turns stand on lines of their own. */
function lastTurn(conversation: string): string {
  return conversation.slice(conversation.lastIndexOf('\n') + 1);
}

async function* partsOf(training: AsyncIterable<PromptRow>) {
  let part: { readonly ids: string[]; readonly texts: string[] } = { ids: [], texts: [] };
  for await (const row of training) {
    part.ids.push(row.id);
    part.texts.push(conversationIdentity(row).normalised);
    if (part.ids.length < PART_ROWS) continue;
    yield part;
    part = { ids: [], texts: [] };
  }
  if (part.ids.length > 0) yield part;
}
