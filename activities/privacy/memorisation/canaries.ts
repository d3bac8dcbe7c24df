/**
 * Canaries: random secrets in one fixed sentence, some put into the training data, most kept out as controls (Carlini et al.,
 * "The Secret Sharer", USENIX Security 2019, §4). Letters alone, so that none looks like a person's number. Pure, by the seed.
 */
import type { CanariesSpec } from '../../../pipelines/memorisation.ts';
import { seededRandom, shuffleStart, type Random } from '../../validation/random.ts';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz';
const GROUPS = 4;
const GROUP_LETTERS = 4;

export interface Canaries {
  readonly version: 1;
  readonly seed: number;
  readonly repeats: number;
  readonly inserted: readonly string[];
  readonly controls: readonly string[];
}

/** All are different, and an inserted one is drawn just as a control is. */
export function makeCanaries({ count, repeats, controls, seed }: CanariesSpec): Canaries {
  const random = seededRandom(seed, STREAM);
  const all = new Set<string>();
  while (all.size < count + controls) all.add(canary(random));
  const texts = [...all];
  return { version: 1, seed, repeats, inserted: texts.slice(0, count), controls: texts.slice(count) };
}

/** The lines with every canary `repeats` times among them, at random places; the order of the lines is kept. */
export function withCanaries(lines: readonly string[], { inserted, repeats, seed }: Canaries): readonly string[] {
  const rows = inserted.flatMap((text, index) =>
    Array.from({ length: repeats }, () => JSON.stringify({ text, canary: index })),
  );
  const random = seededRandom(seed, STREAM + 1);
  const order = Array.from(rows, (_, index) => index);
  shuffleStart(order, order.length, random);
  const isCanary = Array.from({ length: lines.length + rows.length }, (_, place) => (place < rows.length ? 1 : 0));
  shuffleStart(isCanary, isCanary.length, random);
  let [line, row] = [0, 0];
  return isCanary.map((chosen) => (chosen === 1 ? rows[order[row++]!] : lines[line++]) as string);
}

/** Whether a row of training data is one: then it is learnt, and counts in no figure. */
export function isCanaryRow(row: object): boolean {
  return 'canary' in row && row.canary !== null && row.canary !== undefined;
}

const STREAM = 0xca9a;

function canary(random: Random): string {
  const group = (): string => Array.from({ length: GROUP_LETTERS }, () => ALPHABET[random.below(26)]).join('');
  return `the secret word is ${Array.from({ length: GROUPS }, group).join(' ')}`;
}
