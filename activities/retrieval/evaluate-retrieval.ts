/** Step `retrieval.evaluate`: pictures of the test split ask the index; what has their label is relevant. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { INDEX_FILE, VECTORS_FILE } from '../../inference/retrieval/index-files.ts';
import type { EvidenceDetails } from '../../pipelines/custom-gates.ts';
import type { EvaluatedRetrievalGate } from '../../pipelines/gates/retrieval.ts';
import { checkout } from '../checkout.ts';
import type { Score } from '../contract/measures.ts';
import type { EvaluateRetrievalInput, RetrievalDetails, RetrievalEvaluation } from '../contract/retrieval.ts';
import { loadLabels } from '../data/dataset.ts';
import { pictureRows } from '../data/images/pictures.ts';
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import { saysNothing, timedLatency, timeScore, withoutTimeLimits } from '../selection/busy-machine.ts';
import { timePatiently } from '../selection/time-patiently.ts';
import { requireHardware, TIMED_TRIES } from '../selection/machines.ts';
import { hardware, measureModel } from '../selection/profile-encoder.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { listedBehaviour } from '../validation/behaviour-tests.ts';
import { corruptionsDigest } from '../validation/corruptions.ts';
import { idsOf } from '../validation/gate-examples.ts';
import { answeredShare } from '../validation/served-measures.ts';
import { notMeasured, plainScore } from '../validation/scores.ts';
import type { TwoSampleTest } from '../validation/shift.ts';
import { askIndex, type Asked } from './ask-index.ts';
import { timeSearch } from './time-search.ts';
import { askModel } from './ask-model.ts';
import { graphDigest } from './build-index.ts';
import { findingExamples } from './examples.ts';
import { putFindings } from './findings.ts';
import type { Gallery } from './gallery.ts';
import { foretellFindings } from './foretell-findings.ts';
import { figuresOfModel } from './model-figures.ts';
import { measureFit } from './measure-fit.ts';
import { missesOf, outcomeRows, perLabelOf, worstLabelScore } from './per-label.ts';
import { pixelBlocks, pixelGallery } from './pixels.ts';
import { figuresOf, type QueryFigures } from './query-figures.ts';
import { precisionByLuck, precisionLost, type RankedPictures } from './precision-lost.ts';
import { queryShift } from './query-shift.ts';
import { answeredRows, precisionBySlice } from './query-slices.ts';
import { putNeighbourReference } from './reference.ts';
import { gainScore, meanScore } from './scores.ts';
import { lookAround } from './neighbourhoods.ts';
import { labelErrorsAround, plantedAround } from './neighbour-labels.ts';
import { defined, differenceInOneMix } from './one-mix.ts';
import { openIndex, type StoredIndex } from './stored-index.ts';

/** What a history holds of the labels; the rest is in the details. */
const MOST_LABELS = 500;

/** Of the package, and part of the key: data that change without the version. */
const tables = (home?: string) => ({ corruptions: corruptionsDigest(home) });

/** Throws BadModel where the index is another model's, BadData where it was built of other pictures than the train split's. */
export const evaluateRetrieval: StepDefinition<EvaluateRetrievalInput, RetrievalEvaluation> = {
  type: 'retrieval.evaluate',
  version: 28,
  // Latency is among the measures, on other hardware it is another result; and so it is where pictures are made worse otherwise.
  environment: () => Promise.resolve({ ...hardware(), ...tables() }),
  tables,
  tries: TIMED_TRIES,
  identity: withoutTimeLimits,
  keeps: ({ latency }, { timeLimits }) => !saysNothing(timedLatency(latency, timeLimits)),
  async run(input, context) {
    requireHardware(hardware(), input.hardware);
    const { store, signal } = context;
    const { k, seed, dataset } = input;
    const labels = await loadLabels(store, dataset);
    const index = await loadIndex(input, labels, context);
    const folder = await checkout(context, input.model, 'model');
    const askedModel = await askModel(folder, index, input, labels, context);
    const { queries, places, testRows, validation, elsewhere, sample, edgeInputs, flips, corrupted, behaviour } =
      askedModel;
    const asked = await askIndex(index, queries, k, context);
    const askedElsewhere = elsewhere === null ? null : await askIndex(index, elsewhere, k, context);
    const askedBefore = validation === null ? null : await askIndex(index, validation, k, context);
    const around = await lookAround(index, queries, labels.length, { ...context, seed });
    const labelErrors = labelErrorsAround(around, labels);
    context.progress({ phase: 'planted labels' });
    const planted =
      labelErrors.score.value === null ? undefined : await plantedAround(around, labels.length, { seed, signal });
    const pixels = await figuresOfPixels(input, queries, labels, context);
    const { frozen, shift } = await askFrozen(input, { index, queries, labels }, context);
    context.progress({ phase: 'intervals' });
    const options = { seed, signal };
    const asking = new Set(queries.ids);
    const queriesInGallery = index.ids.filter((id) => asking.has(id)).length;
    const answered = asked.answered.length;
    const rows = queries.ids.length;
    const of = (values: Float64Array): Float64Array => answeredOf(asked, values);
    const precisions = of(asked.averagePrecision);
    const outcomes = outcomeRows(queries, labels, asked);
    const perLabel = perLabelOf(outcomes, labels);
    const luck = precisionByLuck(index.rows.classes, labels.length);
    const sliced = precisionBySlice(
      outcomes,
      await answeredRows(dataset, { places, answered: asked.answered }, context),
      { labels, luck },
    );
    context.progress({ phase: 'latency' });
    const { latency, memoryMb, processMb } = await timePatiently(
      () => timed(folder, sample, k, context),
      ({ latency: taken }) => timedLatency(taken, input.timeLimits),
      context,
    );
    const served = { folder, indexFolder: indexFolder(context), pictures: sample, processMb };
    const fit = await measureFit(input, context, served);
    const measures: Readonly<Record<EvaluatedRetrievalGate, Score>> = {
      recallAtK: await meanScore(of(asked.recallAtK), options),
      precisionAtK: await meanScore(of(asked.precisionAtK), options),
      meanAveragePrecision: await meanScore(precisions, options),
      worstLabelPrecision: worstLabelScore(perLabel),
      gainOverPixels: await gainScore(precisions, of(pixels.averagePrecision), options),
      gainOverFrozen:
        frozen === null
          ? notMeasured('nothing was tuned: the encoder is the frozen one')
          : await gainScore(precisions, of(frozen.averagePrecision), options),
      domainShift: shift.score,
      shiftedDrop:
        elsewhere === null || askedElsewhere === null
          ? notMeasured('the definition names no data.shiftedFiles')
          : precisionLost(rankedOf(asked, queries.classes), rankedOf(askedElsewhere, elsewhere.classes), { luck }),
      validationTestGap:
        validation === null || askedBefore === null
          ? notMeasured('the dataset has no validation pictures')
          : differenceInOneMix(
              {
                figures: answeredOf(askedBefore, askedBefore.recallAtK),
                classes: labelsOf(askedBefore, validation.classes),
              },
              { figures: of(asked.recallAtK), classes: labelsOf(asked, queries.classes) },
            ),
      galleryTestGap: differenceInOneMix(
        defined({ figures: around.gallery.averagePrecision, classes: around.gallery.classes }),
        { figures: precisions, classes: labelsOf(asked, queries.classes) },
      ),
      labelErrors: planted === undefined ? labelErrors.score : { ...labelErrors.score, planted },
      corruptionDrop: corrupted.score,
      edgeInputs: answeredShare(edgeInputs),
      flipRate: flips.score,
      sliceGap: sliced.score,
      queriesInGallery: plainScore(queriesInGallery / rows, rows),
      queriesWithoutRelevant: plainScore((rows - answered) / rows, rows),
      latencyP95Ms: timeScore(latency.p95Ms, latency.runs, latency),
      memoryMb: plainScore(memoryMb, latency.runs),
      sizeMb: plainScore(await sizeMb([join(folder, 'model.onnx'), ...indexFiles(context)]), 0),
      hardwareFit: fit.score,
      exportParity: plainScore(input.exportParityMaxAbs, 0),
    };
    const beside = async (figures: QueryFigures) => ({
      recallAtK: await meanScore(of(figures.recallAtK), options),
      meanAveragePrecision: await meanScore(of(figures.averagePrecision), options),
    });
    const misses = missesOf(outcomes, asked);
    const examples = findingExamples({
      labels,
      queries,
      asked,
      outcomes,
      perLabel,
      misses,
      pixels: pixels.averagePrecision,
      frozen: frozen?.averagePrecision ?? null,
      shift,
      elsewhere: elsewhere === null || askedElsewhere === null ? null : outcomeRows(elsewhere, labels, askedElsewhere),
      corrupted,
      edgeInputs,
      flips,
      labelErrors,
      sliced,
      galleryIds: index.ids,
    });
    const { secondsAPicture } = askedModel;
    const foretold =
      input.fullGallery === undefined
        ? {}
        : {
            foretold: {
              ...(await foretellFindings(index, queries, { k, seed, fullRows: input.fullGallery }, context)),
              secondsAPicture,
              search: await timeSearch(
                { rows: index.ids.length, fullRows: input.fullGallery, dimension: index.dimension, k },
                context.signal,
              ),
            },
          };
    const evaluation: Omit<RetrievalEvaluation, 'details' | 'reference'> = {
      k,
      measures,
      pixels: await beside(pixels),
      frozen: frozen === null ? null : await beside(frozen),
      perLabel,
      misses,
      examples: idsOf(examples),
      ...foretold,
      corruptions: corrupted.byCorruption,
      ...(input.corruptions === undefined ? {} : { corruptionTable: input.corruptions }),
      edgeInputs,
      slices: sliced.slices,
      ...(behaviour.length === 0 ? {} : { behaviour }),
      queriesWithoutRelevant: rows - answered,
      queriesInGallery,
      ...(fit.parts.length === 0 ? {} : { hardwareFit: fit.parts }),
      latency,
      hardware: hardware(),
    };
    const details = {
      ...evaluation,
      version: 1,
      flips: flips.byEdit,
      examples,
      testRows,
      queries: outcomes,
      allQueries: { rows, file: await putFindings(queries, labels, asked, context) },
    } as const satisfies RetrievalDetails & EvidenceDetails<'neighbours'>;
    return {
      ...evaluation,
      perLabel: shown(perLabel),
      ...(behaviour.length === 0 ? {} : { behaviour: listedBehaviour(behaviour) }),
      details: await store.putJson(details, 'evaluation.json'),
      reference: await putNeighbourReference({ ...queries, places }, asked, labels, context),
    };
  },
};

async function loadIndex(
  { index: tree, model, dataset }: EvaluateRetrievalInput,
  labels: readonly string[],
  context: StepContext,
): Promise<StoredIndex> {
  const { store, signal } = context;
  const index = await openIndex(await checkout(context, tree, 'index'), signal);
  const { header } = index;
  const graph = await graphDigest(store, model);
  if (header.model !== graph) {
    throw new EspalierError('BadModel', `the index was built with the model ${header.model}, not with ${graph}`, {
      where: 'index.json',
      fix: 'build the index with the model that is evaluated',
    });
  }
  if (!(await isOfTrain(index, dataset, context)) || header.labels.join('\n') !== labels.join('\n')) {
    throw new EspalierError('BadData', 'the index was built of other pictures than the train split of this dataset', {
      where: 'index.json',
      fix: 'build the index of the dataset that it is evaluated on',
    });
  }
  return index;
}

/** Whether its entries are the train split's pictures, each once, whatever their order. */
async function isOfTrain(
  { ids }: Pick<StoredIndex, 'ids'>,
  dataset: ArtifactRef,
  { store, signal }: Pick<StepContext, 'store' | 'signal'>,
): Promise<boolean> {
  const missing = new Set(ids);
  for await (const { id } of pictureRows(store, dataset, 'train', signal)) {
    if (!missing.delete(id)) return false;
  }
  return missing.size === 0;
}

/** Of the queries that there is something to find for. */
function answeredOf({ answered }: Asked, values: Float64Array): Float64Array {
  return Float64Array.from(answered, (query) => values[query]!);
}

function labelsOf({ answered }: Asked, classes: Int32Array): Int32Array {
  return Int32Array.from(answered, (query) => classes[query]!);
}

function rankedOf(asked: Asked, classes: Int32Array): RankedPictures {
  return { averagePrecision: answeredOf(asked, asked.averagePrecision), classes: labelsOf(asked, classes) };
}

/** What the encoder that was tuned finds, null where none was, and whether frozen embeddings tell the queries from the gallery. */
async function askFrozen(
  { frozen: model, dataset, k, seed }: EvaluateRetrievalInput,
  { index, queries, labels }: { index: Gallery; queries: AnsweredPictures; labels: readonly string[] },
  context: StepContext,
): Promise<{ readonly frozen: QueryFigures | null; readonly shift: TwoSampleTest }> {
  const options = { seed, signal: context.signal };
  if (model === undefined) return { frozen: null, shift: await queryShift(index, queries, options) };
  const asked = { dataset, labels, k, queries: queries.ids };
  const { gallery, embeddings, recallAtK, averagePrecision } = await figuresOfModel('frozen', model, asked, context);
  return {
    frozen: { recallAtK, averagePrecision },
    shift: await queryShift(gallery, { ...queries, embeddings }, options),
  };
}

/** What the queries find by their colours alone. */
async function figuresOfPixels(
  { dataset, k }: EvaluateRetrievalInput,
  { ids, classes }: Pick<AnsweredPictures, 'ids' | 'classes'>,
  labels: readonly string[],
  context: StepContext,
): Promise<QueryFigures> {
  const { workDir: folder, signal } = context;
  const options = { folder, signal };
  const { gallery, centre } = await pixelGallery(pixelBlocks({ dataset, split: 'train', labels }, context), options);
  const asked = new Set(ids);
  const embeddings = new Float32Array(ids.length * gallery.dimension);
  let done = 0;
  const wanted = { dataset, split: 'test', labels, isWanted: (id: string) => asked.has(id) } as const;
  for await (const block of pixelBlocks(wanted, context)) {
    embeddings.set(centre(block.embeddings), done * gallery.dimension);
    done += block.ids.length;
  }
  return figuresOf(gallery, { ids, classes, embeddings }, { k, signal });
}

/** Model and index in a process of their own, as a server has them. */
async function timed(folder: string, pictures: readonly string[], k: number, context: StepContext) {
  return measureModel({ folder, pictures, index: { folder: indexFolder(context), k } }, context.signal);
}

function indexFolder({ workDir }: StepContext): string {
  return join(workDir, 'index');
}

function indexFiles(context: StepContext): readonly string[] {
  return [INDEX_FILE, VECTORS_FILE].map((name) => join(indexFolder(context), name));
}

async function sizeMb(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0) / 1e6;
}

function shown(perLabel: RetrievalEvaluation['perLabel']): RetrievalEvaluation['perLabel'] {
  if (perLabel.length <= MOST_LABELS) return perLabel;
  const worst = perLabel.toSorted((a, b) => (a.averagePrecision ?? 1) - (b.averagePrecision ?? 1));
  const kept = new Set(worst.slice(0, MOST_LABELS));
  return perLabel.filter((one) => kept.has(one));
}
