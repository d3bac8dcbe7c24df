/** Whom the benchmarks of choosing choose among. */
const TINY = 'models/derived/minilm-tiny-l4-h128-v8k';
const SMALL = 'models/derived/minilm-l6-h384-v8k';

/** Tokens that each reads. */
export const MAX_LENGTH = 48;
/** Two families, and shorter models of each; `width` is of the embedding: layers · width² is what a text costs. */
export const CANDIDATES = [
  { id: 'tiny-l1', folder: TINY, layers: 1, depth: 1, width: 128 },
  { id: 'tiny-l4', folder: TINY, layers: null, depth: 4, width: 128 },
  { id: 'small-l1', folder: SMALL, layers: 1, depth: 1, width: 384 },
  { id: 'small-l3', folder: SMALL, layers: 3, depth: 3, width: 384 },
  { id: 'small-l6', folder: SMALL, layers: null, depth: 6, width: 384 },
] as const;
export type Tried = (typeof CANDIDATES)[number];
