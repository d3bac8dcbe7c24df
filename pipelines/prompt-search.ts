/** How many answers a search for a prompt asks a model for, as far as a definition says it. Pure. */
import type { GeneratorSelectionSpec } from './definition/generation.ts';

/** Prompts of the first round: enough to tell the hopeless. */
export const FIRST_PROMPTS = 12;

/** Ways to tell a model what it is: nothing, the guidelines' rules, and each of a definition's with the rules and without. */
const toldWays = (systems: number): number => 2 + 2 * systems;

/**
 * Answers that one search asks for at most: by as many validation prompts as it may have, and where every way to choose
 * examples gives others. Half of the variants go on to twice as many prompts (activities/generation/search.ts).
 */
export function mostAnswers({
  systems,
  examples,
  exampleChoices,
  maxVariants,
  maxPrompts,
}: Omit<GeneratorSelectionSpec['prompts'], 'budgetTokens'>): number {
  const shown = [...new Set(examples)].reduce((sum, one) => sum + (one === 0 ? 1 : exampleChoices.length), 0);
  const variants = Math.min(maxVariants, toldWays(systems.length) * shown);
  let goal = Math.min(maxPrompts, FIRST_PROMPTS);
  // The rules are asked first in any case, and are the second variant.
  let answers = Math.max(2, variants) * goal;
  for (let alive = variants; goal < maxPrompts;) {
    const next = Math.min(maxPrompts, goal * 2);
    alive = Math.max(1, Math.ceil(alive / 2));
    answers += alive * (next - goal);
    goal = next;
  }
  return answers;
}
