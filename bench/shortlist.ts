/**
 * How often the shortlist gives up a candidate for one that beats it in everything: two encoders of a known accuracy, the better no
 * dearer in anything, asked on so many validation rows. `shared`: the share of the rows that both decide alike.
 * Run: `npx tsx bench/shortlist.ts`. A few seconds.
 */
import { isBetterBeyondChance, type Standing } from '../activities/selection/pareto.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';

const DRAWS = 4000;
const ACCURACY = 0.8;
const GAPS = [0, 0.03, 0.06, 0.1];
const MACHINE = { cpu: 'one', cores: 1, arch: 'x64', runtime: 'one' };
const random = seededRandom(1);

for (const [rows, shared] of [
  [100, 0],
  [400, 0],
  [400, 0.8],
  [1000, 0],
  [1000, 0.8],
] as const) {
  const given = GAPS.map((gap) => `${(share(rows, shared, gap) * 100).toFixed(1)} % at ${gap * 100} points`);
  console.log(`${rows} rows, ${shared * 100} % alike: given up in ${given.join(', ')}`);
}

function share(rows: number, shared: number, gap: number): number {
  let given = 0;
  for (let draw = 0; draw < DRAWS; draw++) {
    let [better, worse] = [0, 0];
    for (let row = 0; row < rows; row++) {
      const one = random.uniform();
      const other = random.uniform() < shared ? one : random.uniform();
      better += Number(one < ACCURACY);
      worse += Number(other < ACCURACY - gap);
    }
    given += Number(isBetterBeyondChance(standing('better', better, rows), standing('worse', worse, rows)));
  }
  return given / DRAWS;
}

function standing(id: string, right: number, rows: number): Standing {
  return {
    id,
    quality: right / rows,
    interval: wilsonInterval(right, rows),
    latencyMs: 1,
    meanMs: 1,
    sizeMb: 1,
    memoryMb: 1,
    hardware: MACHINE,
  };
}
