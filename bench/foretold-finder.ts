/**
 * Whether what a finder's prototype foretells of the whole gallery comes true: 200 pictures of the gallery and 200 that ask, drawn
 * from CIFAR-10 photographs and clothes of Fashion-MNIST, against the whole gallery asked with all test pictures; frozen SqueezeNet 1.1.
 * How often the intervals hold what is measured then, beside those of the test pictures alone, which take the prototype's figure for it.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/foretold-finder.ts [draws = 20] [rows = 200]
 */
import { foretellFindings } from '../activities/retrieval/foretell-findings.ts';
import { galleryInMemory } from '../activities/retrieval/gallery.ts';
import { figuresOf } from '../activities/retrieval/query-figures.ts';
import { meanScore } from '../activities/retrieval/scores.ts';
import { sampleIndices, seededRandom } from '../activities/validation/random.ts';
import { digestJson } from '../artifacts/digest.ts';
import { frozenBackbone, photographs, type Photograph } from './gates/photographs.ts';
import { remembered } from './selection/remember.ts';

const [DRAWS, ROWS] = [Number(process.argv[2] ?? 20), Number(process.argv[3] ?? 200)];
const K = 5;
const { signal } = new AbortController();
const encoder = await frozenBackbone('squeezenet1.1');
const { dimension } = encoder.config;
const percent = (share: number): string => (100 * share).toFixed(1);

interface Embedded {
  readonly ids: readonly string[];
  readonly classes: Int32Array;
  readonly embeddings: Float32Array;
}

/** Kept between runs. */
async function embedded(pictures: readonly Photograph[], labels: readonly string[]): Promise<Embedded> {
  const key = ['foretold-finder', 1, 'squeezenet1.1', digestJson(pictures.map(({ id }) => id))];
  const kept = await remembered(key, async () => {
    const { embeddings } = await encoder.runAll(pictures.map(({ bytes }) => bytes));
    return Buffer.from(embeddings.buffer, embeddings.byteOffset, embeddings.byteLength).toString('base64');
  });
  const embeddings = new Float32Array(Uint8Array.from(Buffer.from(kept, 'base64')).buffer);
  const classes = Int32Array.from(pictures, ({ label }) => labels.indexOf(label));
  return { ids: pictures.map(({ id }) => id), classes, embeddings };
}

function part({ ids, classes, embeddings }: Embedded, places: readonly number[]): Embedded {
  const kept = new Float32Array(places.length * dimension);
  for (const [at, row] of places.entries()) {
    kept.set(embeddings.subarray(row * dimension, (row + 1) * dimension), at * dimension);
  }
  return {
    ids: places.map((row) => ids[row]!),
    classes: Int32Array.from(places, (row) => classes[row]!),
    embeddings: kept,
  };
}

for (const dataset of ['cifar10-jpeg', 'fashion-mnist-sprite'] as const) {
  const shown = await photographs('train', Number.POSITIVE_INFINITY, dataset);
  const asking = await photographs('test', Number.POSITIVE_INFINITY, dataset);
  const labels = [...new Set(shown.map(({ label }) => label))].toSorted();
  const [gallery, queries] = [await embedded(shown, labels), await embedded(asking, labels)];
  const all = await figuresOf(galleryInMemory({ ...gallery, labels }), queries, { k: K, signal });
  const truth = { recallAtK: mean(all.recallAtK), meanAveragePrecision: mean(all.averagePrecision) };
  const tally = { recallAtK: figures(), meanAveragePrecision: figures() };
  for (let draw = 0; draw < DRAWS; draw++) {
    const drawn = (of: Embedded, stream: number) =>
      part(of, sampleIndices(of.ids.length, ROWS, seededRandom(draw, stream)));
    const [small, few] = [drawn(gallery, 1), drawn(queries, 2)];
    const index = galleryInMemory({ ...small, labels });
    const said = await foretellFindings(
      index,
      few,
      { k: K, seed: draw, fullRows: gallery.ids.length },
      { signal, progress: () => undefined },
    );
    if ('not' in said) throw new Error(said.not);
    const now = await figuresOf(index, few, { k: K, signal });
    for (const [name, values] of [
      ['recallAtK', now.recallAtK],
      ['meanAveragePrecision', now.averagePrecision],
    ] as const) {
      const of = tally[name];
      const { value, interval } = said[name];
      const alone = await meanScore(values, { seed: draw, signal });
      of.prototype.push(alone.value!);
      of.foretold.push(value);
      of.width.push(interval.high - interval.low);
      of.held += Number(interval.low <= truth[name] && truth[name] <= interval.high);
      of.heldAlone += Number(alone.interval!.low <= truth[name] && truth[name] <= alone.interval!.high);
    }
  }
  console.log(`${dataset}: ${gallery.ids.length} pictures in the gallery, ${queries.ids.length} ask`);
  for (const [name, of] of Object.entries(tally)) {
    const achieved = truth[name as keyof typeof truth];
    const off = (said: readonly number[]): string => percent(mean(said.map((one) => Math.abs(one - achieved))));
    console.log(
      `  ${name}: achieved ${percent(achieved)}; prototypes ${percent(mean(of.prototype))}, off by ${off(of.prototype)}, interval holds ${of.heldAlone} of ${DRAWS}; ` +
        `foretold ${percent(mean(of.foretold))} (${percent(Math.min(...of.foretold))} to ${percent(Math.max(...of.foretold))}), off by ${off(of.foretold)}, width ${percent(mean(of.width))}, holds ${of.held} of ${DRAWS}`,
    );
  }
}
process.exit(0);

function figures() {
  return { prototype: [] as number[], foretold: [] as number[], width: [] as number[], held: 0, heldAlone: 0 };
}

function mean(values: ArrayLike<number>): number {
  const known = Array.from(values).filter((value) => !Number.isNaN(value));
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}
