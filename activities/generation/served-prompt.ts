/** How a generator is served: what stands in its `prompt.json`. */
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Generator } from '../../inference/generation/generator.ts';
import { GenerationDefaultsSchema, type GenerationDefaults } from '../../pipelines/definition/generation.ts';
import type { PromptSpec } from './answers.ts';

export interface ServedWith {
  readonly prompt: PromptSpec;
  readonly generation: GenerationDefaults;
}

const GenerationField = z.looseObject({ generation: GenerationDefaultsSchema });

/** Throws BadModel for a generator that was exported and not chosen: it has no prompt. */
export function promptOf({ servedPrompt }: Generator): ServedWith {
  const parsed = GenerationField.safeParse(servedPrompt);
  if (servedPrompt !== null && parsed.success) return { prompt: servedPrompt, generation: parsed.data.generation };
  throw new EspalierError('BadModel', 'the generator has no prompt.json with its prompt and defaults', {
    where: 'prompt.json',
    fix: 'use the tree that the step choose wrote',
  });
}
