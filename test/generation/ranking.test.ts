import { deepEqual, equal, match, throws } from 'node:assert/strict';
import type { GeneratorProfile } from '../../activities/contract/prompting.ts';
import type { CandidateOutcome } from '../../activities/contract/selection.ts';
import { rankGenerators } from '../../activities/generation/ranking.ts';
import { AdherenceSchema, GeneratorSelectionSchema } from '../../pipelines/definition/generation.ts';
import { ref } from '../support/workflow.ts';

const HARDWARE = { cpu: 'x', cores: 1, arch: 'x64', runtime: 'x' };

function candidate(
  id: string,
  adherence: number,
  msPerToken: number,
  profile: Partial<GeneratorProfile> = {},
): CandidateOutcome {
  const score = { value: adherence, interval: { low: adherence - 0.1, high: 1, confidence: 0.95 }, rows: 100 };
  const best = { name: 'rules', adherence: score, weighted: adherence, promptTokens: 10, answerTokens: 30 };
  return {
    id,
    generator: {
      exported: { generator: ref(id) } as never,
      profile: {
        firstTokenMs: { p50: 10, p95: 20 },
        msPerToken: { p50: msPerToken, p95: msPerToken },
        answers: 28,
        answer: { meanMs: 30 * msPerToken, meanTokens: 30, firstMs: msPerToken, promptTokens: 10 },
        waitedShare: 0,
        sizeMb: 1,
        memoryMb: 1,
        hardware: HARDWARE,
        ...profile,
      },
      search: {
        prompt: ref('prompt'),
        best,
        variants: [best],
        untried: 0,
        tokens: 1,
        stoppedBy: null,
        details: ref('details'),
      },
    },
  };
}

const rank = (candidates: readonly CandidateOutcome[], limits = {}, price?: Parameters<typeof rankGenerators>[1]) =>
  rankGenerators(
    {
      candidates,
      selection: GeneratorSelectionSchema.parse(limits),
      adherence: AdherenceSchema.parse({}),
      completions: 0,
    },
    price,
  );

describe('the ranking of generators', () => {
  const [good, fast] = [candidate('good', 0.905, 40), candidate('fast', 0.9, 10)];

  it('takes the faster of two that keep the guidelines equally often', () => {
    equal(rank([good, fast]).winner, 'fast');
    equal(rank([good, candidate('fast', 0.85, 10)]).winner, 'good');
  });

  it('lets adherence decide where they were timed on unlike machines, and says so', () => {
    const elsewhere = candidate('fast', 0.9, 10, { hardware: { ...HARDWARE, cpu: 'another' } });
    const { winner, rule, ranking } = rank([good, elsewhere]);
    equal(winner, 'good');
    match(rule, /Timed on unlike machines: good on x .*; fast on another/);
    match(ranking[0]?.reasons.at(-1) ?? '', /who is faster was not compared/);
    match(ranking[1]?.reasons.at(-1) ?? '', /not better/);
    const worse = candidate('worse', 0.5, 5, { hardware: { ...HARDWARE, cpu: 'another' } });
    equal(rank([good, fast, worse]).winner, 'fast', 'the two that are as good were timed on one machine');
  });

  it('reckons what 1,000 answers cost by the time of a whole one, and excludes what is over the limit', () => {
    const price = { queue: 'espalier-cpu', perHour: 3.6, currency: 'EUR', source: 'finance' };
    const costs = rank([good, fast], {}, price).ranking.map(({ id, costPer1000 }) => [id, costPer1000]);
    deepEqual(costs, [
      ['fast', 0.3],
      ['good', 1.2],
    ]);
    const wordy = { ...fast.generator!.search!.best, answerTokens: 120 };
    const long = { ...fast, generator: { ...fast.generator!, search: { ...fast.generator!.search!, best: wordy } } };
    equal(
      rank([good, long], {}, price).ranking[0]?.costPer1000,
      1.2,
      'its best prompt has it write four times as much',
    );
    throws(() => rank([long], { maxCostPer1000: 1 }, price), {
      kind: 'NoCandidate',
      message: /fast: Its cost of 1\.2 EUR/,
    });
    const { ranking } = rank([good, fast], { maxCostPer1000: 1 }, price);
    match(ranking.find(({ id }) => id === 'good')?.reasons[0] ?? '', /cost of 1\.2 EUR per 1,000 .*limit of 1 EUR/);
    throws(() => rank([good, fast], { maxCostPer1000: 1 }), { kind: 'BadConfig', where: 'selection.maxCostPer1000' });
    const { answer: _, ...untold } = fast.generator!.profile!;
    const old = { ...fast, generator: { ...fast.generator!, profile: untold } };
    const unknown = rank([old, candidate('cheap', 0.5, 5)], { maxCostPer1000: 1 }, price);
    equal(unknown.winner, 'cheap', 'a cost that is not known is over every limit');
  });
});
