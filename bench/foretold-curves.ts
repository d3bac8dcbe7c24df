/**
 * How often the interval of a predicted accuracy holds the truth, where learning curves are power laws: rungs of 60 and 200 training rows, each
 * measured on 200, read off at 2,000; by the decay that the curve really has, and over curves whose decays lie anywhere between 0.1 and 1. Each
 * has 10 to 60 points more to learn from the first rung on. No training: draws of what a rung would measure.
 *
 *   npx tsx bench/foretold-curves.ts [curves = 400]
 */
import { accuracyAt, predictAccuracy } from '../activities/selection/learning-curve.ts';
import { seededRandom } from '../activities/validation/random.ts';

const CURVES = Number(process.argv[2] ?? 400);
const [RUNGS, MEASURED, ALL] = [[60, 200], 200, 2000] as const;
const percent = (share: number): string => (100 * share).toFixed(1);

for (const known of [0.1, 0.25, 0.5, 0.75, 1, null]) {
  let [held, width, below, above] = [0, 0, 0, 0];
  for (let at = 0; at < CURVES; at++) {
    const random = seededRandom(at, 5);
    const decay = known ?? 0.1 + 0.9 * random.uniform();
    const floor = 0.3 * random.uniform();
    const scale = (0.1 + 0.5 * random.uniform()) * RUNGS[0] ** decay;
    const truth = accuracyAt({ floor, scale, decay, assumed: false }, ALL);
    const points = RUNGS.map((rows) => {
      const right = accuracyAt({ floor, scale, decay, assumed: false }, rows);
      let hits = 0;
      for (let row = 0; row < MEASURED; row++) hits += Number(random.uniform() < right);
      return { rows, accuracy: hits / MEASURED, measuredRows: MEASURED };
    });
    const { low, high } = predictAccuracy(points, ALL, at)!.prediction.interval;
    held += Number(low <= truth && truth <= high);
    below += Number(truth < low);
    above += Number(truth > high);
    width += high - low;
  }
  console.log(
    `decay ${known ?? '0.1 to 1'}: held ${percent(held / CURVES)} %, truth below ${percent(below / CURVES)} %, above ${percent(above / CURVES)} %, mean width ${percent(width / CURVES)} points`,
  );
}
