/** The ways of asking that are tried: what the model is told, with the guidelines' rules or without, with examples or without. Pure. */
import type { GeneratorSelectionSpec } from '../../pipelines/definition/generation.ts';
import { chooseExamples, type ChoiceContext, type Example, type GoodAnswer } from './examples.ts';
import type { Judge } from './judge.ts';
import type { NamedPrompt } from './search.ts';

/** The rules and nothing else. */
export function rulesVariant({ rules }: Judge): NamedPrompt {
  return { name: 'rules', prompt: { system: rules, examples: [] } };
}

/** The variants in the order in which they are tried, and how many were too many. */
export function promptVariants(
  { systems, examples, exampleChoices, maxVariants }: GeneratorSelectionSpec['prompts'],
  judge: Judge,
  good: readonly GoodAnswer[],
  context: ChoiceContext,
): { readonly variants: readonly NamedPrompt[]; readonly untried: number } {
  const rules = rulesVariant(judge);
  const told = [
    { name: 'nothing', text: '' },
    { name: rules.name, text: rules.prompt.system },
    ...systems.flatMap((system, index) => [
      { name: `system ${index + 1}`, text: system },
      { name: `system ${index + 1} and rules`, text: `${system}\n\n${rules.prompt.system}` },
    ]),
  ];
  const shown = new Map<string, { readonly name: string; readonly examples: readonly Example[] }>();
  for (const count of new Set(examples.map((one) => Math.min(one, good.length)))) {
    for (const choice of count === 0 ? (['random'] as const) : exampleChoices) {
      const chosen = chooseExamples(choice, good, count, context);
      const name = count === 0 ? '' : `, ${count} ${choice} example${count === 1 ? '' : 's'}`;
      // Two ways of choosing that choose the same are one variant.
      const key = JSON.stringify(chosen.map(({ user, assistant }) => [user, assistant]));
      if (!shown.has(key)) shown.set(key, { name, examples: chosen });
    }
  }
  const all = [...shown.values()].flatMap(({ name: suffix, examples: chosen }) =>
    told.map(({ name, text }): NamedPrompt => ({
      name: `${name}${suffix}`,
      prompt: { system: text, examples: [...chosen] },
    })),
  );
  return { variants: all.slice(0, maxVariants), untried: Math.max(0, all.length - maxVariants) };
}
