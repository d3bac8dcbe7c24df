/** A tuned model of texts, asked all that the evaluation needs. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { TextModel } from '../../inference/text-model.ts';
import { codePoints } from '../../inference/texts.ts';
import type { EvaluateModelInput } from '../contract/validation.ts';
import { loadBehaviour } from '../data/behaviour.ts';
import { loadClassified, type LabelledRows } from '../data/dataset.ts';
import { loadShifted } from '../data/shifted.ts';
import { measureModel } from '../selection/profile-encoder.ts';
import type { StepContext } from '../step.ts';
import { checkout, predictBaseline, requireFinite } from './baseline.ts';
import { askBehaviour } from './behaviour-tests.ts';
import { checkEdgeInputs, measureFlips } from './behaviour.ts';
import { EDGE_INPUTS } from './edge-inputs.ts';
import { SPLIT_ROWS, TRIVIAL_ROWS, type Answers, type Examined } from './examined.ts';
import { argmaxRows } from './metrics.ts';
import { sampleRows } from './sample-rows.ts';

/** Test rows that are edited for the flip rate: each costs one prediction an edit. */
const FLIP_ROWS = 500;
/** Different texts whose latency is measured. */
const LATENCY_TEXTS = 200;

export async function examineTexts(
  { dataset, baseline, seed }: EvaluateModelInput,
  context: StepContext,
  folder: string,
  model: TextModel,
  labels: readonly string[],
): Promise<Examined> {
  const { store, signal } = context;
  const read = (split: 'train' | 'validation' | 'test') => loadClassified(store, dataset, split, labels, signal);
  const asked = { model, classes: labels.length, context };
  const rows = await read('test');
  const test = await predict(asked, rows, 'test rows');
  const learnt = await read('train');
  const sample = sampleRows(learnt, SPLIT_ROWS, seed);
  const train = await predict(asked, sample, 'training rows');
  const validation = await predict(asked, sampleRows(await read('validation'), SPLIT_ROWS, seed), 'validation rows');
  const elsewhere = await loadShifted(store, dataset, labels, signal);
  const shifted =
    elsewhere === null ? null : await predict(asked, sampleRows(elsewhere, SPLIT_ROWS, seed), 'rows from elsewhere');
  return {
    labels,
    test,
    train,
    validation,
    shifted,
    baseline: await frozenTexts(baseline, context, { test: rows, train: sample }, labels),
    trivial: { train: sampleRows(learnt, TRIVIAL_ROWS, seed), test: rows },
    groups: rows.groups,
    texts: { model, train: sample.texts, allTrain: learnt.texts, test: rows.texts },
    textLengths: rows.texts.map(codePoints), // as the server counts them
    checkEdgeInputs: () => checkEdgeInputs(model, labels.length, signal, awkwardFor(model)),
    measureFlips: () => {
      const edited = sampleRows({ ...rows, classes: test.predicted }, FLIP_ROWS, seed);
      return measureFlips(model, edited.texts, edited.classes, labels.length, {
        signal,
        onProgress: (done, total) => context.progress({ phase: 'harmless edits', done, total }),
      });
    },
    askBehaviour: async () =>
      askBehaviour(model, labels, await loadBehaviour(store, dataset, signal), {
        signal,
        onProgress: (done, total) => context.progress({ phase: 'behaviour tests', done, total }),
      }),
    measureCorruption: null,
    measure: () => measureModel({ folder, texts: sampleRows(rows, LATENCY_TEXTS, seed).texts }, signal),
  };
}

/** A model of pairs is asked each as both texts of one. */
function awkwardFor({ config }: TextModel): Parameters<typeof checkEdgeInputs>[3] {
  const pairs = config.kind === 'classifier' && config.pairs === true;
  return pairs ? EDGE_INPUTS.map(({ name, text }) => ({ name, text: [text, text] })) : EDGE_INPUTS;
}

async function predict(
  { model, classes, context }: { readonly model: TextModel; readonly classes: number; readonly context: StepContext },
  rows: LabelledRows,
  phase: string,
): Promise<Answers> {
  const { embeddings, probabilities = new Float32Array() } = await model.runAll(rows.texts, {
    signal: context.signal,
    onProgress: (done, total) => context.progress({ phase: `predicting ${phase}`, done, total }),
  });
  requireFinite(embeddings, model.config.dimension, rows, 'tuned model');
  requireFinite(probabilities, classes, rows, 'tuned model');
  const predicted = argmaxRows(probabilities, classes);
  return { ids: rows.ids, expected: rows.classes, predicted, embeddings, probabilities };
}

async function frozenTexts(
  baseline: { readonly encoder: ArtifactRef; readonly probe: ArtifactRef },
  context: StepContext,
  rows: { readonly test: LabelledRows; readonly train: LabelledRows },
  labels: readonly string[],
): Promise<Examined['baseline']> {
  return predictBaseline(baseline.probe, context, labels, async () => {
    const encoder = await TextModel.load(await checkout(context, baseline.encoder, 'encoder'));
    try {
      const { dimension } = encoder.config;
      const embed = async (part: LabelledRows, phase: string): Promise<Float32Array> => {
        const { embeddings } = await encoder.runAll(part.texts, {
          signal: context.signal,
          onProgress: (done, total) => context.progress({ phase: `${phase} with the frozen encoder`, done, total }),
        });
        requireFinite(embeddings, dimension, part, 'frozen encoder');
        return embeddings;
      };
      return {
        dimension,
        test: await embed(rows.test, 'predicting'),
        train: await embed(rows.train, 'embedding'),
      };
    } finally {
      await encoder.release();
    }
  });
}
