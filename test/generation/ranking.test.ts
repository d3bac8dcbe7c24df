import { deepEqual, equal, match, ok, throws } from 'node:assert/strict';
import type { GeneratorProfile } from '../../activities/contract/prompting.ts';
import type { CandidateOutcome } from '../../activities/contract/selection.ts';
import { rankGenerators } from '../../activities/generation/ranking.ts';
import { AdherenceSchema, GeneratorSelectionSchema } from '../../pipelines/definition/generation.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
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

  it('judges limits of time by what is reckoned for the best prompt, orders by it, and says which times these are', () => {
    // Read: 30 ms for 9 tokens more. Written: 10 ms each, and one more for every 100 tokens before it.
    const longer = [{ promptTokens: 1010, firstMs: 3010, tokens: 30, tokenMs: 20 }];
    const answer = { meanMs: 330, meanTokens: 30, firstMs: 40, promptTokens: 10, longer };
    const told = candidate('told', 0.9, 10, { answer, firstTokenMs: { p50: 40, p95: 60 } });
    const { search, ...rest } = told.generator!;
    const best = { ...search!.best, promptTokens: 510, answerTokens: 30 };
    const long = { ...told, id: 'long', generator: { ...rest, search: { ...search!, best } } };
    const { ranking, winner, rule } = rank([long, told]);
    equal(winner, 'told', 'as quick when asked alone, but its prompt is shorter');
    match(rule, /reckoned for the best prompt of each/);
    const { served } = ranking.find(({ id }) => id === 'long')!;
    equal(served?.of, 'best-prompt');
    ok(served.firstTokenMs.p95 > 1000 && served.msPerToken.p50 > 14, JSON.stringify(served));
    throws(() => rank([long], { maxFirstTokenMs: 1000 }), {
      kind: 'NoCandidate',
      message: /ms to the first token \(p95, reckoned for its best prompt\), more than 1000/,
    });
    equal(rank([long, told], { maxFirstTokenMs: 1000 }).winner, 'told');
    throws(() => rank([candidate('old', 0.9, 10)], { maxFirstTokenMs: 15 }), { message: /p95, of questions alone/ });
    const mixed = rank([long, candidate('old', 0.9, 11)]);
    equal(mixed.winner, 'long', 'of one nobody knows what its prompt adds: both are held as they were timed');
    match(mixed.rule, /of questions alone, without the best prompt/);
  });

  it('calls nobody too slow whose time a busy machine took, unless it computed for so long', () => {
    const busy = (leastMs: GeneratorProfile['leastMs']) =>
      candidate('slow', 0.9, 40, {
        waitedShare: 0.97,
        firstTokenMs: { p50: 40, p95: 50 },
        ...(leastMs === undefined ? {} : { leastMs }),
      });
    const why = (one: CandidateOutcome, limits: object): string => {
      const { ranking } = rank([one, fast], limits);
      return ranking.find(({ id }) => id === 'slow')?.reasons.join() ?? '';
    };
    match(why(busy(undefined), { maxMsPerToken: 30 }), /^Its time was not measured: 40 ms a token/);
    match(why(busy({ firstToken: 90, token: 30 }), { maxMsPerToken: 30 }), /^Its time was not measured/);
    match(why(busy({ token: 31 }), { maxMsPerToken: 30 }), /^it takes at least 31 ms a token .*, more than 30$/);
    match(
      why(busy({ firstToken: 26 }), { maxFirstTokenMs: 25 }),
      /^it takes at least 26 ms to the first token .*, more than 25$/,
    );
  });

  it('holds all by times of one kind, in limits, order and reasons, where one cannot be reckoned', () => {
    const longer = [{ promptTokens: 1010, firstMs: 3010, tokens: 30, tokenMs: 20 }];
    const answer = { meanMs: 330, meanTokens: 30, firstMs: 40, promptTokens: 10, longer };
    const fresh = (kept: number): CandidateOutcome => {
      const one = candidate('new', kept, 10, { answer });
      const { search } = one.generator!;
      const best = { ...search!.best, promptTokens: 510 };
      return { ...one, generator: { ...one.generator!, search: { ...search!, best } } };
    };
    const { ranking, winner } = rank([fresh(0.9), candidate('old', 0.9, 11)]);
    equal(winner, 'new');
    deepEqual(
      ranking.map(({ id, served }) => [id, served?.of, served?.msPerToken.p50]),
      [
        ['new', 'timed', 10],
        ['old', 'timed', 11],
      ],
    );
    match(ranking[0]?.reasons[0] ?? '', /\(10 ms a token, 10 ms to the first\)/);
    const limited = rank([fresh(0.95), candidate('old', 0.6, 14)], { maxMsPerToken: 14.5 });
    equal(limited.winner, 'new', 'by what is known of both, each is within the limit');
    throws(() => rank([fresh(0.95)], { maxMsPerToken: 14.5 }), { kind: 'NoCandidate' });
  });

  it('does not take the truly slower one for the faster because it was timed at one length alone', () => {
    // Both: 4 ms a token, and one more for every 100 tokens before it; the small one takes a tenth longer.
    const at = (before: number, slower: number) => slower * (4 + before / 100);
    const timed = (id: string, slower: number, read: readonly number[]) => {
      const tokenMs = at(535, slower);
      const answer = {
        meanMs: 40 + 29 * tokenMs,
        meanTokens: 30,
        firstMs: 40,
        promptTokens: 520,
        longer: read.map((promptTokens) => ({
          promptTokens,
          firstMs: promptTokens / 13,
          tokens: 30,
          tokenMs: at(promptTokens + 15, slower),
        })),
      };
      const one = candidate(id, 0.9, tokenMs, { answer });
      const { search } = one.generator!;
      const best = { ...search!.best, promptTokens: 760, answerTokens: 100 };
      return { ...one, generator: { ...one.generator!, search: { ...search!, best } } };
    };
    const roomy = timed('roomy', 1, [1032, 2048]);
    equal(rank([timed('small', 1.1, []), roomy]).winner, 'roomy');
    const { winner, ranking } = rank([timed('small', 1.1, [130]), roomy]);
    equal(winner, 'roomy');
    deepEqual(
      ranking.map(({ served }) => [served?.of, Number(served?.msPerToken.p50.toFixed(1))]),
      [
        ['best-prompt', 12.1],
        ['best-prompt', 13.3],
      ],
    );
  });

  it('says who is as good in everything, and who is better beyond chance and no dearer: the Pareto set', () => {
    const measured = (id: string, kept: number, tokenMs: number, profile: Partial<GeneratorProfile> = {}) => {
      const answer = {
        meanMs: 30 * tokenMs,
        meanTokens: 30,
        firstMs: tokenMs,
        promptTokens: 10,
        longer: [{ promptTokens: 500, firstMs: 50 * tokenMs, tokens: 30, tokenMs }],
      };
      const one = candidate(id, kept, tokenMs, { answer, ...profile });
      const interval = wilsonInterval(kept * 100, 100);
      const best = { ...one.generator!.search!.best, adherence: { value: kept, interval, rows: 100 } };
      return { ...one, generator: { ...one.generator!, search: { ...one.generator!.search!, best } } };
    };
    const { ranking } = rank([
      measured('good', 0.9, 10),
      measured('near', 0.88, 12),
      measured('worse', 0.6, 12),
      measured('small', 0.5, 12, { sizeMb: 0.5 }),
    ]);
    const said = (id: string) => ranking.find((one) => one.id === id)!.reasons.slice(2);
    const figures = 'adherence, time to the first token, time a token, time of an answer (its cost), size and memory';
    deepEqual(said('good'), [`No other candidate is as good in ${figures} at once.`]);
    deepEqual(said('near'), [`At least as good in ${figures}: good.`], 'two points of 100 answers are chance');
    deepEqual(said('worse'), [
      `At least as good in ${figures}: good, near.`,
      'Better in adherence beyond chance, and no dearer in any of these: good, near.',
    ]);
    deepEqual(said('small'), [`No other candidate is as good in ${figures} at once.`], 'it is the smallest');
  });
});
