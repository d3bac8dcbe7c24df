/** The probe of an encoder where a row has none, one or several labels: the same figures, by decisions label by label. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { EncoderProbe } from '../contract/selection.ts';
import { loadMultiLabelled } from '../data/dataset.ts';
import { multiLabelledAt, multiLabelledBlocks } from '../data/multi-label-blocks.ts';
import type { StepContext } from '../step.ts';
import { creditsOf } from '../validation/multi-label/decisions.ts';
import { f1Scores, meanScore } from '../validation/multi-label/scores.ts';
import { crossFitted, fitThresholds } from '../validation/multi-label/thresholds.ts';
import { embedTexts } from './embed-texts.ts';
import { knnShares } from './knn.ts';
import type { ProbeRows } from './probe-rows.ts';
import { oneVsRestProbabilities, trainOneVsRest } from './one-vs-rest.ts';

/**
 * Accuracy is that of a row (multi-label/decisions.ts). Validation rows are decided by thresholds that were fitted on their other
 * half; the probe keeps thresholds fitted on all of them, as the tuned model's are. LogME speaks of one label a row: it is left out.
 */
export async function probeSeveralLabels(
  folder: string,
  asked: {
    readonly dataset: ArtifactRef;
    readonly labels: readonly string[];
    readonly neighbours: number;
    readonly seed: number;
    /** Of the training rows; null: all. */
    readonly drawn: ProbeRows | null;
  },
  context: StepContext,
): Promise<EncoderProbe> {
  const { dataset, labels, neighbours, seed, drawn } = asked;
  const { store, signal } = context;
  const [train, validation] = await Promise.all([
    drawn === null
      ? loadMultiLabelled(store, dataset, 'train', labels, signal)
      : multiLabelledAt(
          multiLabelledBlocks(store, dataset, 'train.jsonl', labels, signal),
          labels.length,
          drawn.places,
        ),
    loadMultiLabelled(store, dataset, 'validation', labels, signal),
  ]);
  const texts = { train: train.texts, validation: validation.texts };
  const { dimension, domain, ...embedded } = await embedTexts(folder, texts, seed, context);
  const known = { embeddings: embedded.train, targets: train.targets };
  const { targets } = validation;
  const count = labels.length;
  const decisions = (probabilities: Float32Array) => ({
    labels: count,
    targets,
    predicted: crossFitted(probabilities, targets, count),
  });
  context.progress({ phase: 'nearest neighbours' });
  const nearest = await knnShares(known, embedded.validation, dimension, { neighbours, labels: count, signal });
  const probe = await trainOneVsRest(known, {
    dimension,
    labels: count,
    seed,
    signal,
    onLabel: (done) => context.progress({ phase: 'linear probes', done, total: count }),
  });
  const probabilities = oneVsRestProbabilities(probe, embedded.validation);
  const linear = decisions(probabilities);
  const options = { seed, signal };
  const fittedOn = drawn === null ? {} : { fittedOn: { rows: drawn.places.length, of: drawn.of } };
  return {
    ...fittedOn,
    knnAccuracy: await meanScore(creditsOf(decisions(nearest)), options),
    linearAccuracy: await meanScore(creditsOf(linear), options),
    linearMacroF1: (await f1Scores(linear, options)).macroF1,
    probe: await store.putJson(
      { labels, ...probe, thresholds: fitThresholds(probabilities, targets, count), ...fittedOn },
      'probe.json',
    ),
    domain,
  };
}
