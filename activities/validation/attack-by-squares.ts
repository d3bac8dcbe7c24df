/**
 * Step `validation.square-attack`: the model as it is served, asked about test pictures that the square attack has changed. It
 * needs answers only: a graph that came as ONNX can be attacked, and gradients that are merely hidden hide nothing.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { decodePicture } from '../../inference/image/decode.ts';
import { normalised, seenLevels } from '../../inference/image/preprocess.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { parseIndex, readIndexFiles } from '../../inference/retrieval/index-files.ts';
import { checkout } from '../checkout.ts';
import type { SquareAttackInput, SquareAttackMeasures } from '../contract/validation.ts';
import { loadLabels } from '../data/dataset.ts';
import { countPictures, loadPictures, PACKED_LIMITS } from '../data/images/pictures.ts';
import { classOf } from '../selection/embed-pictures.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { measureSquares, type Searched } from './attack-measures.ts';
import { classMargin, neighbourMargin } from './margins.ts';
import { seededRandom } from './random.ts';
import { sampledPlaces } from './sample-rows.ts';
import { SquareSearch, type SeenSize } from './square-search.ts';
import { timeSlice } from './time-slice.ts';

/** Pictures that are searched for side by side: the graph is asked about one proposal of each at a time. */
const BATCH = 8;
/** Of its own: what a picture's search draws must not depend on what else draws by the run's seed. */
const STREAM = 4000;

interface Asking {
  readonly id: string;
  /** In the test split. */
  readonly place: number;
  /** Class; an index into the labels. */
  readonly label: number;
  readonly levels: Float32Array;
}
/** Margins of pictures (levels, as `seenLevels` gives them), each in the place of one that asks; null of one that has nothing to find. */
type Margins = (pictures: readonly Float32Array[], asking: readonly Asking[]) => Promise<readonly (number | null)[]>;

/** Throws BadData where there are no test pictures, or none that the gallery has something for; BadModel for a model that says nothing of classes. */
export const attackBySquares: StepDefinition<SquareAttackInput, SquareAttackMeasures> = {
  type: 'validation.square-attack',
  version: 3,
  async run(input, context) {
    const { store, signal } = context;
    const model = await ImageModel.load(await checkout(context, input.model, 'model'), { threads: input.threads });
    try {
      const margins = await marginsOf(model, input, context);
      const total = Math.min(input.attack.pictures, await countPictures(store, input.dataset, 'test', signal));
      const rows: Searched[] = [];
      let done = 0;
      for await (const batch of drawn(model, input, context)) {
        const answered = await searchBatch(batch, margins, sizeOf(model), input, (queries) => {
          signal.throwIfAborted();
          context.progress({ phase: 'attack', done, total, note: `${queries} of ${input.attack.queries} questions` });
        });
        rows.push(...answered);
        done += batch.length;
        context.progress({ phase: 'attack', done, total });
      }
      if (rows.length === 0) throw nothingToAttack();
      const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
      return {
        ...measureSquares(rows),
        attack: input.attack,
        details: await store.putBytes(Buffer.from(lines), { name: 'attacked.jsonl', mediaType: 'application/jsonl' }),
      };
    } finally {
      await model.release();
    }
  },
};

/** Of a classifier by its probabilities; with an index by what is nearest in the whole gallery, ranked exactly. */
async function marginsOf(
  model: ImageModel,
  { index: tree }: SquareAttackInput,
  context: StepContext,
): Promise<Margins> {
  const { processor, dimension } = model.config;
  const ask = async (pictures: readonly Float32Array[]) => {
    const output = await model.runPixels(pictures.map((levels) => normalised(levels, processor)));
    // The runtime computes on this thread: heartbeats and a cancellation get their turn between two calls.
    await new Promise((resume) => setImmediate(resume));
    return output;
  };
  if (tree !== undefined) {
    const { header, vectors } = parseIndex(await readIndexFiles(await checkout(context, tree, 'index')));
    // Without the graph that may search it: what that overlooks is no attack's doing.
    const index = await EmbeddingIndex.ofParsed({ header: { ...header, graph: null }, vectors });
    const pause = timeSlice(context.signal);
    return async (pictures, asking) => {
      const { embeddings } = await ask(pictures);
      const margins: (number | null)[] = [];
      for (const [row, one] of asking.entries()) {
        const embedding = embeddings.subarray(row * dimension, (row + 1) * dimension);
        // The server refuses to search by what is no number: that finds nothing right either.
        const isAsked = embedding.every(Number.isFinite);
        margins.push(isAsked ? neighbourMargin(header, index.similarities(embedding), one) : Number.NaN);
        await pause();
      }
      return margins;
    };
  }
  if (model.config.kind !== 'classifier') {
    throw new EspalierError('BadModel', 'the model to attack is an encoder without a classifier', {
      where: 'classifier.json',
      fix: 'attack the exported classifier, or name the index that the encoder is asked through',
    });
  }
  const classes = model.config.labels.length;
  return async (pictures, asking) => {
    const { probabilities = new Float32Array() } = await ask(pictures);
    return asking.map(({ label }, row) =>
      classMargin(probabilities.subarray(row * classes, (row + 1) * classes), label),
    );
  };
}

/** A seeded sample of the test pictures, a few in memory at a time. */
async function* drawn(
  model: ImageModel,
  { dataset, attack, seed }: SquareAttackInput,
  { store, signal }: StepContext,
): AsyncGenerator<readonly Asking[]> {
  const labels = await loadLabels(store, dataset);
  const chosen = new Set(sampledPlaces(await countPictures(store, dataset, 'test', signal), attack.pictures, seed));
  let batch: Asking[] = [];
  let rows = 0;
  for await (const { id, image, label, bytes } of loadPictures(store, dataset, 'test', signal)) {
    const place = rows++;
    if (!chosen.has(place)) continue;
    const levels = seenLevels(await decodePicture(bytes, image, PACKED_LIMITS), model.config.processor);
    batch.push({ id, place, label: classOf(labels, label, `test row ${id}`), levels });
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function searchBatch(
  batch: readonly Asking[],
  margins: Margins,
  size: SeenSize,
  { attack, seed }: SquareAttackInput,
  onAsked: (queries: number) => void,
): Promise<readonly Searched[]> {
  const asIs = await margins(
    batch.map(({ levels }) => levels),
    batch,
  );
  const searches = batch.flatMap((one, row) => {
    const margin = asIs[row];
    if (margin == null) return [];
    // By the picture's place in the split: whatever else is drawn, its search is the same.
    const random = seededRandom(seed, STREAM + one.place);
    return [{ one, right: margin > 0, search: new SquareSearch(one.levels, size, margin, attack, random) }];
  });
  for (let queries = 1; queries <= attack.queries; queries++) {
    const open = searches.filter(({ search }) => !search.lost);
    if (open.length === 0) break;
    const proposed = open.map(({ search }) => search.propose());
    const found = await margins(
      proposed,
      open.map(({ one }) => one),
    );
    for (const [row, { search }] of open.entries()) search.judge(found[row] ?? Number.NaN);
    onAsked(queries);
  }
  return searches.map(({ one, right, search }) => ({
    rowId: one.id,
    right,
    lost: right && search.lost,
    queries: search.asked,
  }));
}

function sizeOf({ config }: ImageModel): SeenSize {
  return config.processor.crop;
}

function nothingToAttack(): EspalierError {
  return new EspalierError(
    'BadData',
    'the test split has no pictures to attack with, or the gallery nothing for them',
    {
      where: 'test.tar',
      fix: 'declare test files, or give data.split.test a share',
    },
  );
}
