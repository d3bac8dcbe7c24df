/**
 * Whether a generator fits the declared device as it is served: with a copy of the model a worker, and a cache of keys and
 * values for each of the generations that a worker has under way. Pure.
 */
import type { GeneratorConfig } from '../../inference/generation/config.ts';
import { MOST_TURNS } from '../../inference/workers.ts';
import type { Score } from '../contract/measures.ts';
import type { GeneratorFit } from '../contract/prompting.ts';
import type { Device } from '../contract/validation.ts';
import { hardwareFit } from '../validation/hardware-fit.ts';
import type { ServedMemory } from './served-memory.ts';

export interface GeneratorFootprint extends ServedMemory {
  readonly config: Pick<GeneratorConfig, 'layers' | 'keyValueHeads' | 'headSize' | 'contextTokens'>;
  /** The generator's files; and the graph's, which a server holds once, besides what the runtime makes of it. */
  readonly filesMb: number;
  readonly graphMb: number;
  /** Of the longest prompt that was asked, with what is told before it. */
  readonly promptTokens: number;
  readonly maxNewTokens: number;
}

/**
 * What a server's process has beyond a worker and the graph's file as soon as it has loaded: 24 and 46 MB, compiled (with the pool and the
 * random Llamas of bench/generator-memory.ts, by a script that is not kept; the bench itself runs from sources, which take more): a main thread beside the workers, of which the process that measures has one thread for both.
 */
const AROUND_MB = 50;

/**
 * Every generation is counted as long as the longest prompt that was asked and the longest answer, or as the context where that
 * is shorter. What was not written when memory was measured is reckoned: a worker has a cache more than generations, since
 * while a token is read the one before it and the one after it are both there.
 */
export function generatorFit(
  device: Device | undefined,
  { config, processMb, workerMb, filesMb, graphMb, promptTokens, newTokens, maxNewTokens }: GeneratorFootprint,
): { readonly score: Score; readonly fit: GeneratorFit | null } {
  const most = (answered: number): number => Math.min(config.contextTokens, promptTokens + answered);
  const tokens = most(maxNewTokens);
  const unwrittenMb = cacheMbOf(config, tokens - most(newTokens)) * (MOST_TURNS + 1);
  const { score, parts } = hardwareFit(device, {
    processMb: processMb + graphMb + unwrittenMb + AROUND_MB,
    modelMb: workerMb + unwrittenMb,
    filesMb,
  });
  const fit = { parts, turns: MOST_TURNS, tokens, cacheMb: cacheMbOf(config, tokens) };
  return { score, fit: parts.length === 0 ? null : fit };
}

/** Megabytes of float32 keys and values of all layers, for so many tokens. */
export function cacheMbOf(
  { layers, keyValueHeads, headSize }: Pick<GeneratorConfig, 'layers' | 'keyValueHeads' | 'headSize'>,
  tokens: number,
): number {
  return (layers * 2 * keyValueHeads * headSize * Float32Array.BYTES_PER_ELEMENT * tokens) / 1e6;
}
