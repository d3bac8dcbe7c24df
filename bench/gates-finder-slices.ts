/**
 * The gate of a finder about slices (`sliceGap`), by what frozen SqueezeNet 1.1 finds as it came among real pictures (recall@5):
 *
 * - clean: brightness and a group of four values are dealt out by lot, so that no slice is really served worse;
 * - as they are: slices by real brightness, where some may be;
 * - planted: of the third that is said to be darkest four, or seven, embeddings in ten are another picture's, drawn by lot.
 *
 * CIFAR-10 photographs and clothes of Fashion-MNIST; galleries and askers share nothing in a draw.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-finder-slices.ts [draws = 40] [pictures = 320]
 */
import { askIndex } from '../activities/retrieval/ask-index.ts';
import { galleryInMemory } from '../activities/retrieval/gallery.ts';
import { outcomeRows } from '../activities/retrieval/per-label.ts';
import { recallBySlice } from '../activities/retrieval/query-slices.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { decodePicture } from '../inference/image/decode.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { frozenBackbone, photographs, remembering } from './gates/photographs.ts';
import { exactly } from './support.ts';

const [DRAWS, POOL] = [Number(process.argv[2] ?? 40), Number(process.argv[3] ?? 320)];
const K = 5;
const { signal } = new AbortController();
const limits = RetrievalGatesSchema.parse({});
const random = seededRandom(2026, 29);
const encoder = await frozenBackbone('squeezenet1.1');
const { dimension } = encoder.config;
const embed = remembering(encoder);

for (const dataset of ['fashion-mnist-sprite', 'cifar10-jpeg'] as const) {
  const shown = await photographs('train', POOL, dataset);
  const embeddings = await embed(shown.map(({ bytes }) => bytes));
  const brightness: number[] = [];
  for (const { bytes, id } of shown) {
    const { pixels } = await decodePicture(bytes, id);
    brightness.push(Math.round(pixels.reduce((sum, value) => sum + value, 0) / pixels.length));
  }
  const labels = [...new Set(shown.map(({ label }) => label))].toSorted();
  const some = (places: readonly number[]) => ({
    ids: places.map((place) => shown[place]!.id),
    classes: Int32Array.from(places, (place) => labels.indexOf(shown[place]!.label)),
    embeddings: rows(places),
    probabilities: new Float32Array(),
  });
  function rows(places: readonly number[]): Float32Array {
    const joined = new Float32Array(places.length * dimension);
    for (const [at, place] of places.entries()) {
      joined.set(embeddings.subarray(place * dimension, (place + 1) * dimension), at * dimension);
    }
    return joined;
  }
  for (const queries of [100, 200]) {
    const tally = { clean: 0, 'as they are': 0, 'four in ten': 0, 'seven in ten': 0 };
    let recall = 0;
    for (let draw = 0; draw < DRAWS; draw++) {
      const order = [...shown.keys()];
      shuffleStart(order, order.length, random);
      const gallery = galleryInMemory({ labels, ...some(order.slice(queries)) });
      const places = order.slice(0, queries);
      const dealt = places.map((place) => brightness[place]!);
      shuffleStart(dealt, dealt.length, random);
      const darkest = dealt.toSorted((a, b) => a - b)[Math.floor(queries / 3)]!;
      for (const kind of Object.keys(tally) as (keyof typeof tally)[]) {
        const lost = kind === 'four in ten' ? 4 : kind === 'seven in ten' ? 7 : 0;
        const asked = some(places);
        for (const [query, light] of dealt.entries()) {
          if (light >= darkest || random.below(10) >= lost) continue;
          const other = order[random.below(order.length)]!;
          asked.embeddings.set(embeddings.subarray(other * dimension, (other + 1) * dimension), query * dimension);
        }
        const found = await askIndex(gallery, asked, K, { signal, progress: () => undefined });
        const outcomes = outcomeRows(asked, labels, found);
        const seen = found.answered.map((query) => ({
          seen: {
            width: 32,
            height: 32,
            brightness: kind === 'as they are' ? brightness[places[query]!]! : dealt[query]!,
          },
          ...(kind === 'as they are' ? {} : { groups: { region: `${random.below(4)}` } }),
        }));
        const { score } = recallBySlice(outcomes, seen);
        const gate = judgeGate('sliceGap', RETRIEVAL_GATE_TABLE.sliceGap, score, limits.sliceGap);
        if (gate.verdict !== 'pass') tally[kind]++;
        if (kind === 'clean') recall += outcomes.reduce((sum, one) => sum + one.recallAtK, 0) / outcomes.length;
      }
    }
    const told = Object.entries(tally).map(([kind, count]) => `${kind} ${exactly(count, DRAWS)}`);
    console.log(
      `${dataset}, ${queries} ask, recall@${K} ${((100 * recall) / DRAWS).toFixed(0)} %: warns ${told.join('; ')}`,
    );
  }
}
await encoder.release();
