/**
 * The gate of a finder about harmless edits (`flipRate`): how often it accuses frozen SqueezeNet 1.1 as it came, and how often it
 * catches one that rests on exact pixels, of which the edited forms of two pictures in ten point the other way. CIFAR-10 photographs
 * and clothes of Fashion-MNIST, 900 each, in two halves: what is judged was chosen on the first, and the second, split anew into 100
 * that ask and a gallery of 350 in each draw, says how often the gate speaks.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-finder-flips.ts [design | report] [draws = 40]
 */
import { galleryInMemory } from '../activities/retrieval/gallery.ts';
import { queryFlips } from '../activities/retrieval/query-behaviour.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { editedPictures } from '../activities/validation/picture-behaviour.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { frozenBackbone, photographs } from './gates/photographs.ts';
import { holdToGoals, type Rate } from './gates/rates.ts';
import { exactly } from './support.ts';

const HALF = process.argv[2] === 'design' ? 0 : 1;
const DRAWS = Number(process.argv[3] ?? 40);
const [POOL, ASKING] = [900, 100] as const;
const { signal } = new AbortController();
const limits = RetrievalGatesSchema.parse({});
const encoder = await frozenBackbone('squeezenet1.1');
const { dimension } = encoder.config;

const rates: Rate[] = [];
for (const dataset of ['fashion-mnist-sprite', 'cifar10-jpeg'] as const) {
  const all = [...(await photographs('test', POOL, dataset)), ...(await photographs('train', POOL, dataset))];
  const pool = all.slice(0, POOL).filter((_, at) => at % 2 === HALF);
  const labels = [...new Set(pool.map(({ label }) => label))].toSorted();
  const forms: Float32Array[] = [];
  const pictures = pool.map(
    ({ bytes }) =>
      () =>
        Promise.resolve(bytes),
  );
  for await (const pixels of editedPictures(pictures, encoder.config.processor, { signal })) {
    forms.push((await encoder.runPixels(pixels)).embeddings);
  }
  const random = seededRandom(2026, 31 + HALF);
  const plants = [0, 2] as const;
  const tally = plants.map(() => ({ warned: 0, shares: [] as number[] }));
  for (let draw = 0; draw < DRAWS; draw++) {
    const order = [...pool.keys()];
    shuffleStart(order, order.length, random);
    const [asking, shown] = [order.slice(0, ASKING), order.slice(ASKING)];
    const embeddings = new Float32Array(shown.length * dimension);
    for (const [at, place] of shown.entries()) embeddings.set(forms[place]!.subarray(0, dimension), at * dimension);
    const gallery = galleryInMemory({
      labels,
      ids: shown.map((place) => pool[place]!.id),
      classes: Int32Array.from(shown, (place) => labels.indexOf(pool[place]!.label)),
      embeddings,
    });
    const ids = asking.map((place) => pool[place]!.id);
    for (const [at, planted] of plants.entries()) {
      // The picture as it is comes first.
      const asked = asking.map((place, query) =>
        forms[place]!.map((value, i) => (query % 10 < planted && i >= dimension ? -value : value)),
      );
      const { score } = await queryFlips(gallery, { ids, forms: asked }, signal);
      const own = tally[at]!;
      const { verdict } = judgeGate('flipRate', RETRIEVAL_GATE_TABLE.flipRate, score, limits.flipRate);
      own.warned += Number(verdict !== 'pass');
      own.shares.push(score.value!);
    }
  }
  for (const [at, planted] of plants.entries()) {
    const { warned, shares } = tally[at]!;
    console.log(`${dataset}, ${planted} in 10 planted: warns ${exactly(warned, DRAWS)}; lost ${spread(shares)}`);
  }
  const [clean, planted] = tally;
  rates.push({
    gate: 'flipRate',
    defect: `the edited forms of ${plants[1]} in 10 point the other way`,
    on: dataset,
    caught: planted!.warned,
    planted: DRAWS,
    accused: clean!.warned,
    clean: DRAWS,
  });
}
holdToGoals(rates);
await encoder.release();

/** Least, median, most. */
function spread(shares: readonly number[]): string {
  const sorted = shares.toSorted((a, b) => a - b);
  return [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!].map((share) => share.toFixed(2)).join('–');
}
