/** A tuned model of pictures, asked all that the evaluation needs. Pictures are streamed: a batch of them is in memory. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { ImageModel } from '../../inference/image-model.ts';
import type { PictureSet, Split } from '../contract/data.ts';
import type { EvaluateModelInput } from '../contract/validation.ts';
import { hasShifted } from '../data/shifted.ts';
import { countPictures, pictureRows } from '../data/images/pictures.ts';
import { pixelBlocks, type PixelRows } from '../retrieval/pixels.ts';
import { classOf, embedPictures, pictureBlocks } from '../selection/embed-pictures.ts';
import { measureModel, samplePictures } from '../selection/profile-encoder.ts';
import { checkout } from '../checkout.ts';
import type { StepContext } from '../step.ts';
import { gatherMistakes, gatherTuned, keptPlaces } from './all-rows.ts';
import { askFrozen } from './ask-test.ts';
import { fitBaseline } from './baseline.ts';
import { corruptionsOf } from './corruptions.ts';
import { PIXEL_ROWS, SPLIT_ROWS, type AskedSplit, type Examined } from './examined.ts';
import { editedExamples, MOST_EXAMPLES } from './gate-examples.ts';
import { argmaxRows } from './metrics.ts';
import { askPictureTables } from './picture-tables.ts';
import { checkEdgePictures, measurePictureFlips } from './picture-behaviour.ts';
import { measureCorruption } from './picture-robustness.ts';
import { knownPatches, scanPatches } from './picture-triggers.ts';
import { sampledPlaces } from './sample-rows.ts';
import { scanTraits } from './scan-traits.ts';
import { seenPictures } from './seen-pictures.ts';
import { suspectPatches } from './suspect-patches.ts';

/** Test pictures that are edited for the flip rate, and whose latency is measured: a ResNet-50 takes some 60 ms for one. */
const SAMPLED_PICTURES = 100;

export async function examinePictures(
  input: EvaluateModelInput,
  context: StepContext,
  folder: string,
  model: ImageModel,
  labels: readonly string[],
): Promise<Examined> {
  const { dataset, seed } = input;
  const { store, signal } = context;
  const corruptions = await corruptionsOf(input.corruptions, store);
  const rowsOf = (split: PictureSet) => countPictures(store, dataset, split, signal);
  const predict = async (split: PictureSet, only: readonly number[]): Promise<AskedSplit> => {
    const asked = { dataset, split, labels, only };
    const { ids, classes: expected, embeddings, probabilities } = await embedPictures(model, asked, context);
    const predicted = argmaxRows(probabilities, labels.length);
    const mistakes = gatherMistakes(labels, MOST_EXAMPLES);
    mistakes.add({ ids, classes: expected, probabilities }, predicted);
    return { ids, expected, predicted, embeddings, probabilities, mistakes: mistakes.items() };
  };
  const rows = await rowsOf('test');
  const trainRows = await rowsOf('train');
  const inTrain = sampledPlaces(trainRows, SPLIT_ROWS, seed);
  const tuned = await gatherTuned(pictureBlocks(model, { dataset, split: 'test', labels }, context), {
    rows,
    labels,
    places: keptPlaces(rows, seed),
  });
  const { kept } = tuned;
  const sampleFiles = once(() => samplePictures(dataset, 'test', SAMPLED_PICTURES, context));
  const train = await predict('train', inTrain);
  const validation = await predict('validation', sampledPlaces(await rowsOf('validation'), SPLIT_ROWS, seed));
  const shifted = (await hasShifted(store, dataset))
    ? await predict('shifted', sampledPlaces(await rowsOf('shifted'), SPLIT_ROWS, seed))
    : null;
  return {
    labels,
    test: kept,
    train,
    trainRows,
    validation,
    shifted,
    ...(await askEncoder()),
    trivial: await trivialRows(),
    texts: null,
    pictures: await seenPictures(dataset, kept.places, context),
    textLengths: kept.ids.map(() => 0),
    checkEdgeInputs: () => checkEdgePictures(model, labels.length, signal),
    measureFlips: async () => {
      const files = await sampleFiles();
      const pictures = files.map((path) => () => readFile(path, { signal }));
      const flips = await measurePictureFlips(model, pictures, labels.length, {
        signal,
        onProgress: (done, total) => context.progress({ phase: 'harmless edits', done, total }),
      });
      return { ...flips, examples: editedExamples(flips.changed, files.map(idOf)) };
    },
    askBehaviour: () => askPictureTables(model, labels, dataset, context),
    measureCorruption: async () => {
      const files = await sampleFiles();
      const labelOf = await labelsOf(new Set(files.map(idOf)));
      const pictures = files.map((path) => ({
        id: idOf(path),
        read: () => readFile(path, { signal }),
        expected: labelOf.get(idOf(path))!,
      }));
      return measureCorruption(model, pictures, labels.length, {
        seed,
        signal,
        corruptions,
        onProgress: (done, total) => context.progress({ phase: 'corrupted pictures', done, total }),
      });
    },
    scanPatches: async () => {
      const patches = [...(await suspectPatches({ dataset, labels, seed }, context)), ...knownPatches()];
      const files = await sampleFiles();
      const pictures = files.map((path) => () => readFile(path, { signal }));
      const scan = await scanPatches(model, pictures, patches, labels.length, {
        signal,
        onProgress: (done, total) => context.progress({ phase: 'patches', done, total }),
      });
      const changed = scan.turned.map((row) => ({ row, edit: scan.worst?.name ?? '' }));
      return { ...scan, examples: editedExamples(changed, files.map(idOf)) };
    },
    scanTraits: () => scanTraits({ dataset, labels, seed }, context),
    measure: async () => measureModel({ folder, pictures: await sampleFiles() }, signal),
  };

  async function askEncoder(): Promise<Pick<Examined, 'all' | 'frozen'>> {
    const encoder = await ImageModel.load(await checkout(context, input.baseline.encoder, 'encoder'));
    try {
      const { dimension } = encoder.config;
      const { baseline, learnt } = await fitBaseline(
        input.baseline.probe,
        {
          labels,
          dimension,
          seed,
          trainingRows: () => pictureBlocks(encoder, { dataset, labels, split: 'train' }, context),
        },
        context,
      );
      const blocks = pictureBlocks(encoder, { dataset, labels, split: 'test' }, context);
      const { all, embeddings } = await askFrozen(blocks, { tuned, labels, baseline }, context);
      const known = await (learnt?.pick(inTrain) ??
        embedPictures(encoder, { dataset, labels, split: 'train', only: inTrain }, context));
      return { all, frozen: { dimension, test: embeddings, train: known.embeddings, l2: baseline.l2 } };
    } finally {
      await encoder.release();
    }
  }

  async function trivialRows(): Promise<Examined['trivial']> {
    const classes = await classesOf('train');
    const among = await idsAt('train', new Set(sampledPlaces(classes.length, PIXEL_ROWS, seed)));
    return {
      train: { classes, pictures: pixelsOf('train', among) },
      test: { classes: kept.expected, pictures: pixelsOf('test', new Set(kept.ids)) },
    };
  }

  function pixelsOf(split: PictureSet & Split, ids: ReadonlySet<string>): AsyncIterable<PixelRows> {
    return pixelBlocks({ dataset, split, labels, isWanted: (id) => ids.has(id) }, context);
  }

  async function idsAt(split: PictureSet, places: ReadonlySet<number>): Promise<ReadonlySet<string>> {
    const ids = new Set<string>();
    let place = 0;
    for await (const { id } of pictureRows(store, dataset, split, signal)) if (places.has(place++)) ids.add(id);
    return ids;
  }

  async function classesOf(split: PictureSet): Promise<Int32Array> {
    const classes = new Int32Array(await rowsOf(split));
    let row = 0;
    for await (const { id, label } of pictureRows(store, dataset, split, signal)) {
      classes[row++] = classOf(labels, label, `${split} row ${id}`);
    }
    return classes;
  }

  async function labelsOf(ids: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for await (const { id, label } of pictureRows(store, dataset, 'test', signal)) {
      if (ids.has(id)) found.set(id, classOf(labels, label, `test row ${id}`));
    }
    return found;
  }
}

/** A file is called by its row's id. */
function idOf(path: string): string {
  return basename(path);
}

function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => (made ??= make());
}
