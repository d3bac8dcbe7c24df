/** The frozen encoder with its probe: what tuning must beat, and embeddings that know nothing of the labels. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { LabelledRows } from '../data/dataset.ts';
import { highestClasses, linearScores, type LinearProbe } from '../selection/linear-probe.ts';
import type { StepContext } from '../step.ts';
import type { Material } from './diagnose.ts';

/** A model that answers a text with NaN has no accuracy to speak of. `values`: row-major [rows, width]. */
export function requireFinite(values: Float32Array, width: number, rows: LabelledRows, what: string): void {
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

/**
 * The test rows' classes by the frozen encoder and its linear probe: what tuning must beat. A baseline that cannot be
 * right about some label, or about any row, would make every model a gain: it is refused.
 */
export async function predictBaseline(
  probeOf: ArtifactRef,
  context: StepContext,
  labels: readonly string[],
  embed: () => Promise<Omit<Material['frozen'], 'l2'>>,
): Promise<{ readonly predicted: Int32Array; readonly embedded: Material['frozen'] }> {
  const probe = await context.store.getJson<LinearProbe & { readonly labels: readonly string[] }>(probeOf);
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
  const embedded = await embed();
  return {
    predicted: highestClasses(linearScores(probe, embedded.test), labels.length).map((index) => classOf[index]!),
    embedded: { ...embedded, l2: probe.l2 },
  };
}

export async function checkout(
  { store, workDir, signal }: StepContext,
  tree: ArtifactRef,
  name: string,
): Promise<string> {
  const folder = join(workDir, name);
  await mkdir(folder);
  await store.checkout(tree, folder, { signal });
  return folder;
}
