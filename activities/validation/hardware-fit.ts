/**
 * Whether the tuned model fits the device that the definition declares (`intendedUse.hardware`): what it takes as it is served,
 * against what is there. An accelerator's memory is not among it: models are served on the processor. Pure.
 */
import { MOST_WORKERS, usualWorkers } from '../../inference/workers.ts';
import type { Score } from '../contract/measures.ts';
import type { Device, FittedPart } from '../contract/validation.ts';
import { notMeasured } from './scores.ts';

export interface Footprint {
  /** Most memory of a process that has the model loaded once and answers on one thread; and of that the model's part. */
  readonly processMb: number;
  readonly modelMb: number;
  /** The model's files. */
  readonly filesMb: number;
}

/** Of a definition that declares nothing to compare with. */
export const NO_DEVICE: Score = notMeasured(
  'the definition declares no memory or storage of a device (intendedUse.hardware)',
);

/** Whether a model can be too large for what is declared: nobody waits for a measurement that nothing is compared with. */
export function hasLimits(device: Device | undefined): device is Device {
  return device?.ramMb !== undefined || device?.storageMb !== undefined;
}

/** The score is the share that is used of the scarcest; a server has a copy of the model for each of its workers. */
export function hardwareFit(
  device: Device | undefined,
  { processMb, modelMb, filesMb }: Footprint,
): { readonly score: Score; readonly parts: readonly FittedPart[] } {
  const workers = usualWorkers(device?.cores ?? MOST_WORKERS);
  const needed: readonly (readonly [FittedPart['what'], number, number | undefined])[] = [
    ['memory', processMb + (workers - 1) * Math.max(0, modelMb), device?.ramMb],
    ['storage', filesMb, device?.storageMb],
  ];
  const parts = needed.flatMap(([what, neededMb, availableMb]) =>
    availableMb === undefined ? [] : [{ what, neededMb, availableMb, workers }],
  );
  if (parts.length === 0) return { score: NO_DEVICE, parts };
  const value = Math.max(...parts.map(({ neededMb, availableMb }) => neededMb / availableMb));
  return { score: { value, interval: null, rows: 0 }, parts };
}
