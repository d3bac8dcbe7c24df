/** The test rows that two models are compared on, and how the one in production is asked about them: texts or pictures. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { ImageModel } from '../../inference/image-model.ts';
import type { TextModel } from '../../inference/text-model.ts';
import { loadClassified } from '../data/dataset.ts';
import { embedPictures } from '../selection/embed-pictures.ts';
import { measureModel, samplePictures, type ProfileAnswer } from '../selection/profile-encoder.ts';
import type { StepContext } from '../step.ts';
import { sampleRows } from './sample-rows.ts';

/** Different texts, or pictures, whose latency is measured, of each model. */
const LATENCY_TEXTS = 200;
const LATENCY_PICTURES = 50;

export interface Rows {
  readonly ids: readonly string[];
  /** Index into the labels that were asked for. */
  readonly classes: Int32Array;
}

export interface ComparedRows {
  readonly all: Rows;
  /** Whether the rows are of two texts each. */
  readonly pairs: boolean;
  /** Probabilities by `model` of the rows at these places, row-major; numbers that are not finite may be among them. */
  readonly ask: (places: readonly number[]) => Promise<Float32Array>;
  readonly measure: (folder: string) => Promise<ProfileAnswer>;
}

/** Whether a dataset is of pictures: the tar beside its test rows says so. */
export async function isOfPictures({ store }: Pick<StepContext, 'store'>, dataset: ArtifactRef): Promise<boolean> {
  const { entries } = await store.tree(dataset);
  return entries.some(({ path }) => path === 'test.tar');
}

export async function rowsToCompare(
  model: TextModel | ImageModel,
  {
    dataset,
    labels,
    seed,
  }: { readonly dataset: ArtifactRef; readonly labels: readonly string[]; readonly seed: number },
  context: StepContext,
): Promise<ComparedRows> {
  const { store, signal } = context;
  const phase = 'predicting with the model in production';
  if (!(model instanceof ImageModel)) {
    const all = await loadClassified(store, dataset, 'test', labels, signal);
    return {
      all,
      pairs: all.texts.some((input) => typeof input !== 'string'),
      ask: async (places) => {
        const onProgress = (done: number, total: number): void => context.progress({ phase, done, total });
        const texts = places.map((place) => all.texts[place]!);
        return (await model.runAll(texts, { signal, onProgress })).probabilities ?? new Float32Array();
      },
      measure: (folder) => measureModel({ folder, texts: sampleRows(all, LATENCY_TEXTS, seed).texts }, signal),
    };
  }
  context.progress({ phase });
  const known = model.config.kind === 'classifier' ? model.config.labels.length : 0;
  const all = await embedPictures(model, { dataset, split: 'test', labels }, context);
  let pictures: Promise<readonly string[]> | undefined;
  return {
    all,
    pairs: false,
    ask: (places) => {
      const chosen = places.map((place) => all.probabilities.subarray(place * known, (place + 1) * known));
      return Promise.resolve(Float32Array.from(chosen.flatMap((row) => [...row])));
    },
    measure: async (folder) => {
      pictures ??= samplePictures(dataset, 'test', LATENCY_PICTURES, context);
      return measureModel({ folder, pictures: await pictures }, signal);
    },
  };
}
