/**
 * Whether a finder fits the declared device as it is served: with a copy of the encoder a worker, and one index for all of them
 * (serving/searcher.ts). Pure.
 */
import type { Score } from '../contract/measures.ts';
import type { Device, FittedPart } from '../contract/validation.ts';
import { hardwareFit } from '../validation/hardware-fit.ts';

export interface FinderFootprint {
  /** Most memory of a process that has encoder and index loaded once and answers on one thread. */
  readonly processMb: number;
  /** What an encoder takes of a process that has no index. */
  readonly encoderMb: number;
  /** The encoder's `model.onnx`, which a server holds while workers load. */
  readonly graphMb: number;
  /** The index's vectors: in a server they are there twice, as read and in the memory that threads share. */
  readonly vectorsMb: number;
  /** Encoder and index on a disk. */
  readonly filesMb: number;
}

/**
 * What a server's process had beyond encoder, index, file and second copy of the vectors: 337 MB where those are 287, one worker and 2,000
 * pictures (bench/finder-memory.ts, 34 MB of ResNet, one round): a main thread beside the workers, and what is not collected yet.
 */
const AROUND_MB = 50;

/** The copy that the vectors are read into stays until the collector runs, which it need not before the workers have loaded. */
export function finderFit(
  device: Device | undefined,
  { processMb, encoderMb, graphMb, vectorsMb, filesMb }: FinderFootprint,
): { readonly score: Score; readonly parts: readonly FittedPart[] } {
  return hardwareFit(device, { processMb: processMb + graphMb + vectorsMb + AROUND_MB, modelMb: encoderMb, filesMb });
}
