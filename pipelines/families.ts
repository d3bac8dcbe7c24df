/**
 * Architectures that the trainer can load, export and tune, by transformers' `model_type`: what is none of them is refused
 * before it is fetched. The trainer has its own tables, with what adapters need of each; a test holds them against these. Pure.
 */
import type { Pipeline } from './definition.ts';

export const TEXT_FAMILIES = [
  'albert',
  'bert',
  'camembert',
  'deberta-v2',
  'distilbert',
  'electra',
  'mpnet',
  'roberta',
  'xlm-roberta',
] as const;
export const IMAGE_FAMILIES = ['convnext', 'mobilenet_v2', 'resnet', 'vit'] as const;
export const LANGUAGE_FAMILIES = ['gpt2', 'gpt_neox', 'llama', 'mistral', 'qwen2'] as const;

/** Sorted. */
export const FAMILIES_OF: { readonly [Task in Pipeline['task']]: readonly string[] } = {
  'text-classification': TEXT_FAMILIES,
  'image-classification': IMAGE_FAMILIES,
  'image-retrieval': IMAGE_FAMILIES,
  'text-generation': LANGUAGE_FAMILIES,
};
