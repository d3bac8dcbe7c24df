/** How the model in production is asked about the test rows that two models are compared on: texts or pictures, a block at a time. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { ImageModel } from '../../inference/image-model.ts';
import type { TextModel } from '../../inference/text-model.ts';
import { wholeText } from '../../inference/texts.ts';
import type { LabelledRows } from '../data/dataset.ts';
import { countPictures } from '../data/images/pictures.ts';
import { classifiedBlocks, pickRows, rowPicker, rowSizes } from '../data/row-blocks.ts';
import { pictureBlocks } from '../selection/embed-pictures.ts';
import { measureModel, samplePictures, type ProfileAnswer } from '../selection/profile-encoder.ts';
import type { StepContext } from '../step.ts';
import { placesThatFit, sampledPlaces } from './sample-rows.ts';

/** Different texts, or pictures, whose latency is measured, of each model. */
const LATENCY_TEXTS = 200;
const LATENCY_PICTURES = 50;
/** Texts asked at a time; of long ones fewer, in whole batches of a model. */
const BLOCK_ROWS = 2048;
const BLOCK_CHARACTERS = 8_000_000;
const BATCH_ROWS = 32;

export interface AskedBlock {
  readonly ids: readonly string[];
  /** Index into the labels that were asked for. */
  readonly classes: Int32Array;
  /** By the model in production, row-major; numbers that are not finite may be among them. */
  readonly probabilities: Float32Array;
}

export interface ComparedRows {
  /** Of the whole test split. */
  readonly count: number;
  /** Whether the rows are of two texts each. */
  readonly pairs: boolean;
  /** The rows whose ids are wanted, in order. */
  readonly ask: (isWanted: (id: string) => boolean) => AsyncIterable<AskedBlock>;
  readonly measure: (folder: string) => Promise<ProfileAnswer>;
}

/** Whether a dataset is of pictures: the tar beside its test rows says so. */
export async function isOfPictures({ store }: Pick<StepContext, 'store'>, dataset: ArtifactRef): Promise<boolean> {
  const { entries } = await store.tree(dataset);
  return entries.some(({ path }) => path === 'test.tar');
}

interface Asked {
  readonly dataset: ArtifactRef;
  readonly labels: readonly string[];
  readonly seed: number;
}
const FILE = 'test.jsonl';
const PHASE = 'predicting with the model in production';

export async function rowsToCompare(
  model: TextModel | ImageModel,
  asked: Asked,
  context: StepContext,
): Promise<ComparedRows> {
  return model instanceof ImageModel ? picturesToCompare(model, asked, context) : textsToCompare(model, asked, context);
}

async function textsToCompare(
  model: TextModel,
  { dataset, labels, seed }: Asked,
  context: StepContext,
): Promise<ComparedRows> {
  const { store, signal, progress } = context;
  const rows = () => classifiedBlocks(store, dataset, FILE, labels, signal);
  const sizes = await rowSizes(store, dataset, FILE, signal);
  const count = sizes.length;
  const [sample] = await pickRows(rows(), [placesThatFit(sampledPlaces(count, LATENCY_TEXTS, seed), sizes, seed)]);
  const texts = sample?.texts ?? [];
  return {
    count,
    pairs: texts.some((input) => typeof input !== 'string'),
    async *ask(isWanted) {
      let done = 0;
      for await (const block of wantedBlocks(rows(), isWanted)) {
        const onProgress = (asked: number): void => progress({ phase: PHASE, done: done + asked, total: count });
        const { probabilities = new Float32Array() } = await model.runAll(block.texts, { signal, onProgress });
        yield { ...block, probabilities };
        done += block.ids.length;
      }
    },
    measure: (folder) => measureModel({ folder, texts }, signal),
  };
}

async function picturesToCompare(
  model: ImageModel,
  { dataset, labels }: Asked,
  context: StepContext,
): Promise<ComparedRows> {
  const { store, signal } = context;
  let pictures: Promise<readonly string[]> | undefined;
  return {
    count: await countPictures(store, dataset, 'test', signal),
    pairs: false,
    ask: (isWanted) => pictureBlocks(model, { dataset, split: 'test', labels, isWanted }, context),
    measure: async (folder) => {
      pictures ??= samplePictures(dataset, 'test', LATENCY_PICTURES, context);
      return measureModel({ folder, pictures: await pictures }, signal);
    },
  };
}

/** What is left of the blocks, in blocks as large again: a model then answers as if there were no others. */
async function* wantedBlocks(
  blocks: AsyncIterable<LabelledRows>,
  isWanted: (id: string) => boolean,
): AsyncGenerator<LabelledRows> {
  let [picker, taken, characters] = [rowPicker(), 0, 0];
  for await (const block of blocks) {
    for (const [row, id] of block.ids.entries()) {
      if (!isWanted(id)) continue;
      picker.take(block, row);
      taken += 1;
      characters += wholeText(block.texts[row]!).length;
      const isLong = characters >= BLOCK_CHARACTERS && taken % BATCH_ROWS === 0;
      if (taken < BLOCK_ROWS && !isLong) continue;
      yield picker.rows();
      [picker, taken, characters] = [rowPicker(), 0, 0];
    }
  }
  if (taken > 0) yield picker.rows();
}
