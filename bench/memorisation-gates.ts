/**
 * How often the gates of memory accuse a model that has learnt nothing by heart, and how often they see one that has: losses and
 * copied words are drawn from known distributions, judged by the very measures and gates of a run at their defaults. No model.
 *
 *   npx tsx bench/memorisation-gates.ts [draws = 4000]
 */
import type { Score } from '../activities/contract/measures.ts';
import { exposure, mostExposed } from '../activities/privacy/memorisation/exposure.ts';
import { judgeMemorisation } from '../activities/privacy/memorisation/gates.ts';
import { membershipAuc } from '../activities/privacy/memorisation/membership.ts';
import { copiedShare } from '../activities/privacy/memorisation/verbatim.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { MemorisationGatesSchema, type MemorisationGateName } from '../pipelines/memorisation.ts';

const DRAWS = Number(process.argv[2] ?? 4000);
/** A bootstrap costs 2,000 resamples. */
const SLOW_DRAWS = Math.ceil(DRAWS / 10);
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
  const others = times(controls, () => random.normal());
  return mostExposed(
    times(canaries, () => exposure(random.normal() - known, others)),
    controls,
  );
}
/** Losses a token differ from text to text by one spread; members' are lower by so many spreads that the AUC is the given one. */
function told(texts: number, spreads: number): Score {
  return membershipAuc(
    times(texts, () => random.normal() - spreads),
    times(texts, () => random.normal()),
  );
}
/** Four continuations a prompt with 57 runs of eight words each; of a prompt with this chance one of them is copied whole. */
function copied(prompts: number, chance: number): Promise<Score> {
  return copiedShare(
    times(prompts, () => ({ runs: 228, copied: random.uniform() < chance ? 57 : 0 })),
    1,
  );
}

console.log('canaryExposure, 1, 2, 4, 8, 16 canaries');
for (const controls of [100, 200, 400, 1000, 10_000]) {
  const draws = controls > 1000 ? SLOW_DRAWS : DRAWS;
  for (const known of controls === 1000 ? [0, 1, 2, 3, 4] : [0]) {
    await tell(`  ${controls} controls, ${known} spreads more likely`, [1, 2, 4, 8, 16], (canaries) =>
      failing('canaryExposure', draws, () => exposed(canaries, controls, known)),
    );
  }
}
console.log('membershipAuc, 20, 50, 100, 200, 500 texts of each');
for (const [auc, spreads] of [
  [0.5, 0],
  [0.55, 0.1777],
  [0.6, 0.3583],
  [0.7, 0.7416],
  [0.8, 1.1902],
] as const) {
  await tell(`  true AUC ${auc}`, [20, 50, 100, 200, 500], (texts) =>
    failing('membershipAuc', DRAWS, () => told(texts, spreads)),
  );
}
console.log('verbatimOverlap, 10, 20, 50, 100, 200 prompts');
for (const share of [0, 0.01, 0.02, 0.05, 0.1, 0.2]) {
  await tell(`  ${share} of the words copied`, [10, 20, 50, 100, 200], (prompts) =>
    failing('verbatimOverlap', SLOW_DRAWS, () => copied(prompts, 4 * share)),
  );
}
