/**
 * What steps take where no run of the pipeline has shown it: seconds of the shipped pipeline (600 short texts, an encoder
 * of 22 M parameters) on two cores of a laptop, rounded up. The first run replaces them by its own.
 */
import { TASK_QUEUES } from '../workflows/messages.ts';

/** By the step's name before the colon. */
export const STATED_SECONDS: Readonly<Record<string, number>> = {
  snapshot: 1,
  data: 1,
  privacy: 1,
  subset: 1,
  resolve: 6,
  import: 10,
  export: 20,
  profile: 15,
  probe: 35,
  prompt: 60,
  memorisation: 60,
  rank: 1,
  prototype: 25,
  halve: 1,
  choose: 1,
  search: 1,
  'search-subset': 1,
  // Between the smallest rung and all rows.
  trial: 40,
  'search-halve': 1,
  settings: 1,
  'review-evidence': 1,
  train: 120,
  index: 20,
  evaluate: 45,
  attack: 120,
  'square-attack': 300,
  gates: 1,
  package: 1,
  terms: 1,
  production: 1,
  compare: 10,
  'release-evidence': 1,
  deploy: 5,
  monitor: 1,
  report: 1,
};

const CPU = new Set([
  'export',
  'profile',
  'probe',
  'prompt',
  'index',
  'evaluate',
  'attack',
  'square-attack',
  'memorisation',
  'compare',
]);

/** Whose workers a step is for. */
export function queueOfStep(id: string): string {
  const name = id.split(':')[0] ?? '';
  if (name === 'train' || name === 'prototype' || name === 'trial') return TASK_QUEUES.gpu;
  if (name === 'deploy' || name === 'monitor') return TASK_QUEUES.deploy;
  return CPU.has(name) ? TASK_QUEUES.cpu : TASK_QUEUES.orchestration;
}
