/** The probe of an encoder where a row has none, one or several labels: the same figures, by decisions label by label. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { EncoderProbe } from '../contract/selection.ts';
import type { MultiLabelledRows } from '../data/dataset.ts';
import { multiLabelledBlocks, multiLabelledRows } from '../data/multi-label-blocks.ts';
import { countRows, placesByBlock, rowSizes } from '../data/row-blocks.ts';
import type { StepContext } from '../step.ts';
import { creditsOf } from '../validation/multi-label/decisions.ts';
import { f1Scores, meanScore } from '../validation/multi-label/scores.ts';
import { crossFitted, fitThresholds } from '../validation/multi-label/thresholds.ts';
import { embedTexts, textsOf } from './embed-texts.ts';
import { knnShares } from './knn.ts';
import { domainPlaces } from './measure-domain.ts';
import { fittedSizes, type ProbeRows } from './probe-rows.ts';
import { probabilitiesOfRows, trainOneVsRest } from './one-vs-rest.ts';

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
  const count = labels.length;
  const rowsOf = (file: string) => multiLabelledBlocks(store, dataset, file, labels, signal);
  async function* trainingRows(): AsyncGenerator<MultiLabelledRows> {
    if (drawn === null) yield* rowsOf('train.jsonl');
    else
      for await (const { block, own } of placesByBlock(rowsOf('train.jsonl'), drawn.places)) {
        const picked = multiLabelledRows(count, own);
        picked.add(block);
        yield picked.rows();
      }
  }
  const sizes = fittedSizes(await rowSizes(store, dataset, 'train.jsonl', signal), drawn);
  const trainRows = sizes.length;
  const validationRows = await countRows(store, dataset, 'validation.jsonl', signal);
  const [trainTargets, targets] = [new Uint8Array(trainRows * count), new Uint8Array(validationRows * count)];
  const targetsOf = (block: MultiLabelledRows) => block.targets;
  const texts = {
    train: { rows: trainRows, blocks: textsOf(trainingRows(), trainTargets, targetsOf) },
    validation: { rows: validationRows, blocks: textsOf(rowsOf('validation.jsonl'), targets, targetsOf) },
  };
  const { dimension, domain, ...embedded } = await embedTexts(folder, texts, domainPlaces(sizes, seed), context);
  const known = { rows: embedded.train, targets: trainTargets };
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
  const probabilities = await probabilitiesOfRows(probe, embedded.validation);
  const linear = decisions(probabilities);
  const fittedOn = drawn === null ? {} : { fittedOn: { rows: drawn.places.length, of: drawn.of } };
  return {
    ...fittedOn,
    knnAccuracy: meanScore(creditsOf(decisions(nearest))),
    linearAccuracy: meanScore(creditsOf(linear)),
    linearMacroF1: (await f1Scores(linear, { seed, signal })).macroF1,
    probe: await store.putJson(
      { labels, ...probe, thresholds: fitThresholds(probabilities, targets, count), ...fittedOn },
      'probe.json',
    ),
    domain,
  };
}
