/**
 * Prompts are asked in two looks, and the second is of those alone that look worse in the first. Whether a loss is beyond chance
 * is judged once, on all answers there are. The first look can only spare somebody the second, which calls no loss a
 * loss that all answers would not have shown: intervals need no wider ends for it (stopping for futility; Lan, Simon & Halperin,
 * Communications in Statistics C 1(3), 1982). Pure.
 */
import { seededRandom, shuffleStart } from '../../validation/random.ts';
import { dropOf, type Pair } from './ask-edited.ts';

export interface Looks {
  /** Prompts of the first look, and of both. */
  readonly first: number;
  readonly all: number;
  /** Smallest loss in the first look, a share, with which the second is taken. */
  readonly goesOnFrom: number;
}

/** As many as are given at most, where fewer are to be asked. */
export function shortened({ first, all, goesOnFrom }: Looks, most = all): Looks {
  return { first: Math.min(first, most), all: Math.min(all, most), goesOnFrom };
}

/** Whether the first look leaves open that something was lost. */
export function looksWorse(pairs: readonly Pair[], { goesOnFrom }: Looks): boolean {
  return (dropOf(pairs).value ?? 0) >= goesOnFrom;
}

/** So many of `rows` in an order that the seed draws, so that each look is a uniform sample. */
export function drawn<Row>(rows: readonly Row[], most: number, seed: number, stream: number): readonly Row[] {
  const order = Uint32Array.from({ length: rows.length }, (_, row) => row);
  const count = Math.min(most, rows.length);
  shuffleStart(order, count, seededRandom(seed, stream));
  return Array.from(order.subarray(0, count), (place) => rows[place]!);
}
