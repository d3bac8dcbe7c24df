/**
 * The gate of a finder about slices (`sliceGap`), by what frozen backbones find as they came among real pictures:
 *
 * - clean: brightness and a group of four values are dealt out by lot, so that no slice is really served worse;
 * - as they are: slices by real brightness, where some may be;
 * - planted: of the third that is said to be darkest so many in ten ask with another picture's embedding, drawn by lot.
 *
 * SqueezeNet 1.1 on clothes of Fashion-MNIST and on CIFAR-10 photographs, and ResNet-20, which learnt from CIFAR-10's training
 * pictures: its gallery is of these, and those that ask are of the test split. In two halves: statistic and limit were chosen on the
 * first, which also says from which share on a loss is caught; the second says how often it then is.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-finder-slices.ts [design | report] [draws = 60]
 */
import type { QueryOutcome } from '../activities/contract/retrieval.ts';
import { recallAt, averagePrecision } from '../activities/retrieval/metrics.ts';
import { precisionByLuck } from '../activities/retrieval/precision-lost.ts';
import { precisionBySlice } from '../activities/retrieval/query-slices.ts';
import { withSmallestSeen } from '../activities/retrieval/smallest-seen.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { decodePicture } from '../inference/image/decode.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { nearestFirst, rankingIn } from './gates/near.ts';
import { embeddedHalf } from './gates/photographs.ts';
import { holdToGoals, type Rate } from './gates/rates.ts';
import { exactly } from './support.ts';

const HALF = process.argv[2] === 'design' ? 0 : 1;
const DRAWS = Number(process.argv[3] ?? 60);
const K = 5;
const limits = RetrievalGatesSchema.parse({});
/** Of ten pictures of the slice, so many ask with another's embedding. */
const LOST = [0, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const;
/** `asking`: how many ask, and of how many in ten of a slice docs/gates.md says that their loss is seen. */
const SETS = [
  {
    model: 'squeezenet1.1',
    from: 'onnx-zoo',
    dataset: 'fashion-mnist-sprite',
    gallery: 220,
    asking: [
      [100, 8],
      [200, 6],
    ],
    apart: false,
  },
  {
    model: 'squeezenet1.1',
    from: 'onnx-zoo',
    dataset: 'cifar10-jpeg',
    gallery: 1000,
    asking: [
      [100, 10],
      [200, 7],
      [400, 6],
      [800, 4],
    ],
    apart: false,
  },
  {
    model: 'resnet20-cifar10',
    from: 'akamaster',
    dataset: 'cifar10-jpeg',
    gallery: 1000,
    asking: [
      [100, 7],
      [200, 5],
      [400, 3],
    ],
    apart: true,
  },
] as const;

const rates: Rate[] = [];
for (const set of SETS) {
  const { model, dataset, gallery: shown, asking, apart } = set;
  const { train, rows, labels, classes, vectors } = await embeddedHalf(HALF, set);
  const near = nearestFirst(vectors, rows.length);
  const brightness: number[] = [];
  for (const { bytes, id } of rows) {
    const { pixels } = await decodePicture(bytes, id);
    brightness.push(Math.round(pixels.reduce((sum, value) => sum + value, 0) / pixels.length));
  }
  const random = seededRandom(2026, 29 + HALF);
  const drawn = (of: readonly number[], count: number): readonly number[] => {
    const order = [...of];
    shuffleStart(order, count, random);
    return order.slice(0, count);
  };
  const all = [...rows.keys()];
  for (const [queries, promised] of asking) {
    const tally = new Map<string, number>();
    const measured: number[][] = LOST.map(() => []);
    const seenFrom: number[] = [];
    let recall = 0;
    for (let draw = 0; draw < DRAWS; draw++) {
      const inGallery = new Set(drawn(apart ? all.slice(0, train.length) : all, shown));
      const places = drawn(
        (apart ? all.slice(train.length) : all).filter((row) => !inGallery.has(row)),
        queries,
      );
      const gallery = { has: (row: number) => inGallery.has(row), classes };
      const luck = precisionByLuck(
        Int32Array.from(inGallery, (row) => classes[row]!),
        labels.length,
      );
      const outcome = (row: number, as: number): QueryOutcome => {
        const ranking = rankingIn(near[as]!, row, gallery);
        const [recallAtK, precisionAtK] = [recallAt(ranking, K), 0];
        return {
          rowId: rows[row]!.id,
          label: labels[classes[row]!]!,
          recallAtK,
          precisionAtK,
          averagePrecision: averagePrecision(ranking),
        };
      };
      const own = places.map((row) => outcome(row, row));
      const dealt = drawn(
        places.map((row) => brightness[row]!),
        queries,
      );
      const darkest = dealt.toSorted((a, b) => a - b)[Math.floor(queries / 3)]!;
      const lost = places.map((row, at) => (dealt[at]! < darkest ? outcome(row, random.below(rows.length)) : own[at]!));
      const lot = places.map(() => random.uniform());
      const groups = places.map(() => ({ region: `${random.below(4)}` }));
      const warns = (outcomes: readonly QueryOutcome[], lights: readonly number[]) => {
        const seen = lights.map((light, at) => {
          return { seen: { width: 32, height: 32, brightness: light }, groups: groups[at]! };
        });
        const { score } = precisionBySlice(outcomes, seen, { labels, luck });
        const gate = judgeGate('sliceGap', RETRIEVAL_GATE_TABLE.sliceGap, score, limits.sliceGap);
        const { verdict, reason } = withSmallestSeen(gate, score);
        return { score, told: reason, caught: verdict === 'warn' || verdict === 'fail' };
      };
      const count = (kind: string, { caught }: { readonly caught: boolean }): void => {
        tally.set(kind, (tally.get(kind) ?? 0) + Number(caught));
      };
      count(
        'as they are',
        warns(
          own,
          places.map((row) => brightness[row]!),
        ),
      );
      for (const [at, tenths] of LOST.entries()) {
        const judged = warns(
          own.map((found, place) => (lot[place]! < tenths / 10 ? lost[place]! : found)),
          dealt,
        );
        count(`${tenths} in ten`, judged);
        measured[at]!.push(judged.score.value ?? 0);
        if (tenths === 0) seenFrom.push(Number(/below about ([\d.]+)/.exec(judged.told)?.[1] ?? 1));
      }
      recall += own.reduce((sum, one) => sum + one.recallAtK, 0) / queries;
    }
    const mean = (values: readonly number[]): string =>
      (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(2);
    const told = LOST.map(
      (tenths, at) =>
        `${tenths} in ten lost (${mean(measured[at]!)}) ${exactly(tally.get(`${tenths} in ten`)!, DRAWS)}`,
    );
    console.log(
      `${model}, ${dataset}, ${queries} ask, recall@${K} ${((100 * recall) / DRAWS).toFixed(0)} %, said to be seen from ${mean(seenFrom)}: warns as they are ${exactly(tally.get('as they are')!, DRAWS)}; ${told.join('; ')}`,
    );
    rates.push({
      gate: 'sliceGap',
      defect: `${promised} in ten of the darkest third lost, ${queries} ask`,
      on: `${model}, ${dataset}`,
      caught: tally.get(`${promised} in ten`)!,
      planted: DRAWS,
      accused: tally.get('0 in ten')!,
      clean: DRAWS,
    });
  }
}
holdToGoals(rates);
