/** The frozen encoder with its probe: what tuning must beat, and embeddings that know nothing of the labels. */
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { LabelledRows } from '../data/dataset.ts';
import type { EncoderProbe } from '../contract/selection.ts';
import { rowsInFile, type EmbeddedRows } from '../selection/embedded-rows.ts';
import type { LabelledEmbeddings } from '../selection/knn.ts';
import { crossValidatedProbe, highestClasses, linearScores, type LinearProbe } from '../selection/linear-probe.ts';
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
  /** The penalty of its probe. */
  readonly l2: number;
  /** The classes of rows by their frozen embeddings, row-major. */
  readonly classesOf: (embeddings: Float32Array) => Int32Array;
}

interface Frozen {
  readonly labels: readonly string[];
  readonly dimension: number;
  readonly seed: number;
  /** All training rows through the frozen encoder; asked for only where they are needed. */
  readonly trainingRows: () => AsyncIterable<LabelledEmbeddings>;
}

/**
 * The frozen encoder's linear probe: what tuning must beat. One that selection fitted on a draw of the training rows is fitted
 * anew on all of them: tuning has seen them all, too. `learnt`: these rows, else null. A baseline that cannot be right about
 * some label, or about any row, would make every model a gain: it is refused.
 */
export async function fitBaseline(
  probeOf: ArtifactRef,
  { labels, dimension, seed, trainingRows }: Frozen,
  { store, signal, workDir, progress }: Pick<StepContext, 'store' | 'signal' | 'workDir' | 'progress'>,
): Promise<{ readonly baseline: Baseline; readonly learnt: EmbeddedRows | null }> {
  const { fittedOn, ...kept } = await store.getJson<KeptProbe>(probeOf);
  const classOf = Int32Array.from(kept.labels, (label) => labels.indexOf(label));
  if (classOf.length !== labels.length || new Set(classOf).size !== labels.length || classOf.includes(-1)) {
    throw new EspalierError(
      'BadModel',
      `the frozen probe knows ${kept.labels.join(', ')}, the model ${labels.join(', ')}`,
      {
        where: 'probe.json',
        fix: 'select and train on one dataset',
      },
    );
  }
  const baselineOf = (probe: LinearProbe, classAt: (index: number) => number): Baseline => ({
    l2: probe.l2,
    classesOf: (embeddings) => highestClasses(linearScores(probe, embeddings), labels.length).map(classAt),
  });
  if (fittedOn === undefined) return { baseline: baselineOf(kept, (index) => classOf[index]!), learnt: null };
  const learnt = await rowsInFile(join(workDir, 'frozen-training-rows.f32'), trainingRows(), { dimension, signal });
  progress({ phase: 'fitting the frozen probe on all training rows' });
  const { probe } = await crossValidatedProbe(learnt, { dimension, classes: labels.length, seed, signal });
  return { baseline: baselineOf(probe, (index) => index), learnt };
}

type KeptProbe = LinearProbe & Pick<EncoderProbe, 'fittedOn'> & { readonly labels: readonly string[] };
