/** The tuned model against the one in production where a row may have several labels: row by row, by the accuracy of its labels. */
import { decide } from '../../../inference/labels-above.ts';
import type { ImageModel } from '../../../inference/image-model.ts';
import { TextModel } from '../../../inference/text-model.ts';
import type { CompareModelsInput, ComparedRow, ModelComparison } from '../../contract/validation.ts';
import { multiLabelledBlocks, pickMultiLabelled } from '../../data/multi-label-blocks.ts';
import { hardware, measureModel } from '../../selection/profile-encoder.ts';
import { checkout } from '../../checkout.ts';
import type { StepContext } from '../../step.ts';
import { idsSeen } from '../compared-models.ts';
import { judgeComparison } from '../judge-comparison.ts';
import { mcnemar } from '../paired.ts';
import { sampleIndices, seededRandom } from '../random.ts';
import { creditsOf, namesAt, type Decisions } from './decisions.ts';
import { macroF1Difference, rowsOfLostLabels } from './macro-f1-difference.ts';
import { meanScore, pairedGain } from './scores.ts';
import { sizeMb } from '../model-folder.ts';

const EXAMPLES = 10;
const LATENCY_TEXTS = 200;

/** Of a model that gives any number of labels; undefined for one that gives one. */
export function thresholdsOf({ config }: Pick<TextModel | ImageModel, 'config'>): readonly number[] | undefined {
  return config.kind === 'classifier' && config.input !== 'image' ? config.thresholds : undefined;
}

interface Evaluated {
  readonly labels: readonly string[];
  readonly predictions: readonly { readonly rowId: string; readonly predicted: unknown }[];
}

/** The same of an evaluation's details. */
export function thresholdsIn(details: object): unknown {
  return 'thresholds' in details ? details.thresholds : undefined;
}

/** Both know the same labels. */
export async function compareSeveralLabels(
  input: CompareModelsInput,
  context: StepContext,
  given: { readonly folder: string; readonly model: TextModel | ImageModel; readonly evaluated: Evaluated },
): Promise<ModelComparison> {
  const { folder, model, evaluated } = given;
  const { production, candidate, seed } = input;
  const { store, signal } = context;
  const { labels } = evaluated;
  const thresholds = thresholdsOf(model);
  const no = (reason: string): ModelComparison => ({ comparable: false, bundle: production.bundle, reason });
  if (thresholds === undefined || thresholdsIn(evaluated) === undefined || !(model instanceof TextModel)) {
    const [one, other] = thresholds === undefined ? ['one label', 'several'] : ['several labels', 'one'];
    return no(`the model in production gives a row ${one}, the new one ${other}`);
  }
  const answers = new Map(evaluated.predictions.map(({ rowId, predicted }) => [rowId, predicted as readonly string[]]));
  const seen = await idsSeen(context, production.dataset);
  // Of very many test rows the evaluation answered a sample.
  const found = { rows: 0, seen: 0 };
  const blocks = multiLabelledBlocks(store, input.dataset, 'test.jsonl', labels, signal);
  const rows = await pickMultiLabelled(blocks, labels.length, (_, id) => {
    const isSeen = seen?.has(id) === true;
    found.rows++;
    found.seen += Number(isSeen);
    return answers.has(id) && !isSeen;
  });
  if (rows.ids.length === 0) {
    return no(`the model in production was trained or chosen on every one of the ${found.rows} test rows`);
  }
  const asksPairs = model.config.kind === 'classifier' && model.config.pairs === true;
  if (rows.texts.some((text) => typeof text !== 'string') !== asksPairs) {
    return no(`the model in production takes ${asksPairs ? 'two texts' : 'one text'} a row, the new one does not`);
  }
  const { probabilities = new Float32Array() } = await model.runAll(rows.texts, {
    signal,
    onProgress: (done, total) => context.progress({ phase: 'predicting with the model in production', done, total }),
  });
  if (!probabilities.every(Number.isFinite)) {
    return no('the model in production answers a test row with numbers that are not finite');
  }
  const known = model.config.kind === 'classifier' ? model.config.labels : labels;
  const places = labels.map((label) => known.indexOf(label));
  const decided = decide(probabilities, thresholds);
  const of = (predicted: Uint8Array): Decisions => ({ labels: labels.length, targets: rows.targets, predicted });
  const before = of(decided.map((_, at) => decided[at - (at % labels.length) + places[at % labels.length]!]!));
  const after = of(
    Uint8Array.from(rows.ids.flatMap((id) => labels.map((label) => Number(answers.get(id)?.includes(label))))),
  );

  context.progress({ phase: 'intervals' });
  const options = { seed, signal };
  const [creditsBefore, creditsAfter] = [creditsOf(before), creditsOf(after)];
  const better = (a: Float64Array, b: Float64Array): number[] => [...a.keys()].filter((row) => a[row]! > b[row]!);
  const [won, lost] = [better(creditsAfter, creditsBefore), better(creditsBefore, creditsAfter)];
  const compared = { won: won.length, lost: lost.length };
  const words = (cells: Uint8Array, row: number): string => namesAt(cells, row, labels).join(', ') || 'none';
  const example = (row: number): ComparedRow => ({
    rowId: rows.ids[row]!,
    expected: words(rows.targets, row),
    production: words(before.predicted, row),
    candidate: words(after.predicted, row),
  });
  const widest = (which: readonly number[]): ComparedRow[] =>
    which
      .toSorted(
        (a, b) =>
          Math.abs(creditsAfter[b]! - creditsBefore[b]!) - Math.abs(creditsAfter[a]! - creditsBefore[a]!) || a - b,
      )
      .slice(0, EXAMPLES)
      .map(example);
  const details = await store.putJson(
    { version: 1, production: production.bundle, labels, rows: rows.ids.map((_, row) => example(row)) },
    'comparison.json',
  );
  const difference = pairedGain(creditsAfter, creditsBefore);

  context.progress({ phase: 'latency of both' });
  const candidateFolder = await checkout(context, candidate.classifier, 'candidate');
  const texts = sampleIndices(rows.ids.length, LATENCY_TEXTS, seededRandom(seed)).map((row) => rows.texts[row]!);
  const latencyOf = async (which: string) => (await measureModel({ folder: which, texts }, signal)).latency;
  const macroF1 = await macroF1Difference(before, after, options);
  return {
    comparable: true,
    ...judgeComparison(input, details.digest, {
      accuracy: { difference, lost: widest(lost) },
      macroF1: { difference: macroF1.difference, lost: rowsOfLostLabels(before, after).map(example) },
    }),
    bundle: production.bundle,
    rows: rows.ids.length,
    rowsKnown: seen === null ? null : found.seen,
    accuracy: {
      production: meanScore(creditsBefore),
      candidate: meanScore(creditsAfter),
      difference,
    },
    macroF1,
    ...compared,
    ...mcnemar(compared),
    wonExamples: widest(won),
    lostExamples: widest(lost),
    latency: { production: await latencyOf(folder), candidate: await latencyOf(candidateFolder) },
    sizeMb: { production: await sizeMb(folder), candidate: await sizeMb(candidateFolder) },
    hardware: hardware(),
    details,
  };
}
