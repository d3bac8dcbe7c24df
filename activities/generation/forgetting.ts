/** Text that a tuned model is to go on knowing: its own base's, where nobody has given any. */
import type { Generator } from '../../inference/generation/generator.ts';

/** Texts: enough for an interval; each is read by two models. */
export const MOST_TEXTS = 100;
/** Characters of a text that are read: a book counts as much as a page. */
const MOST_CHARACTERS = 1000;
const WRITTEN_TOKENS = 48;
/** Beginnings that the base goes on from: what it writes then is what it knows. */
const OPENINGS = [
  'Once upon a time',
  'The',
  'In the beginning',
  'One day',
  'It is said that',
  'A long time ago',
  'She looked at',
  'He said',
  'There was a',
  'When the sun',
  'People often',
  'The little',
  'My mother',
  'After the rain',
  'In the city',
  'Every morning',
] as const;

/** Of the definition's general text; where there is none, what the base itself writes, drawn as it would. */
export async function generalTexts(
  given: readonly string[],
  base: Generator,
  seed: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (given.length > 0) return given.slice(0, MOST_TEXTS).map((text) => text.slice(0, MOST_CHARACTERS));
  const written: string[] = [];
  for (const [index, opening] of OPENINGS.entries()) {
    for (const draw of [0, 1]) {
      const options = { maxNewTokens: WRITTEN_TOKENS, temperature: 1, seed: seed + 2 * index + draw, signal };
      written.push(opening + (await base.complete(opening, options)).text);
    }
  }
  return written;
}
