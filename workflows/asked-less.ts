/** What a definition lets be left out of what the chosen generator is asked beside the test prompts: each answer takes it seconds. */
import type { AskingGate, EvaluateGeneratorInput } from '../activities/contract/prompting.ts';
import type { TextGeneration } from '../pipelines/definition.ts';

const ASKING_GATES: readonly AskingGate[] = ['noiseDrop', 'identityDrop', 'shiftedDrop'];
/**
 * Prompts of a kind in a run that is a prototype, at most. With twenty, a model that mistakes take from 90 to 50 % is seen in 48 of
 * 100 draws, one that falls from 90 to 30 % for one identity in 76 (docs/benchmarks.md).
 */
export const PROTOTYPE_PROMPTS = 20;

/** Nothing where no gate is off and the run is no prototype: the evaluation's key is as it was. */
export function askedLess({
  gates,
  prototype,
}: Pick<TextGeneration, 'gates' | 'prototype'>): Pick<EvaluateGeneratorInput, 'askedLess'> {
  // A definition that was recorded before there were these gates names none of them.
  const named: Partial<typeof gates> = gates;
  const not = ASKING_GATES.filter((name) => named[name]?.severity === 'off');
  if (not.length === 0 && prototype === undefined) return {};
  return {
    askedLess: {
      ...(not.length === 0 ? {} : { not }),
      ...(prototype === undefined ? {} : { most: PROTOTYPE_PROMPTS }),
    },
  };
}
