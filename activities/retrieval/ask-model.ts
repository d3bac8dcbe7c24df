/** What the evaluation asks of a finder's model: with test pictures, with worse ones, with awkward ones. */
import { EspalierError } from '../../artifacts/errors.ts';
import { ImageModel } from '../../inference/image-model.ts';
import type { EvaluateRetrievalInput } from '../contract/retrieval.ts';
import type { BehaviourResult, Evaluation } from '../contract/validation.ts';
import { hasShifted } from '../data/shifted.ts';
import { countPictures } from '../data/images/pictures.ts';
import { embedPictures, type AnsweredPictures } from '../selection/embed-pictures.ts';
import { samplePictures } from '../selection/profile-encoder.ts';
import type { StepContext } from '../step.ts';
import { SPLIT_ROWS } from '../validation/examined.ts';
import { corruptionsOf, type Corruption } from '../validation/corruptions.ts';
import type { Corrupted } from '../validation/picture-robustness.ts';
import { sampledPlaces } from '../validation/sample-rows.ts';
import { askTables } from './ask-tables.ts';
import { measureCorruptedQueries } from './corrupted-queries.ts';
import { checkEdgeQueries, measureQueryFlips, type QueryFlips } from './query-behaviour.ts';
import type { StoredIndex } from './stored-index.ts';

/** Test pictures that are corrupted, and whose latency is measured: a ResNet-50 takes some 60 ms for one. */
const SAMPLED_PICTURES = 100;
/** Test pictures that ask: beyond them an interval no longer narrows visibly, and each ranks the whole gallery. */
const TEST_QUERIES = 20_000;

/** What the model says of pictures, loaded once. */
export interface AskedModel {
  readonly queries: AnsweredPictures;
  /** Which of the test pictures they are, ascending, where they are a sample; undefined where they are all. */
  readonly places: readonly number[] | undefined;
  /** Pictures of the test split. */
  readonly testRows: number;
  /** To read, decode and embed one of the queries, in batches. */
  readonly secondsAPicture: number;
  /** A sample of the validation split; null where it has none. */
  readonly validation: AnsweredPictures | null;
  /** A sample of declared pictures from elsewhere; null where there are none. */
  readonly elsewhere: AnsweredPictures | null;
  /** Files of some of the queries: they are corrupted, and their latency is measured. */
  readonly sample: readonly string[];
  /** Awkward pictures, which are in no data. */
  readonly edgeInputs: Evaluation['edgeInputs'];
  /** First neighbours of the sample under harmless edits. */
  readonly flips: QueryFlips;
  readonly corrupted: Corrupted;
  /** A table of behaviour tests each. */
  readonly behaviour: readonly BehaviourResult[];
}

/** Throws BadData where the test split is empty. */
export async function askModel(
  folder: string,
  index: StoredIndex,
  { dataset, seed, k, corruptions: table }: EvaluateRetrievalInput,
  labels: readonly string[],
  context: StepContext,
): Promise<AskedModel> {
  const { store, signal, progress } = context;
  const loaded = await ImageModel.load(folder);
  try {
    const drawn = async (split: 'test' | 'validation' | 'shifted', most: number) => {
      const all = await countPictures(store, dataset, split, signal);
      const only = sampledPlaces(all, most, seed);
      const pictures = await embedPictures(loaded, { dataset, split, labels, only }, context);
      return { pictures, places: only.length < all ? only : undefined, all };
    };
    const began = performance.now();
    const { pictures: queries, places, all: testRows } = await drawn('test', TEST_QUERIES);
    const secondsAPicture = (performance.now() - began) / 1000 / queries.ids.length;
    if (queries.ids.length > 0) {
      const elsewhere = (await hasShifted(store, dataset)) ? (await drawn('shifted', SPLIT_ROWS)).pictures : null;
      const { pictures: before, all: validationRows } = await drawn('validation', SPLIT_ROWS);
      const validation = validationRows === 0 ? null : before;
      const sample = await samplePictures(dataset, 'test', SAMPLED_PICTURES, context, new Set(queries.ids));
      progress({ phase: 'edge inputs' });
      const edgeInputs = await checkEdgeQueries(loaded, index, { k, signal });
      const flips = await measureQueryFlips(loaded, index, sample, {
        signal,
        onProgress: (done, total) => progress({ phase: 'harmless edits', done, total }),
      });
      const corruptions = await corruptionsOf(table, store);
      const corrupted = await corruptQueries(loaded, index, sample, { k, seed, queries, corruptions }, context);
      const behaviour = await askTables(loaded, index, { dataset, k }, context);
      return {
        queries,
        places,
        testRows,
        secondsAPicture,
        validation,
        elsewhere,
        sample,
        edgeInputs,
        flips,
        corrupted,
        behaviour,
      };
    }
  } finally {
    await loaded.release();
  }
  throw new EspalierError('BadData', 'the test split has no pictures to ask with', {
    where: 'test.jsonl',
    fix: 'declare test files, or give data.split.test a share',
  });
}

function corruptQueries(
  model: ImageModel,
  index: StoredIndex,
  files: readonly string[],
  {
    k,
    seed,
    queries,
    corruptions,
  }: Pick<EvaluateRetrievalInput, 'k' | 'seed'> & {
    readonly queries: AnsweredPictures;
    readonly corruptions: readonly Corruption[];
  },
  { signal, progress }: StepContext,
): Promise<Corrupted> {
  const classes = new Map(queries.ids.map((id, query) => [id, queries.classes[query]!]));
  return measureCorruptedQueries(model, index, files, {
    k,
    classOf: (id) => classes.get(id)!,
    seed,
    signal,
    corruptions,
    onProgress: (done, total) => progress({ phase: 'corrupted pictures', done, total }),
  });
}
