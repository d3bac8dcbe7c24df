/**
 * The tuned model against the one in production, on the same test rows. What production was trained on is left out: it
 * may know those rows by heart, and would win on them for no merit.
 */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { readModelConfig } from '../../inference/config.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { TextModel } from '../../inference/text-model.ts';
import { GATE_TABLE } from '../../pipelines/gate-table.ts';
import type { CompareModelsInput, ComparedRow, ModelComparison, PairedScore } from '../contract/validation.ts';
import type { Score } from '../contract/measures.ts';
import { loadSplit } from '../data/dataset.ts';
import { hardware } from '../selection/profile-encoder.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { isOfPictures, rowsToCompare, type Rows } from './compared-rows.ts';
import { argmaxRows, confusionMatrix, finiteOrNull, macroF1 } from './metrics.ts';
import { judgeGate } from './gates.ts';
import { mcnemar, pairedShareInterval } from './paired.ts';
import { accuracyScore, f1Scores } from './scores.ts';
import { bootstrapInterval } from './statistics.ts';

const EXAMPLES = 10;

export const compareModels: StepDefinition<CompareModelsInput, ModelComparison> = {
  type: 'validation.compare',
  version: 2,
  // Latency is among the measures: on other hardware it is another result.
  environment: () => Promise.resolve(hardware()),
  async run(input, context) {
    const { production, candidate } = input;
    const no = (reason: string): ModelComparison => ({ comparable: false, bundle: production.bundle, reason });
    if (production.classifier.digest === candidate.classifier.digest) {
      return no('the model in production is this very model, byte for byte');
    }
    try {
      const folder = await checkout(context, production.classifier, 'production');
      const { input: takes } = await readModelConfig(folder);
      const pictures = takes === 'image';
      if (pictures !== (await isOfPictures(context, input.dataset))) {
        return no(`the model in production takes ${pictures ? 'pictures' : 'texts'}, the new one does not`);
      }
      const model = pictures ? await ImageModel.load(folder) : await TextModel.load(folder);
      try {
        return await compare(input, context, folder, model);
      } finally {
        await model.release();
      }
    } catch (error) {
      // A model that cannot be run is no reason to keep it; what may pass by itself is tried again.
      if (!(error instanceof EspalierError) || error.retryable) throw error;
      return no(error.message);
    }
  },
};

async function compare(
  input: CompareModelsInput,
  context: StepContext,
  folder: string,
  model: TextModel | ImageModel,
): Promise<ModelComparison> {
  const { store, signal } = context;
  const { seed, production, candidate } = input;
  const no = (reason: string): ModelComparison => ({ comparable: false, bundle: production.bundle, reason });
  const evaluated = await store.getJson<EvaluatedRows>(candidate.evaluation);
  const { labels } = evaluated;
  if (model.config.kind !== 'classifier') return no('the model in production is no classifier');
  const known = model.config.labels;
  const others = [
    ...labels.filter((label) => !known.includes(label)).map((label) => `only the new one knows '${label}'`),
    ...known.filter((label) => !labels.includes(label)).map((label) => `only the one in production knows '${label}'`),
  ];
  if (others.length > 0) return no(`their labels differ: ${summary(others)}`);

  const { all, pairs, ask, measure } = await rowsToCompare(model, { dataset: input.dataset, labels, seed }, context);
  const asksPairs = 'pairs' in model.config && model.config.pairs === true;
  if (pairs !== asksPairs) {
    return no(`the model in production takes ${asksPairs ? 'two texts' : 'one text'} a row, the new one does not`);
  }
  const seen = await idsSeen(context, production.dataset);
  const unseen = [...all.ids.keys()].filter((row) => seen?.has(all.ids[row]!) !== true);
  const test = rowsAt(all, unseen);
  if (test.ids.length === 0) {
    return no(`the model in production was trained or chosen on every one of the ${all.ids.length} test rows`);
  }
  const probabilities = await ask(unseen);
  // Production's classes in the order of the new one's labels.
  const classOf = Int32Array.from(known, (label) => labels.indexOf(label));
  const before = argmaxRows(probabilities, known.length).map((index) => classOf[index] ?? -1);
  if (before.includes(-1)) return no('the model in production answers a test row with numbers that are not finite');
  const answers = new Map(evaluated.predictions.map((row) => [row.rowId, row]));
  const missing = test.ids.find((id) => !answers.has(id));
  if (missing !== undefined) return no(`the evaluation holds no answer to test row ${missing}`);
  const answer = (id: string): EvaluatedRow => answers.get(id) as EvaluatedRow;
  const after = Int32Array.from(test.ids, (id) => labels.indexOf(answer(id).predicted));

  context.progress({ phase: 'intervals' });
  const rows = test.ids.length;
  const [won, lost] = [discordant(test, after, before), discordant(test, before, after)];
  const compared = { won: won.length, lost: lost.length };
  const example = (row: number): ComparedRow => ({
    rowId: test.ids[row] as string,
    expected: labels[test.classes[row] as number] as string,
    production: labels[before[row] as number] as string,
    candidate: labels[after[row] as number] as string,
  });
  const surest = (which: readonly number[]): ComparedRow[] =>
    which
      .toSorted(
        (a, b) =>
          (answer(test.ids[b] as string).probability ?? 0) - (answer(test.ids[a] as string).probability ?? 0) || a - b,
      )
      .slice(0, EXAMPLES)
      .map(example);
  const [accuracyBefore, accuracyAfter] = [before, after].map((predicted) =>
    accuracyScore({ expected: test.classes, predicted }),
  ) as [Score, Score];
  const details = await store.putJson(
    { version: 1, production: production.bundle, labels, rows: test.ids.map((_, row) => example(row)) },
    'comparison.json',
  );

  context.progress({ phase: 'latency of both' });
  const candidateFolder = await checkout(context, candidate.classifier, 'candidate');
  const measured = {
    production: (await measure(folder)).latency,
    candidate: (await measure(candidateFolder)).latency,
  };
  const difference: Score = {
    value: (won.length - lost.length) / rows,
    interval: pairedShareInterval(compared, rows),
    rows,
  };
  return {
    comparable: true,
    ...(input.gate === undefined
      ? {}
      : { gate: judgeGate('gainOverProduction', GATE_TABLE.gainOverProduction, difference, input.gate) }),
    bundle: production.bundle,
    rows,
    rowsKnown: seen === null ? null : all.ids.length - rows,
    accuracy: {
      production: accuracyBefore,
      candidate: accuracyAfter,
      difference,
    },
    macroF1: await macroF1Difference(test.classes, before, after, labels.length, { seed, signal }),
    ...compared,
    ...mcnemar(compared),
    wonExamples: surest(won),
    lostExamples: surest(lost),
    latency: measured,
    sizeMb: { production: await sizeMb(folder), candidate: await sizeMb(candidateFolder) },
    hardware: hardware(),
    details,
  };
}

/** What of `evaluation.json` is read here. */
interface EvaluatedRows {
  readonly labels: readonly string[];
  readonly predictions: readonly EvaluatedRow[];
}
interface EvaluatedRow {
  readonly rowId: string;
  readonly predicted: string;
  readonly probability: number | null;
}

/** Ids of the rows that a model was trained or chosen on; null where its dataset is in the store no more. */
async function idsSeen({ store, signal }: StepContext, dataset: ArtifactRef): Promise<ReadonlySet<string> | null> {
  try {
    const [train, validation] = [
      await loadSplit(store, dataset, 'train', signal),
      await loadSplit(store, dataset, 'validation', signal),
    ];
    return new Set([...train, ...validation].map(({ id }) => id));
  } catch (error) {
    if (error instanceof EspalierError && error.kind === 'NotFound') return null;
    throw error;
  }
}

function rowsAt({ ids, classes }: Rows, places: readonly number[]): Rows {
  return {
    ids: places.map((row) => ids[row] as string),
    classes: Int32Array.from(places, (row) => classes[row] as number),
  };
}

/** Rows that `right` has right and `wrong` has not. */
function discordant({ classes }: Rows, right: Int32Array, wrong: Int32Array): number[] {
  return [...classes.keys()].filter((row) => right[row] === classes[row] && wrong[row] !== classes[row]);
}

/** By paired bootstrap: the same rows are drawn for both. Without an interval where both answer every row alike. */
async function macroF1Difference(
  expected: Int32Array,
  before: Int32Array,
  after: Int32Array,
  classes: number,
  options: { readonly seed: number; readonly signal: AbortSignal },
): Promise<PairedScore> {
  const rows = expected.length;
  const of = (predicted: Int32Array, indices?: Uint32Array): number =>
    macroF1(confusionMatrix(expected, predicted, classes, indices), classes);
  const differ = before.some((predicted, row) => predicted !== after[row]);
  return {
    production: (await f1Scores({ expected, predicted: before }, classes, options)).macroF1,
    candidate: (await f1Scores({ expected, predicted: after }, classes, options)).macroF1,
    difference: {
      value: finiteOrNull(of(after) - of(before)),
      interval: differ ? await bootstrapInterval(rows, (drawn) => of(after, drawn) - of(before, drawn), options) : null,
      rows,
    },
  };
}

async function checkout({ store, workDir, signal }: StepContext, tree: ArtifactRef, name: string): Promise<string> {
  const folder = join(workDir, name);
  await mkdir(folder);
  await store.checkout(tree, folder, { signal });
  return folder;
}

async function sizeMb(folder: string): Promise<number> {
  return (await stat(join(folder, 'model.onnx'))).size / 1e6;
}

/** The first few: label lists can be long. */
function summary(reasons: readonly string[]): string {
  const some = reasons.slice(0, 6);
  return `${some.join(', ')}${some.length < reasons.length ? `, and ${reasons.length - some.length} more` : ''}`;
}
