/**
 * What the gates of a finder say where labels mean nothing: all of them shuffled among the pictures, in gallery and test alike. Then no
 * order is better than chance, of the encoder or of plain pixels, and `gainOverPixels` and `meanAveragePrecision` are to fail at their
 * default limits; `labelErrors`, which asks neighbours that agree, has none. Clean: labels as they are, of an encoder that tells them apart.
 *
 * ResNet-20, which learnt from CIFAR-10's training pictures: its gallery is of these, and those that ask are of the test split. Frozen
 * SqueezeNet 1.1 on clothes of Fashion-MNIST is planted alone: as they are, pixels rank clothes better than it does.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-finder-shuffled.ts [draws = 40]
 */
import { gainScore, meanScore } from '../activities/retrieval/scores.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { toUnitLength } from '../inference/retrieval/nearest.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { nearestFirst, precisionIn } from './gates/near.ts';
import { centredPixels, embeddedHalf } from './gates/photographs.ts';
import { holdToGoals, type Rate } from './gates/rates.ts';
import { exactly } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 40);
const limits = RetrievalGatesSchema.parse({});
const { signal } = new AbortController();
const GATES = ['gainOverPixels', 'meanAveragePrecision'] as const;
const SETS = [
  {
    model: 'squeezenet1.1',
    from: 'onnx-zoo',
    dataset: 'fashion-mnist-sprite',
    most: 4000,
    gallery: 300,
    asking: 75,
    apart: false,
  },
  {
    model: 'resnet20-cifar10',
    from: 'akamaster',
    dataset: 'cifar10-jpeg',
    most: 1400,
    gallery: 600,
    asking: 200,
    apart: true,
  },
] as const;

const rates: Rate[] = [];
for (const set of SETS) {
  const { model, dataset, apart } = set;
  const { train, rows, classes, vectors } = await embeddedHalf(1, set);
  const pixels = await centredPixels(rows);
  const near = nearestFirst(vectors, rows.length);
  const nearPixels = nearestFirst(toUnitLength(pixels, pixels.length / rows.length), rows.length);
  const random = seededRandom(2026, 45);
  const shuffled = (of: readonly number[], count = of.length): readonly number[] => {
    const order = [...of];
    shuffleStart(order, count, random);
    return order.slice(0, count);
  };
  const all = [...rows.keys()];
  const failed = new Map<string, number>();
  for (let draw = 0; draw < DRAWS; draw++) {
    const shown = new Set(shuffled(apart ? all.slice(0, train.length) : all, set.gallery));
    const others = (apart ? all.slice(train.length) : all).filter((row) => !shown.has(row));
    const asking = shuffled(others, set.asking);
    for (const [kind, given] of [
      ['as they are', classes],
      ['shuffled', shuffled(classes)],
    ] as const) {
      const gallery = { has: (row: number) => shown.has(row), classes: given };
      const [ours, theirs] = [near, nearPixels].map((orders) =>
        asking.map((row) => precisionIn(orders[row]!, row, gallery)),
      );
      const scores = {
        gainOverPixels: await gainScore(ours!, theirs!, { seed: draw, signal }),
        meanAveragePrecision: await meanScore(ours!, { seed: draw, signal }),
      };
      for (const gate of GATES) {
        const { verdict } = judgeGate(gate, RETRIEVAL_GATE_TABLE[gate], scores[gate], limits[gate]);
        const name = `${gate}, ${kind}`;
        failed.set(name, (failed.get(name) ?? 0) + Number(verdict === 'fail'));
      }
    }
  }
  for (const [name, count] of failed)
    console.log(`${model}, ${dataset}, labels ${name}: fails ${exactly(count, DRAWS)}`);
  if (!apart) continue;
  rates.push(
    ...GATES.map((gate) => ({
      gate,
      defect: 'all labels shuffled',
      on: `${model}, ${dataset}`,
      caught: failed.get(`${gate}, shuffled`)!,
      planted: DRAWS,
      accused: failed.get(`${gate}, as they are`)!,
      clean: DRAWS,
    })),
  );
}
holdToGoals(rates);
