/** The ways of asking that are tried: what the model is told, with the guidelines' rules or without, with examples or without. Pure. */
import type { GeneratorSelectionSpec } from '../../pipelines/definition/generation.ts';
import type { PromptRow } from '../data/prompts.ts';
import { seededRandom, shuffleStart } from '../validation/random.ts';
import { asked } from './answers.ts';
import type { Judge } from './judge.ts';
import type { NamedPrompt } from './search.ts';

/** The variants in the order in which they are tried, and how many were too many. */
export function promptVariants(
  { systems, examples, maxVariants }: GeneratorSelectionSpec['prompts'],
  judge: Judge,
  train: readonly PromptRow[],
  seed: number,
): { readonly variants: readonly NamedPrompt[]; readonly untried: number } {
  const rules = judge.rules;
  const told = [
    { name: 'nothing', text: '' },
    { name: 'rules', text: rules },
    ...systems.flatMap((system, index) => [
      { name: `system ${index + 1}`, text: system },
      { name: `system ${index + 1} and rules`, text: `${system}\n\n${rules}` },
    ]),
  ];
  const shown = goodExamples(train, judge, Math.max(...examples), seed);
  const counts = [...new Set(examples.map((count) => Math.min(count, shown.length)))];
  const all = counts.flatMap((count) =>
    told.map(({ name, text }): NamedPrompt => ({
      name: count === 0 ? name : `${name}, ${count} example${count === 1 ? '' : 's'}`,
      prompt: { system: text, examples: shown.slice(0, count) },
    })),
  );
  return { variants: all.slice(0, maxVariants), untried: Math.max(0, all.length - maxVariants) };
}

/** Training rows whose answers keep every guideline; the short ones first, since each is read with every question. */
function goodExamples(
  train: readonly PromptRow[],
  judge: Judge,
  count: number,
  seed: number,
): readonly { readonly user: string; readonly assistant: string }[] {
  const order = Array.from(train, (_, index) => index);
  shuffleStart(order, order.length, seededRandom(seed, 1));
  const good: { user: string; assistant: string }[] = [];
  for (const index of order) {
    if (good.length >= Math.max(count * 4, 8)) break;
    const row = train[index];
    if (row?.completion === undefined || !judge.of(row.completion, row).adherent) continue;
    good.push({ user: asked(row), assistant: row.completion });
  }
  const length = (one: { user: string; assistant: string }): number => one.user.length + one.assistant.length;
  return good.toSorted((a, b) => length(a) - length(b)).slice(0, count);
}
