/** Texts as counts of runs of characters, by which one is told from others and variants of one are known. */
import { normaliseText } from '../data/normalise.ts';

/** Runs of so many characters, words' ends among them (Cavnar & Trenkle, N-Gram-Based Text Categorization, SDAIR 1994). */
const RUNS = [3, 4, 5];
/** Runs share places by their hash (Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009). */
export const PLACES = 1024;
/** Of a long text its beginning: counts of more change little. */
const MOST_CHARACTERS = 4000;

/** Logarithms of counts, with the sign of the hash; of length 1. */
export function countRuns(whole: string): Float32Array {
  const text = ` ${normaliseText(whole.slice(0, MOST_CHARACTERS))} `;
  const counts = new Map<string, number>();
  for (const length of RUNS) {
    for (let at = 0; at + length <= text.length; at++) {
      const run = text.slice(at, at + length);
      counts.set(run, (counts.get(run) ?? 0) + 1);
    }
  }
  const features = new Float32Array(PLACES);
  for (const [run, count] of counts) {
    const hash = hashOf(run);
    features[hash % PLACES]! += (hash & 0x8000_0000 ? -1 : 1) * (1 + Math.log(count));
  }
  const length = Math.hypot(...features);
  if (length > 0) for (let at = 0; at < PLACES; at++) features[at]! /= length;
  return features;
}

/** FNV-1a over UTF-16 units, 32 bits, mixed once more: its low bits alone are weak. */
function hashOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9_f3b);
  return (hash ^ (hash >>> 16)) >>> 0;
}
