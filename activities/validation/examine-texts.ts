/** A tuned model of texts, asked all that the evaluation needs. The splits are streamed: a block of their rows is in memory. */
import { TextModel } from '../../inference/text-model.ts';
import { codePoints } from '../../inference/texts.ts';
import type { EvaluateModelInput } from '../contract/validation.ts';
import { loadBehaviour } from '../data/behaviour.ts';
import type { LabelledRows } from '../data/dataset.ts';
import { classifiedBlocks, pickRows, rowSizes } from '../data/row-blocks.ts';
import { hasShifted, SHIFTED_FILE } from '../data/shifted.ts';
import { measureModel } from '../selection/profile-encoder.ts';
import { checkout } from '../checkout.ts';
import type { StepContext } from '../step.ts';
import { gatherMistakes, gatherTuned, keptPlaces, type AnsweredBlock } from './all-rows.ts';
import { askFrozen } from './ask-test.ts';
import { fitBaseline, requireFinite } from './baseline.ts';
import { askBehaviour } from './behaviour-tests.ts';
import { checkEdgeInputs, measureFlips } from './behaviour.ts';
import { edgeInputs } from './edge-inputs.ts';
import { SPLIT_ROWS, TRIVIAL_ROWS, type AskedSplit, type Examined } from './examined.ts';
import { editedExamples, MOST_EXAMPLES } from './gate-examples.ts';
import { argmaxRows } from './metrics.ts';
import { placesThatFit, sampledPlaces, sampleRows } from './sample-rows.ts';

/** Test rows that are edited for the flip rate: each costs one prediction an edit. */
const FLIP_ROWS = 500;
/** Different texts whose latency is measured. */
const LATENCY_TEXTS = 200;
const EMBEDDING = 'embedding with the frozen encoder';

export async function examineTexts(
  input: EvaluateModelInput,
  context: StepContext,
  folder: string,
  model: TextModel,
  labels: readonly string[],
): Promise<Examined> {
  const { dataset, seed } = input;
  const { store, signal } = context;
  const rowsOf = (file: string) => classifiedBlocks(store, dataset, file, labels, signal);
  const sizesOf = (file: string) => rowSizes(store, dataset, file, signal);
  const placesOf = (sizes: Uint32Array, most: number) =>
    placesThatFit(sampledPlaces(sizes.length, most, seed), sizes, seed);
  const sampleOf = async (file: string): Promise<LabelledRows> => {
    const [sample] = await pickRows(rowsOf(file), [placesOf(await sizesOf(file), SPLIT_ROWS)]);
    return sample!;
  };
  const classify = (rows: LabelledRows, what: string) => predict(model, rows, { labels, what }, context);

  const testSizes = await sizesOf('test.jsonl');
  const rows = testSizes.length;
  const asked = { total: rows, who: 'tuned model', phase: 'predicting test rows' };
  const tuned = await gatherTuned(answeredBlocks(model, rowsOf('test.jsonl'), asked, context), {
    rows,
    labels,
    places: placesThatFit(keptPlaces(rows, seed), testSizes, seed),
  });
  const trainSizes = await sizesOf('train.jsonl');
  const inTrain = placesOf(trainSizes, SPLIT_ROWS);
  const [sample, forTrivial] = await pickRows(rowsOf('train.jsonl'), [inTrain, placesOf(trainSizes, TRIVIAL_ROWS)]);
  const train = await classify(sample!, 'training rows');
  const validation = await classify(await sampleOf('validation.jsonl'), 'validation rows');
  const shifted = (await hasShifted(store, dataset))
    ? await classify(await sampleOf(SHIFTED_FILE), 'rows from elsewhere')
    : null;
  const { all, frozen } = await askEncoder();

  const test: LabelledRows = { ...tuned.kept, classes: tuned.kept.expected };
  return {
    labels,
    all,
    test: tuned.kept,
    train,
    trainRows: trainSizes.length,
    validation,
    shifted,
    frozen,
    trivial: { train: forTrivial!, test },
    pictures: null,
    texts: { model, train: sample!.texts, allTrain: () => rowsOf('train.jsonl'), test: test.texts },
    textLengths: test.texts.map(codePoints), // as the server counts them
    checkEdgeInputs: () => checkEdgeInputs(model, labels.length, signal, awkwardFor(model)),
    measureFlips: async () => {
      const edited = sampleRows({ ...test, classes: tuned.kept.predicted }, FLIP_ROWS, seed);
      const flips = await measureFlips(model, edited.texts, edited.classes, labels.length, {
        signal,
        onProgress: (done, total) => context.progress({ phase: 'harmless edits', done, total }),
      });
      return { ...flips, examples: editedExamples(flips.changed, edited.ids, edited.texts) };
    },
    askBehaviour: async () =>
      askBehaviour(model, labels, await loadBehaviour(store, dataset, signal), {
        signal,
        onProgress: (done, total) => context.progress({ phase: 'behaviour tests', done, total }),
      }),
    measureCorruption: null,
    scanPatches: null,
    scanTraits: null,
    measure: () => measureModel({ folder, texts: sampleRows(test, LATENCY_TEXTS, seed).texts }, signal),
  };

  async function askEncoder(): Promise<Pick<Examined, 'all' | 'frozen'>> {
    const encoder = await TextModel.load(await checkout(context, input.baseline.encoder, 'encoder'));
    try {
      const { dimension } = encoder.config;
      const who = 'frozen encoder';
      const answersTo = (file: string, total: number, phase: string) =>
        answeredBlocks(encoder, rowsOf(file), { total, who, phase }, context);
      const trainingRows = () => answersTo('train.jsonl', trainSizes.length, EMBEDDING);
      const { baseline, learnt } = await fitBaseline(
        input.baseline.probe,
        { labels, dimension, seed, trainingRows },
        context,
      );
      const blocks = answersTo('test.jsonl', rows, 'predicting with the frozen encoder');
      const answered = await askFrozen(blocks, { tuned, labels, baseline }, context);
      const { embeddings } =
        learnt === null
          ? await encoder.runAll(sample!.texts, {
              signal,
              onProgress: (done, total) => context.progress({ phase: EMBEDDING, done, total }),
            })
          : await learnt.pick(inTrain);
      requireFinite(embeddings, dimension, sample!, who);
      const frozen = { dimension, test: answered.embeddings, train: embeddings, l2: baseline.l2 };
      return { all: answered.all, frozen };
    } finally {
      await encoder.release();
    }
  }
}

/** A model of pairs is asked each as both texts of one. */
export function awkwardFor({ config }: TextModel): Parameters<typeof checkEdgeInputs>[3] {
  const pairs = config.kind === 'classifier' && config.pairs === true;
  return pairs ? edgeInputs().map(({ name, text }) => ({ name, text: [text, text] })) : edgeInputs();
}

/** Every row asked, block by block. Throws BadModel for numbers that are not finite. */
async function* answeredBlocks(
  model: TextModel,
  blocks: AsyncIterable<LabelledRows>,
  { total, who, phase }: { readonly total: number; readonly who: string; readonly phase: string },
  { signal, progress }: StepContext,
): AsyncGenerator<AnsweredBlock> {
  const { config } = model;
  let before = 0;
  for await (const rows of blocks) {
    const { embeddings, probabilities = new Float32Array() } = await model.runAll(rows.texts, {
      signal,
      onProgress: (done) => progress({ phase, done: before + done, total }),
    });
    requireFinite(embeddings, config.dimension, rows, who);
    if (config.kind === 'classifier') requireFinite(probabilities, config.labels.length, rows, who);
    yield { ...rows, embeddings, probabilities };
    before += rows.ids.length;
  }
}

async function predict(
  model: TextModel,
  rows: LabelledRows,
  { labels, what }: { readonly labels: readonly string[]; readonly what: string },
  context: StepContext,
): Promise<AskedSplit> {
  const { embeddings, probabilities = new Float32Array() } = await model.runAll(rows.texts, {
    signal: context.signal,
    onProgress: (done, total) => context.progress({ phase: `predicting ${what}`, done, total }),
  });
  requireFinite(embeddings, model.config.dimension, rows, 'tuned model');
  requireFinite(probabilities, labels.length, rows, 'tuned model');
  const predicted = argmaxRows(probabilities, labels.length);
  const mistakes = gatherMistakes(labels, MOST_EXAMPLES);
  mistakes.add({ ...rows, probabilities }, predicted);
  return { ids: rows.ids, expected: rows.classes, predicted, embeddings, probabilities, mistakes: mistakes.items() };
}
