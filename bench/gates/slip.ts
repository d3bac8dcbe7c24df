/** A text with one slip of the pen, at a letter and of a kind that chance chooses: a letter too many, one missing, another one, or two changed round. */
import type { seededRandom } from '../../activities/validation/random.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

export function withSlip(text: string, random: ReturnType<typeof seededRandom>): string {
  const places = [...text.matchAll(/[a-z](?=[a-z])/gi)].map(({ index }) => index);
  if (places.length === 0) return text;
  const at = places[random.below(places.length)]!;
  const [before, own, next, after] = [text.slice(0, at), text[at]!, text[at + 1]!, text.slice(at + 2)];
  const letter = LETTERS[(LETTERS.indexOf(own.toLowerCase()) + 1 + random.below(25)) % 26]!;
  const slips = [own + letter + next, next, letter + next, next === own ? own + letter : next + own];
  return before + slips[random.below(slips.length)]! + after;
}
