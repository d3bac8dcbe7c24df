/** More only cost. */
export const MOST_WORKERS = 4;

/** Worker threads that a model is served on, each with a copy of it, where nobody says otherwise. */
export function usualWorkers(cores: number): number {
  return Math.min(MOST_WORKERS, cores);
}

/** Generations that a worker has under way: each keeps its own cache in memory and slows the others down. */
export const MOST_TURNS = 4;
