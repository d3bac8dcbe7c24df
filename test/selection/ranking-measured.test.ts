import assert from 'node:assert/strict';
import { rankOutcomes } from '../../activities/selection/ranking.ts';
import type { CandidateOutcome } from '../../activities/contract/selection.ts';
import { candidate, order, selection } from '../support/candidates.ts';

describe('the ranking of candidates', () => {
  describe('timed on unlike machines', () => {
    const elsewhere = (one: CandidateOutcome): CandidateOutcome => ({
      ...one,
      ...(one.profile && { profile: { ...one.profile, hardware: { ...one.profile.hardware, cpu: 'another' } } }),
    });
    const [good, fast] = [
      candidate('good', { accuracy: 0.82, p95: 20 }),
      candidate('fast', { accuracy: 0.815, p95: 5 }),
    ];

    it('lets no latency decide between equals or break a tie, and says whose machine was which', () => {
      const { winner, rule, ranking } = rankOutcomes({ candidates: [good, elsewhere(fast)], selection });
      assert.equal(winner, 'good');
      assert.match(rule, /Timed on unlike machines: good on x .*; fast on another .*selection\.hardware/);
      const reasons = (id: string) => ranking.find((one) => one.id === id)?.reasons.join(' ') ?? '';
      assert.match(reasons('good'), /the most accurate of 2 within .* unlike machines: latency did not decide/);
      assert.match(reasons('fast'), /but not better; who is faster was not compared/);
      const tied = [candidate('b', { p95: 1 }), candidate('a', { p95: 9 })];
      assert.equal(order(tied), '1 b, 2 a');
      assert.equal(order([tied[0]!, elsewhere(tied[1]!)]), '1 a, 2 b', 'the name decides');
    });

    it('lets latency decide between equals of one machine, whatever another was timed on that is none of them', () => {
      const weak = elsewhere(candidate('weak', { accuracy: 0.5, p95: 1 }));
      const { winner, rule, ranking } = rankOutcomes({ candidates: [good, fast, weak], selection });
      assert.equal(winner, 'fast');
      assert.match(rule, /Timed on unlike machines: .*latency decides between equals only where all of them/);
      assert.match(ranking[0]?.reasons.join(' ') ?? '', /the fastest of 2 within/);
      assert.equal(
        order([good, fast, elsewhere(candidate('near', { accuracy: 0.816, p95: 1 }))]).split(',')[0],
        '1 good',
      );
    });

    it('says nothing of a machine that only one had who may not win', () => {
      const lost = elsewhere(candidate('lost', { mb: 900 }));
      const { rule, winner } = rankOutcomes({
        candidates: [good, fast, lost],
        selection: { ...selection, maxSizeMb: 500 },
      });
      assert.equal(winner, 'fast');
      assert.doesNotMatch(rule, /unlike machines/);
    });
  });

  describe('with a price', () => {
    const price = { queue: 'espalier-cpu', perHour: 3.6, currency: 'EUR', source: 'finance' };
    // Their mean is half of their p95: 1,000 of 5 ms are 5 s of 0.001 EUR each.
    const all = [candidate('dear', { accuracy: 0.9, p95: 40 }), candidate('cheap', { p95: 10 })];

    it('gives every form its cost per 1,000, and says what it was reckoned with', () => {
      const { ranking, ...priced } = rankOutcomes({ candidates: all, selection }, price);
      assert.deepEqual(priced.price, price);
      assert.deepEqual(
        ranking.map(({ id, costPer1000 }) => [id, costPer1000]),
        [
          ['dear', 0.02],
          ['dear, frozen (probe)', 0.02],
          ['cheap', 0.005],
          ['cheap, frozen (probe)', 0.005],
        ],
      );
      const free = rankOutcomes({ candidates: all, selection });
      assert.ok(free.price === undefined && free.ranking.every(({ costPer1000 }) => costPer1000 === undefined));
    });

    it('excludes what costs more than its limit, and keeps what costs just that', () => {
      const limited = { ...selection, maxCostPer1000: 0.005 };
      const { winner, ranking, rule } = rankOutcomes({ candidates: all, selection: limited }, price);
      assert.equal(winner, 'cheap');
      const dear = ranking.find(({ id }) => id === 'dear');
      assert.deepEqual(dear?.reasons, [
        'Its cost of 0.02 EUR per 1,000 inferences is over the limit of 0.005 EUR (selection.maxCostPer1000).',
      ]);
      assert.equal(dear.costPer1000, 0.02, 'what it costs is told all the same');
      assert.match(rule, /cost ≤ 0\.005 EUR per 1,000/);
      const none = { ...selection, maxCostPer1000: 0.001 };
      assert.throws(() => rankOutcomes({ candidates: all, selection: none }, price), {
        kind: 'NoCandidate',
        fix: /maxCostPer1000/,
      });
    });

    it('calls nobody too slow or too dear whose time a busy machine took, and does not choose it either', () => {
      const busy = (one: CandidateOutcome): CandidateOutcome => ({
        ...one,
        profile: { ...one.profile!, latency: { ...one.profile!.latency, waitedShare: 0.97 } },
      });
      const [slow, quick] = [
        busy(candidate('slow', { accuracy: 0.9, p95: 40 })),
        busy(candidate('quick', { p95: 20 })),
      ];
      const limited = { ...selection, maxLatencyP95Ms: 30, maxCostPer1000: 1e-9 };
      const reasonsOf = (limits: object) =>
        rankOutcomes({ candidates: [slow, quick], selection: { ...selection, ...limits } }, price).ranking.find(
          ({ id }) => id === 'slow',
        )?.reasons;
      const untold =
        /^Its p95 latency was not measured: 40 ms is over the limit of 30 ms .*97 % of the time.*timed anew\.$/;
      assert.match(reasonsOf({ maxLatencyP95Ms: 30 })?.join() ?? '', untold);
      assert.throws(() => rankOutcomes({ candidates: [slow], selection: limited }, price), {
        kind: 'NoCandidate',
        message: /Its cost was not measured: .* EUR per 1,000 inferences is over the limit.*--no-reuse/,
      });
      const computed = (leastMs: number): CandidateOutcome => ({
        ...slow,
        profile: { ...slow.profile!, latency: { ...slow.profile!.latency, leastMs } },
      });
      const refused = (leastMs: number): readonly string[] =>
        rankOutcomes(
          { candidates: [computed(leastMs), quick], selection: { ...selection, maxLatencyP95Ms: 30 } },
          price,
        ).ranking.find(({ id }) => id === 'slow')?.reasons ?? [];
      assert.match(refused(30).join(), untold);
      assert.deepEqual(refused(31), [
        'Its p95 latency of at least 31 ms is over the limit of 30 ms (selection.maxLatencyP95Ms), whatever else the machine did.',
      ]);
      assert.throws(() => rankOutcomes({ candidates: [computed(31)], selection: limited }, price), {
        message:
          /Its cost of at least .* EUR per 1,000 inferences is over the limit .*, whatever else the machine did\./,
      });
    });

    it('judges no limit of cost without one: the field is named', () => {
      const limited = { ...selection, maxCostPer1000: 0.005 };
      assert.throws(() => rankOutcomes({ candidates: all, selection: limited }), {
        kind: 'BadConfig',
        where: 'selection.maxCostPer1000',
        fix: /ESPALIER_PRICES/,
      });
    });
  });
});
