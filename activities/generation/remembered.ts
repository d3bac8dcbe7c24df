/**
 * Answers that were asked for and judged once are not asked for again: a search whose worker was killed goes on where it
 * was, and says the same in the end. A few rows at a time are kept, under a key of everything that decides them, until
 * `espalier gc` finds them old.
 */
import { partialKey } from '../../artifacts/step-records.ts';
import { stepKey, type StepContext } from '../step.ts';
import type { PromptRow } from '../data/prompts.ts';
import type { Asked, NamedPrompt } from './search.ts';

/** A kill loses the answers to as many rows at most. */
const ROWS_AT_ONCE = 12;

/** What decides an answer and its judgement besides prompt and rows. Versioned with the code that asks and judges. */
export interface AskedOf {
  readonly version: number;
  readonly about: unknown;
}

export type AskRows = (prompt: NamedPrompt, from: number, to: number) => Promise<readonly Asked[]>;

interface Remembered {
  readonly version: 1;
  readonly asked: readonly Asked[];
}

/** `ask`, but for what is remembered. Where a run may not use what others computed, it still goes on from its own. */
export function remembering(
  { pointers, reuse, runId }: Pick<StepContext, 'pointers' | 'reuse' | 'runId'>,
  { version, about }: AskedOf,
  rows: readonly PromptRow[],
  ask: AskRows,
): AskRows {
  const own = reuse ? null : runId;
  const some = async (named: NamedPrompt, from: number, to: number): Promise<readonly Asked[]> => {
    const ids = rows.slice(from, to).map(({ id }) => id);
    const key = partialKey(stepKey('generation.ask', version, { about, prompt: named.prompt, ids, own }, null));
    const known = await pointers.read<Remembered>(key);
    if (known !== undefined) return known.value.asked;
    const asked = await ask(named, from, to);
    // A twin's answers are the same.
    await pointers.create(key, { version: 1, asked } satisfies Remembered);
    return asked;
  };
  return async (named, from, to) => {
    const all: Asked[] = [];
    for (let at = from; at < to; at += ROWS_AT_ONCE) {
      all.push(...(await some(named, at, Math.min(to, at + ROWS_AT_ONCE))));
    }
    return all;
  };
}
