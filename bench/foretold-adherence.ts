/**
 * How often what a generator's prototype predicts of its gates holds, over draws of answers (no model): the range of what the gates judge over
 * all test prompts, of adherence and of the gain over the model told nothing; and whether adherence passes, against the probability of it. Each
 * draw has a model of its own: it keeps the guidelines in 60 to 98 % of the answers, and told nothing in 10 to 60 %.
 *
 *   npx tsx bench/foretold-adherence.ts [draws = 2000]
 */
import { foretellAdherence, foretellDifference } from '../activities/generation/foretell-adherence.ts';
import { compareAdherence } from '../activities/generation/metrics/adherence.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';

const DRAWS = Number(process.argv[2] ?? 2000);
const THRESHOLD = 0.8;
const percent = (part: number, of: number): string => (of === 0 ? 'none' : `${((100 * part) / of).toFixed(1)} %`);

for (const [asked, all, nested] of [
  [40, 150, true],
  [40, 700, true],
  [200, 1000, true],
  [200, 5000, true],
  [200, 5000, false],
] as const) {
  const seen = { adherence: 0, gain: 0, passed: 0, expected: 0, yes: 0, rightYes: 0, no: 0, rightNo: 0 };
  for (let draw = 0; draw < DRAWS; draw += 1) {
    const random = seededRandom(draw, 3);
    const [keeps, plain] = [0.6 + 0.38 * random.uniform(), 0.1 + 0.5 * random.uniform()];
    const answers = (share: number, rows: number) =>
      Array.from({ length: rows }, () => ({ adherent: random.uniform() < share }));
    const small = { model: answers(keeps, asked), base: answers(plain, asked) };
    const more = nested ? all - asked : all;
    const rest = { model: answers(keeps, more), base: answers(plain, more) };
    const whole = nested ? { model: [...small.model, ...rest.model], base: [...small.base, ...rest.base] } : rest;
    const count = (judged: readonly { readonly adherent: boolean }[]): number =>
      judged.filter(({ adherent }) => adherent).length;
    const over = { rows: all, nested };
    const share = { value: count(small.model) / asked, rows: asked };
    const { judged, probability } = foretellAdherence(share, over, THRESHOLD);
    const end = wilsonInterval(count(whole.model), all).low;
    const gained = foretellDifference(compareAdherence(small.model, small.base).difference, over)!;
    const gain = compareAdherence(whole.model, whole.base).difference.interval!.low;
    const passes = end >= THRESHOLD;
    seen.adherence += Number(judged.low <= end && end <= judged.high);
    seen.gain += Number(gained.low <= gain && gain <= gained.high);
    seen.passed += Number(passes);
    seen.expected += probability;
    seen.yes += Number(probability >= 0.975);
    seen.rightYes += Number(probability >= 0.975 && passes);
    seen.no += Number(probability <= 0.025);
    seen.rightNo += Number(probability <= 0.025 && !passes);
  }
  console.log(
    `${asked} of ${all}${nested ? '' : ' others'}: range of adherence held ${percent(seen.adherence, DRAWS)}, of the gain ${percent(seen.gain, DRAWS)}; ` +
      `passed ${percent(seen.passed, DRAWS)}, expected ${percent(seen.expected, DRAWS)}; told that it passes ${percent(seen.yes, DRAWS)}, right ${percent(seen.rightYes, seen.yes)}; ` +
      `that it fails ${percent(seen.no, DRAWS)}, right ${percent(seen.rightNo, seen.no)}`,
  );
}
