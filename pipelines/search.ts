/** Whether a definition asks for a search, and which settings it may move: those that decide something of the method, as far as the definition leaves them open. */
import type { Problem } from './check.ts';
import { TrainingSchema, type Training } from './definition/training.ts';
import type { SearchSpec } from './definition/search.ts';
import type { Pipeline } from './definition.ts';
import type { OpenSetting } from './recipe.ts';

/** A head alone has one rate, its own, and no encoder that warming up would protect. */
export const SEARCHED: Readonly<Record<Training['method'], readonly OpenSetting[]>> = {
  full: ['learningRate', 'headLearningRate', 'batchSize', 'epochs', 'weightDecay', 'warmupFraction'],
  lora: ['learningRate', 'headLearningRate', 'batchSize', 'epochs', 'weightDecay', 'warmupFraction'],
  head: ['headLearningRate', 'batchSize', 'epochs', 'weightDecay'],
};

/** Of a definition that asks for one; a run that is a prototype leaves it out: of so few rows no settings are better beyond chance. */
export function searchOf({
  training,
  prototype,
}: Partial<Pick<Pipeline, 'training' | 'prototype'>>): SearchSpec | undefined {
  if (prototype !== undefined || training === undefined || training === null || !('search' in training))
    return undefined;
  return training.search;
}

/**
 * How many are trained on each rung where none is left out: the better half of the others goes on (Jamieson & Talwalkar, AISTATS 2016,
 * arXiv:1502.07943), and the recommended settings always do, in the first place.
 */
export function placesOf({ trials, rungs }: Pick<SearchSpec, 'trials' | 'rungs'>): readonly number[] {
  return rungs.reduce<readonly number[]>(
    (places, _, at) => [...places, at === 0 ? trials : 1 + Math.ceil(((places.at(-1) ?? 1) - 1) / 2)],
    [],
  );
}

/** Of a trial on the last rung, where there are `trainRows` training rows in all. */
export function seedsOfTrial({ seeds, fewRows }: Pick<SearchSpec, 'seeds' | 'fewRows'>, trainRows: number): number {
  return trainRows < fewRows ? seeds : 1;
}

/** A search that has nothing to move is a mistake of the definition, said before anything is paid for. */
export function searchProblems({ training }: Readonly<Record<string, unknown>>): readonly Problem[] {
  const raw: Readonly<Record<string, unknown>> =
    typeof training === 'object' && training !== null ? { ...training } : {};
  const method = TrainingSchema.shape.method.safeParse(raw['method']);
  if (raw['search'] === undefined || !method.success) return [];
  const moved = SEARCHED[method.data];
  if (moved.some((setting) => raw[setting] === undefined)) return [];
  const message = `has nothing to search: the definition names all of ${moved.join(', ')}`;
  return [{ path: 'training.search', message, fix: 'leave out those that are to be found, or `search`' }];
}
