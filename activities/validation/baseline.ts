/** The frozen encoder with its probe: what tuning must beat, and embeddings that know nothing of the labels. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { LabelledRows } from '../data/dataset.ts';
import { highestClasses, linearScores, type LinearProbe } from '../selection/linear-probe.ts';
import type { StepContext } from '../step.ts';

/** A model that answers a text with NaN has no accuracy to speak of. `values`: row-major [rows, width]. */
export function requireFinite(
  values: Float32Array,
  width: number,
  rows: Pick<LabelledRows, 'ids'>,
  what: string,
): void {
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong === -1) return;
  throw new EspalierError(
    'BadModel',
    `the ${what} answers row ${rows.ids[Math.floor(wrong / width)]} with ${values[wrong]}`,
    {
      where: 'model.onnx',
      fix: 'training diverged or the export is broken: lower training.learningRate, or train in fp32',
    },
  );
}

export interface Baseline {
  /** The penalty of the probe that selection trained. */
  readonly l2: number;
  /** The classes of rows by their frozen embeddings, row-major. */
  readonly classesOf: (embeddings: Float32Array) => Int32Array;
}

/**
 * The frozen encoder's linear probe: what tuning must beat. A baseline that cannot be right about some label, or about any
 * row, would make every model a gain: it is refused.
 */
export async function readBaseline(
  probeOf: ArtifactRef,
  store: StepContext['store'],
  labels: readonly string[],
): Promise<Baseline> {
  const probe = await store.getJson<LinearProbe & { readonly labels: readonly string[] }>(probeOf);
  const classOf = Int32Array.from(probe.labels, (label) => labels.indexOf(label));
  if (classOf.length !== labels.length || new Set(classOf).size !== labels.length || classOf.includes(-1)) {
    throw new EspalierError(
      'BadModel',
      `the frozen probe knows ${probe.labels.join(', ')}, the model ${labels.join(', ')}`,
      {
        where: 'probe.json',
        fix: 'select and train on one dataset',
      },
    );
  }
  return {
    l2: probe.l2,
    classesOf: (embeddings) =>
      highestClasses(linearScores(probe, embeddings), labels.length).map((index) => classOf[index]!),
  };
}
