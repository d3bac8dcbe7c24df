/**
 * The tuned model against the one in production, on the same test rows. What production was trained on is left out: it
 * may know those rows by heart, and would win on them for no merit.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import { readModelConfig } from '../../inference/config.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { TextModel } from '../../inference/text-model.ts';
import type { CompareModelsInput, ModelComparison } from '../contract/validation.ts';
import type { Score } from '../contract/measures.ts';
import { hardware } from '../selection/profile-encoder.ts';
import { checkout } from '../checkout.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { gatherBoth, type EvaluatedRows } from './both-answers.ts';
import { isOfPictures, rowsToCompare } from './compared-rows.ts';
import { idsSeen, otherLabels } from './compared-models.ts';
import { labelsLost, macroF1Difference } from './macro-f1-difference.ts';
import { argmaxRows } from './metrics.ts';
import { judgeComparison } from './judge-comparison.ts';
import { firstOfEach } from './label-examples.ts';
import { compareSeveralLabels, thresholdsIn, thresholdsOf } from './multi-label/compare.ts';
import { mcnemar, pairedShareInterval } from './paired.ts';
import { accuracyScore } from './scores.ts';
import { sizeMb } from './model-folder.ts';

export const compareModels: StepDefinition<CompareModelsInput, ModelComparison> = {
  type: 'validation.compare',
  version: 12,
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
  const others = otherLabels(labels, known);
  if (others !== null) return no(others);
  if (thresholdsIn(evaluated) !== undefined || thresholdsOf(model) !== undefined) {
    return compareSeveralLabels(input, context, { folder, model, evaluated });
  }

  const { count, pairs, ask, measure } = await rowsToCompare(model, { dataset: input.dataset, labels, seed }, context);
  const asksPairs = 'pairs' in model.config && model.config.pairs === true;
  if (pairs !== asksPairs) {
    return no(`the model in production takes ${asksPairs ? 'two texts' : 'one text'} a row, the new one does not`);
  }
  const seen = await idsSeen(context, production.dataset);
  // Production's classes in the order of the new one's labels.
  const classOf = Int32Array.from(known, (label) => labels.indexOf(label));
  const both = await gatherBoth(
    ask((id) => seen?.has(id) !== true),
    {
      count,
      labels,
      classesOf: (probabilities) => argmaxRows(probabilities, known.length).map((index) => classOf[index] ?? -1),
      evaluated,
    },
    context,
  );
  if ('reason' in both) return no(both.reason);
  const { expected, before, after, won, lost } = both;
  const rows = expected.length;
  if (rows === 0) return no(`the model in production was trained or chosen on every one of the ${count} test rows`);

  context.progress({ phase: 'intervals' });
  const compared = { won, lost };
  const [accuracyBefore, accuracyAfter] = [before, after].map((predicted) =>
    accuracyScore({ expected, predicted }),
  ) as [Score, Score];
  const details = await store.putJson(
    { version: 1, production: production.bundle, labels, rows: both.rows },
    'comparison.json',
  );

  context.progress({ phase: 'latency of both' });
  const candidateFolder = await checkout(context, candidate.classifier, 'candidate');
  const measured = {
    production: (await measure(folder)).latency,
    candidate: (await measure(candidateFolder)).latency,
  };
  const difference: Score = {
    value: (won - lost) / rows,
    interval: pairedShareInterval(compared, rows),
    rows,
  };
  const macroF1 = await macroF1Difference(expected, before, after, labels.length, { seed, signal });
  const worse = labelsLost(expected, before, after, labels.length);
  const judged = judgeComparison(input, details.digest, {
    accuracy: { difference, lost: both.lostExamples },
    macroF1: { difference: macroF1.difference, lost: firstOfEach(worse, (label) => both.lostOf.get(label)) },
  });
  return {
    comparable: true,
    ...judged,
    bundle: production.bundle,
    rows,
    rowsKnown: seen === null ? null : count - rows,
    accuracy: {
      production: accuracyBefore,
      candidate: accuracyAfter,
      difference,
    },
    macroF1,
    ...compared,
    ...mcnemar(compared),
    wonExamples: both.wonExamples,
    lostExamples: both.lostExamples,
    latency: measured,
    sizeMb: { production: await sizeMb(folder), candidate: await sizeMb(candidateFolder) },
    hardware: hardware(),
    details,
  };
}
