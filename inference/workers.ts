/** Worker threads that a model is served on, each with a copy of it, where nobody says otherwise: more than four only cost. */
export function usualWorkers(cores: number): number {
  return Math.min(4, cores);
}
