/**
 * Texts that break text models, tokenisers and servers. Each must be answered with a finite probability distribution:
 * not with a crash, a NaN or a refusal. Which label it gets is not judged.
 */
import { textTable } from './text-tables.ts';

export interface EdgeInput {
  readonly name: string;
  readonly text: string;
}

/** Those of the built-in table (`pipelines/behaviour/built-in/edge-inputs.jsonl`). Throws Internal where the package is not whole. */
export function edgeInputs(): readonly EdgeInput[] {
  return textTable('edge-inputs.jsonl').map(({ name, text, repeat, before, after }) => ({
    name,
    text: `${before}${text.repeat(repeat)}${after}`,
  }));
}

/** What is wrong with one answer, or null: `probabilities` must be `classes` finite shares that sum to 1. */
export function probabilityProblem(probabilities: ArrayLike<number> | undefined, classes: number): string | null {
  const problem = sharesProblem(probabilities, classes);
  if (problem !== null) return problem;
  const sum = Array.from(probabilities ?? []).reduce((total, value) => total + value, 0);
  // float32 softmax over a few hundred classes is within 1e-5 of 1
  return Math.abs(sum - 1) <= 1e-3 ? null : `the probabilities sum to ${sum}`;
}

/** The same of several labels a row: each is a share by itself. */
export function sharesProblem(probabilities: ArrayLike<number> | undefined, classes: number): string | null {
  if (probabilities === undefined) return 'no probabilities came back';
  if (probabilities.length !== classes) return `${probabilities.length} probabilities for ${classes} labels`;
  const wrong = Array.from(probabilities).find((value) => !(value >= 0 && value <= 1));
  return wrong === undefined ? null : `a probability is ${wrong}`;
}
