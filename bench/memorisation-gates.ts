/**
 * How often the gates of memory accuse a model that has learnt nothing by heart, and how often they see one that has: losses and
 * copied words are drawn from known distributions, judged by the very measures and gates of a run at their defaults. No model.
 *
 *   npx tsx bench/memorisation-gates.ts [draws = 4000] [gate: this one alone]
 */
import type { Score } from '../activities/contract/measures.ts';
import { mostExposed } from '../activities/privacy/memorisation/exposure.ts';
import { judgeMemorisation } from '../activities/privacy/memorisation/gates.ts';
import { membershipAuc } from '../activities/privacy/memorisation/membership.ts';
import { copiedShare } from '../activities/privacy/memorisation/verbatim.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { MemorisationGatesSchema, type MemorisationGateName } from '../pipelines/memorisation.ts';

const DRAWS = Number(process.argv[2] ?? 4000);
/** A bootstrap costs 2,000 resamples. */
const SLOW_DRAWS = Math.ceil(DRAWS / 10);
const asked = (gate: MemorisationGateName): boolean => (process.argv[3] ?? gate) === gate;
const limits = MemorisationGatesSchema.parse({});
const random = seededRandom(2026);
const times = <Value>(count: number, draw: () => Value): Value[] => Array.from({ length: count }, draw);

async function failing(name: MemorisationGateName, draws: number, measure: () => Score | Promise<Score>) {
  let count = 0;
  for (let draw = 0; draw < draws; draw++) {
    const { gates } = judgeMemorisation({ [name]: await measure() }, limits);
    if (gates.some((gate) => gate.name === name && gate.verdict === 'fail')) count += 1;
  }
  return `${((100 * count) / draws).toFixed(2)} %`.padStart(10);
}
async function tell<Value>(what: string, values: readonly Value[], of: (value: Value) => Promise<string>) {
  const cells: string[] = [];
  for (const value of values) cells.push(await of(value));
  console.log(`${what.padEnd(76)}${cells.join('')}`);
}

/** Losses of secrets differ by `spread`; those of the canaries are lower by `known` spreads. */
function exposed(canaries: number, controls: number, known: number): Score {
  return mostExposed(
    times(canaries, () => random.normal() - known),
    times(controls, () => random.normal()),
  );
}
/** A loss a token of a text that stood in the training data; those of others differ by one spread around 0. */
type MemberLoss = () => number;
function told(texts: number, member: MemberLoss): Score {
  return membershipAuc(
    times(texts, member),
    times(texts, () => random.normal()),
  );
}
/** So many spreads below the others: all alike, differing three times as much, or only a share of the members, known wholly. */
const allBelow =
  (spreads: number): MemberLoss =>
  () =>
    random.normal() - spreads;
const wider =
  (spreads: number): MemberLoss =>
  () =>
    3 * random.normal() - spreads;
const someKnown =
  (share: number): MemberLoss =>
  () =>
    random.uniform() < share ? -100 : random.normal();
/** Four continuations a prompt with 57 runs of eight words each; of a prompt with this chance so many of them are copied whole. */
function copied(prompts: number, chance: number, continuations: 1 | 4): Promise<Score> {
  return copiedShare(
    times(prompts, () => ({ runs: 228, copied: random.uniform() < chance ? 57 * continuations : 0 })),
    1,
  );
}

if (asked('canaryExposure')) {
  console.log('canaryExposure, 1, 2, 4, 8, 16 canaries');
  for (const controls of [100, 200, 400, 1000, 10_000]) {
    const draws = controls > 1000 ? SLOW_DRAWS : DRAWS;
    for (const known of controls === 1000 ? [0, 1, 2, 3, 4] : [0]) {
      await tell(`  ${controls} controls, ${known} spreads more likely`, [1, 2, 4, 8, 16], (canaries) =>
        failing('canaryExposure', draws, () => exposed(canaries, controls, known)),
      );
    }
  }
}
if (asked('membershipAuc')) {
  const texts = [6, 10, 20, 30, 50, 100, 200, 500];
  console.log(`membershipAuc, ${texts.join(', ')} texts of each`);
  for (const [what, member] of [
    ['0.5', allBelow(0)],
    ['0.55', allBelow(0.1777)],
    ['0.6, the limit', allBelow(0.3583)],
    ['0.6, losses of members differ three times as much', wider(0.8011)],
    ['0.6, one member in five known wholly', someKnown(0.2)],
    ['0.7', allBelow(0.7416)],
    ['0.8', allBelow(1.1902)],
    ['0.8, losses of members differ three times as much', wider(2.6614)],
    ['0.8, three members in five known wholly', someKnown(0.6)],
    ['0.9', allBelow(1.8124)],
  ] as const) {
    await tell(`  true AUC ${what}`, texts, (count) => failing('membershipAuc', DRAWS, () => told(count, member)));
  }
}
if (asked('verbatimOverlap')) {
  console.log('verbatimOverlap, 10, 20, 50, 100, 200 prompts');
  for (const continuations of [1, 4] as const) {
    for (const share of [0, 0.01, 0.03, 0.05, 0.1, 0.2]) {
      await tell(
        `  ${share} of the words copied, ${continuations} of four continuations of a prompt`,
        [10, 20, 50, 100, 200],
        (prompts) =>
          failing('verbatimOverlap', SLOW_DRAWS, () => copied(prompts, (4 * share) / continuations, continuations)),
      );
    }
  }
}
