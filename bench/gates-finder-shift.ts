/**
 * The gate of a finder about pictures from elsewhere (`shiftedDrop`), frozen SqueezeNet 1.1 on CIFAR-10 photographs, galleries of 200 that
 * share nothing. Beside as many of the test split:
 *
 * - clean: others of the same kind, in the same mix of labels, and with a long tail of labels that the test split does not have;
 * - planted: such as ask under strong noise, and such of which some in ten ask with another picture's embedding.
 *
 * Statistic and limit are those of `sliceGap`, chosen on photographs that are not among these.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-finder-shift.ts [draws of each gallery = 50]
 */
import { precisionByLuck, precisionLost, type RankedPictures } from '../activities/retrieval/precision-lost.ts';
import { builtInCorruptions } from '../activities/validation/corruptions.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { decodePicture } from '../inference/image/decode.ts';
import { toUnitLength } from '../inference/retrieval/nearest.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { nearestFirst, precisionIn } from './gates/near.ts';
import { frozenBackbone, photographs, remembering } from './gates/photographs.ts';
import { holdToGoals } from './gates/rates.ts';
import { exactly } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 50);
const [GALLERIES, GALLERY, ASKING] = [6, 200, 800] as const;
/** Pictures from elsewhere, and as many of the test split beside them. */
const SIZES = [50, 100, 200, 400] as const;
/** Of how many in ten of so many docs/gates.md says that their loss is seen. */
const PROMISED = { 50: 8, 100: 6, 200: 5, 400: 4 } as const;
const LOST = [3, 4, 5, 6, 7, 8] as const;
const limits = RetrievalGatesSchema.parse({});

const encoder = await frozenBackbone('squeezenet1.1');
const embed = remembering(encoder);
const ofHalf = (await photographs('train', 4000)).filter((_, at) => at % 2 === 1);
const [shown, asking] = [ofHalf.slice(ASKING), ofHalf.slice(0, ASKING)];
const noise = builtInCorruptions().find(({ name, severity }) => name === 'noise' && severity === 'strong')!;
const noisy = await Promise.all(
  asking.map(async ({ bytes, id }, at) => noise.apply(await decodePicture(bytes, id), at)),
);
const rows = [...asking, ...shown.slice(0, GALLERIES * GALLERY)];
const labels = [...new Set(rows.map(({ label }) => label))].toSorted();
const classes = [...rows, ...asking].map(({ label }) => labels.indexOf(label));
// Those under noise come last: each asks for the label of the one without.
const embedded = await embed([...rows.map(({ bytes }) => bytes), ...noisy]);
await encoder.release();
const near = nearestFirst(toUnitLength(embedded, embedded.length / classes.length), classes.length);

const tally = new Map<string, number>();
const values = new Map<string, number>();
for (let at = 0; at < GALLERIES; at++) {
  const random = seededRandom(2026, 80 + at);
  const first = ASKING + at * GALLERY;
  const gallery = { has: (row: number) => row >= first && row < first + GALLERY, classes };
  const luck = precisionByLuck(Int32Array.from(classes.slice(first, first + GALLERY)), labels.length);
  const plain = asking.map((_, row) => precisionIn(near[row]!, row, gallery));
  const worse = asking.map((_, row) => precisionIn(near[rows.length + row]!, row, gallery));
  for (const size of SIZES) {
    for (let draw = 0; draw < DRAWS; draw++) {
      const order = [...asking.keys()];
      shuffleStart(order, order.length, random);
      const of = (places: readonly number[], figure: (row: number) => number): RankedPictures => ({
        averagePrecision: places.map(figure),
        classes: Int32Array.from(places, (row) => classes[row]!),
      });
      const own = (row: number): number => plain[row]!;
      const tell = (kind: string, elsewhere: RankedPictures): void => {
        const score = precisionLost(of(order.slice(0, size), own), elsewhere, { luck });
        const { verdict } = judgeGate('shiftedDrop', RETRIEVAL_GATE_TABLE.shiftedDrop, score, limits.shiftedDrop);
        const name = `${size} pictures, ${kind}`;
        tally.set(name, (tally.get(name) ?? 0) + Number(verdict === 'warn' || verdict === 'fail'));
        values.set(name, (values.get(name) ?? 0) + (score.value ?? 0) / GALLERIES / DRAWS);
      };
      const others = order.slice(size);
      const there = others.slice(0, size);
      tell('of the same kind', of(there, own));
      // Half of the rarer label at each step: of ten labels the first has half of all.
      const tailed = others.filter((row) => random.uniform() < 0.5 ** classes[row]!).slice(0, size);
      tell(`of the same kind with a long tail (up to ${size})`, of(tailed, own));
      tell(
        'under strong noise',
        of(there, (row) => worse[row]!),
      );
      for (const tenths of LOST) {
        const lost = (row: number): number =>
          random.uniform() < tenths / 10 ? precisionIn(near[random.below(rows.length)]!, row, gallery) : own(row);
        tell(`${tenths} in ten lost`, of(there, lost));
      }
    }
  }
}
for (const [name, count] of tally) {
  console.log(`${name}: lost ${values.get(name)!.toFixed(2)}, warns ${exactly(count, GALLERIES * DRAWS)}`);
}
holdToGoals(
  SIZES.flatMap((size) => {
    const warned = (kind: string): number => tally.get(`${size} pictures, ${kind}`)!;
    return [`${PROMISED[size]} in ten lost`, 'under strong noise'].map((defect) => ({
      gate: 'shiftedDrop',
      defect: `${defect}, ${size} pictures`,
      on: 'six galleries of cifar10-jpeg',
      caught: warned(defect),
      planted: GALLERIES * DRAWS,
      accused: warned('of the same kind'),
      clean: GALLERIES * DRAWS,
    }));
  }),
);
