/**
 * Licence decisions a second on one core, over every licence of the table under uses of every kind, with parents, a
 * policy and conclusions. Goal: 100 000.
 *
 *   npx tsx bench/licence.ts [seconds = 3]
 */
import type { ModelTerms } from '../pipelines/licence/decision.ts';
import { evaluate, type Case } from '../pipelines/licence/evaluate.ts';
import { compilePolicy, PolicySchema } from '../pipelines/licence/policy.ts';
import { LICENCES } from '../pipelines/licence/rows.ts';
import type { UseFacts } from '../pipelines/licence/use.ts';

const GOAL = 100_000;
const seconds = Number(process.argv[2] ?? 3);

const service: UseFacts = {
  commercial: true,
  domain: 'customer support',
  publish: false,
  hosted: true,
  modify: true,
  region: 'US',
};
const large = { mauAtModelRelease: 8e8, mauNow: 8e8, annualRevenueUsd: 1e9, monthlyRevenueUsd: 1e8 };
const uses: readonly UseFacts[] = [
  service,
  { ...service, publish: true, derivedName: 'Llama-x', passThroughTerms: true, automatedDecision: false },
  { ...service, ...large, region: 'EU', multimodal: true },
  { ...service, commercial: false, domain: 'medical diagnosis', validationStudy: 'a study' },
];
const terms = (id: string, parents: ModelTerms['parents'] = []): ModelTerms => ({
  declared: [{ id, by: 'the card' }],
  name: null,
  link: null,
  doubts: [],
  parents,
  relation: null,
  datasets: [],
  gated: false,
});
const policy = compilePolicy(
  PolicySchema.parse({
    version: 1,
    // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file
    rules: [{ id: 'eu', when: { use: { region: 'EU' } }, then: 'review', reason: 'asked for', howToFix: 'ask' }],
    conclusions: [{ model: 'org/other', revision: '1', concluded: 'mit', by: 'a', reason: 'b', expires: '2999-01-01' }],
  }),
);
const identity = { model: 'org/name', revision: '0', texts: [] };
const cases: readonly Case[] = LICENCES.flatMap(({ id }) =>
  uses.flatMap((use) =>
    [terms(id), terms(id, [{ model: 'org/base', terms: terms('apache-2.0') }])].map((asked) => ({
      terms: asked,
      use,
      identity,
      today: '2026-01-01',
    })),
  ),
);

function decide(forSeconds: number): { readonly rate: number; readonly verdicts: Readonly<Record<string, number>> } {
  const verdicts: Record<string, number> = {};
  // Time on the processor: on a shared machine the clock on the wall measures the others.
  const from = process.cpuUsage();
  const spent = (): number => process.cpuUsage(from).user / 1e6;
  let done = 0;
  while (spent() < forSeconds) {
    for (const one of cases) {
      const { verdict } = evaluate(one, policy);
      verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
    }
    done += cases.length;
  }
  return { rate: done / spent(), verdicts };
}

decide(0.5); // compiled by then
const { rate, verdicts } = decide(seconds);
process.stdout.write(
  `${JSON.stringify({ cases: cases.length, decisionsPerSecond: Math.round(rate), goal: GOAL, verdicts })}\n`,
);
process.exitCode = rate >= GOAL ? 0 : 1;
