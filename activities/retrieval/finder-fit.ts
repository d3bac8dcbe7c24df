/**
 * Whether a finder fits the declared device as it is served: with a copy of the encoder a worker, and one index for all of them
 * (serving/searcher.ts). Pure.
 */
import { MOST_WORKERS, usualWorkers } from '../../inference/workers.ts';
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
  /** The index's vectors: in a server they are there twice until they are in the memory that threads share. */
  readonly vectorsMb: number;
  /** Encoder and index on a disk. */
  readonly filesMb: number;
}

/** An index is read before the first worker loads: the second copy of its vectors counts only by what it is larger than they. */
export function finderFit(
  device: Device | undefined,
  { processMb, encoderMb, graphMb, vectorsMb, filesMb }: FinderFootprint,
): { readonly score: Score; readonly parts: readonly FittedPart[] } {
  const encodersMb = usualWorkers(device?.cores ?? MOST_WORKERS) * Math.max(0, encoderMb);
  const readingMb = Math.max(0, vectorsMb - encodersMb);
  return hardwareFit(device, { processMb: processMb + graphMb + readingMb, modelMb: encoderMb, filesMb });
}
