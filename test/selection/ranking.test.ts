import assert from 'node:assert/strict';
import { rankOutcomes } from '../../activities/selection/ranking.ts';
import type { CandidateOutcome } from '../../activities/contract/selection.ts';
import { candidate, order, ref, selection } from '../support/candidates.ts';

describe('the ranking of candidates', () => {
  const tables: readonly [title: string, candidates: CandidateOutcome[], limits: object, expected: string][] = [
    ['the most accurate when it leads by more than the tolerance', [candidate('fast', { accuracy: 0.8, p95: 1 }), candidate('good', { accuracy: 0.82, p95: 20 })], {}, '1 good, 2 fast'],
    ['the fastest of those within the tolerance', [candidate('good', { accuracy: 0.82, p95: 20 }), candidate('fast', { accuracy: 0.811, p95: 5 })], {}, '1 fast, 2 good'],
    ['the fastest exactly at the tolerance, whatever floating point makes of it', [candidate('good', { accuracy: 0.8, p95: 20 }), candidate('fast', { accuracy: 0.79, p95: 5 })], {}, '1 fast, 2 good'],
    ['no slower equal that is a little better', [candidate('a', { accuracy: 0.8, p95: 9 }), candidate('b', { accuracy: 0.805, p95: 10 }), candidate('c', { accuracy: 0.7, p95: 1 })], {}, '1 a, 2 b, 3 c'],
    ['by kNN where accuracy and latency tie', [candidate('a', { knn: 0.6 }), candidate('b', { knn: 0.7 })], {}, '1 b, 2 a'],
    ['by name where everything ties', [candidate('b'), candidate('a')], {}, '1 a, 2 b'],
    ['only what keeps to the latency limit', [candidate('good', { accuracy: 0.9, p95: 30 }), candidate('fast', { p95: 29.9 })], { maxLatencyP95Ms: 29.9 }, '1 fast, - good'],
    ['only what keeps to the size limit', [candidate('good', { accuracy: 0.9, mb: 101 }), candidate('small')], { maxSizeMb: 100 }, '1 small, - good'],
    ['only what keeps to the memory limit', [candidate('good', { accuracy: 0.9, memory: 301 }), candidate('small')], { maxMemoryMb: 300 }, '1 small, - good'],
    ['nothing with a denied licence', [candidate('good', { accuracy: 0.9, licence: 'deny' }), candidate('open', { licence: 'review' })], {}, '1 open, - good'],
    ['nothing that dropped out or was not measured', [candidate('lost', { accuracy: 0.9, error: { kind: 'NetworkUnavailable', message: 'gone', retryable: true } }), candidate('half', { unmeasured: 'probe' }), candidate('blind', { unmeasured: 'profile' }), candidate('blank', { accuracy: null }), candidate('whole')], {}, '1 whole, - lost, - half, - blind, - blank'],
    ['nothing whose latency is no number', [candidate('odd', { accuracy: 0.9, p95: NaN }), candidate('sound')], { maxLatencyP95Ms: 50 }, '1 sound, - odd'],
  ]; // prettier-ignore
  for (const [title, candidates, limits, expected] of tables) {
    it(`chooses ${title}`, () => assert.equal(order(candidates, limits), expected));
  }

  it('tries whom the probe has not put behind the first beyond chance, and the largest whatever it says', () => {
    const withInterval = (id: string, accuracy: number, parameters: number): CandidateOutcome => {
      // None is dearer than the first: nobody is dominated.
      const one = candidate(id, { accuracy, p95: parameters });
      const interval = { low: accuracy - 0.02, high: accuracy + 0.02, confidence: 0.95 };
      const score = { value: accuracy, interval, rows: 1000 };
      const exported = {
        encoder: ref,
        weights: ref,
        parityMaxAbs: 0,
        dimension: 1,
        layers: 1,
        parameters,
        sizeBytes: 1,
      };
      return {
        ...one,
        exported,
        ...(one.probe === undefined ? {} : { probe: { ...one.probe, linearAccuracy: score } }),
      };
    };
    const shortlist = (...candidates: CandidateOutcome[]) => rankOutcomes({ candidates, selection }).shortlist;
    const [first, near, far] = [withInterval('a', 0.9, 30), withInterval('b', 0.87, 10), withInterval('c', 0.85, 10)];
    assert.deepEqual(shortlist(first, near), ['a', 'b']);
    assert.equal(shortlist(first, far), undefined, 'nobody is left to hold it against');
    assert.deepEqual(shortlist(first, far, withInterval('large', 0.7, 99)), ['a', 'large']);
  });

  it('breaks a tie of accuracy below the best by LogME before kNN', () => {
    const scored = (id: string, logme: number, knn: number): CandidateOutcome => {
      const one = candidate(id, { accuracy: 0.7, knn });
      const score = { value: logme, interval: null, rows: 100 };
      return { ...one, ...(one.probe === undefined ? {} : { probe: { ...one.probe, logme: score } }) };
    };
    const all = [candidate('best', { accuracy: 0.9 }), scored('a', -0.4, 0.8), scored('b', -0.2, 0.6)];
    assert.equal(order(all), '1 best, 2 b, 3 a');
  });

  it('does not depend on the order of the candidates', () => {
    const all = [
      candidate('a', { accuracy: 0.8, p95: 3 }),
      candidate('b', { accuracy: 0.806, p95: 5 }),
      candidate('c', { accuracy: 0.795, p95: 1 }),
    ];
    const winners = [all, all.toReversed(), [all[1]!, all[0]!, all[2]!]].map(
      (candidates) => rankOutcomes({ candidates, selection }).winner,
    );
    assert.deepEqual(winners, ['a', 'a', 'a']);
  });

  it('gives every candidate its reason, with the numbers', () => {
    const { ranking, rule } = rankOutcomes({
      candidates: [
        candidate('large', { accuracy: 0.823, p95: 14.72, mb: 90 }),
        candidate('small', { accuracy: 0.82, p95: 6, mb: 40 }),
        candidate('weak', { accuracy: 0.5, p95: 7, mb: 50 }),
        candidate('heavy', { mb: 900 }),
        candidate('closed', { licence: 'deny' }),
        candidate('lost', {
          error: { kind: 'NetworkUnavailable', message: 'the hub cannot be reached', retryable: true },
        }),
      ],
      selection: { ...selection, maxSizeMb: 500 },
    });
    const reasons = Object.fromEntries(ranking.map((one) => [one.id, one.reasons]));
    const [size, licence, lost] = [
      'Its size of 900 MB is over the limit of 500 MB (selection.maxSizeMb).',
      'Its licence (CC-BY-NC-4.0) forbids the intended use: No commercial use.',
      'It dropped out (NetworkUnavailable): the hub cannot be reached',
    ];
    const alone = 'No other candidate is as good in quality, latency, size and memory at once.';
    assert.deepEqual(reasons, {
      small: ['Chosen: the fastest of 2 within 1 points of the best (probe accuracy 82.0 %, p95 6 ms; the others: large).', alone],
      'small, frozen (probe)': ["To be beaten: without any tuning small has probe accuracy 82.0 %, p95 6 ms, 40 MB. The tuned model is held against it on the test rows (gates.gainOverProbe); training.method 'head' releases it instead.", alone],
      large: ['Equal within 1 points (probe accuracy 82.3 % against 82.0 % of small) but not faster: p95 14.7 ms against 6 ms.', alone],
      'large, frozen (probe)': ['Equal within 1 points (probe accuracy 82.3 % against 82.0 % of small, frozen (probe)) but not faster: p95 14.7 ms against 6 ms.', alone],
      weak: ['Less accurate: probe accuracy 50.0 % against 82.0 % of small, more than 1 points below the best.', 'At least as good in quality, latency, size and memory: small.'],
      'weak, frozen (probe)': ['Less accurate: probe accuracy 50.0 % against 82.0 % of small, frozen (probe), more than 1 points below the best.', 'At least as good in quality, latency, size and memory: small.'],
      heavy: [size],
      'heavy, frozen (probe)': [size],
      closed: [licence],
      'closed, frozen (probe)': [licence],
      lost: [lost],
      'lost, frozen (probe)': [lost],
    }); // prettier-ignore
    assert.match(rule, /size ≤ 500 MB.*within 1 points/);
    assert.deepEqual(
      ranking.map(({ encoder, form, rank, eligible }) => [encoder, form, rank, eligible]),
      [
        ['small', 'tune', 1, true],
        ['small', 'frozen', 2, true],
        ['large', 'tune', 3, true],
        ['large', 'frozen', 4, true],
        ['weak', 'tune', 5, true],
        ['weak', 'frozen', 6, true],
        ...['heavy', 'closed', 'lost'].flatMap((id) => [
          [id, 'tune', null, false],
          [id, 'frozen', null, false],
        ]),
      ],
    );
  });

  it('knows no other form of an encoder than the one with a head on it where a head is all that is trained', () => {
    const candidates = [candidate('good', { accuracy: 0.9 }), candidate('poor', { accuracy: 0.7 })];
    const { winner, ranking, rule } = rankOutcomes({ candidates, selection, by: 'head' });
    assert.equal(winner, 'good');
    assert.deepEqual(
      ranking.map(({ id, form, rank }) => [id, form, rank]),
      [
        ['good', 'head', 1],
        ['poor', 'head', 2],
      ],
    );
    assert.match(ranking[0]?.reasons[0] ?? '', /^Chosen: the best probe accuracy by more than 1 points/);
    assert.match(rule, /A head is trained on the winner, which stays as it is \(training\.method 'head'\)/);
    assert.ok(!JSON.stringify({ ranking, rule }).includes('instead'));
  });

  it('says of how many training rows the probe is that is to be beaten, and that it will be of all', () => {
    const one = candidate('one', { accuracy: 0.82 });
    const drawn = { ...one, ...(one.probe && { probe: { ...one.probe, fittedOn: { rows: 600, of: 1200 } } }) };
    const [, frozen] = rankOutcomes({ candidates: [drawn], selection }).ranking;
    assert.match(frozen!.reasons[0]!, /probe accuracy 82\.0 % after 600 of 1200 training rows, .*fitted anew on all/);
  });

  it('names probes that had other rows, and leaves none of them out as beyond chance', () => {
    const probed = (id: string, accuracy: number, fittedOn?: { rows: number; of: number }): CandidateOutcome => {
      const one = candidate(id, { accuracy });
      const interval = { low: accuracy - 0.02, high: accuracy + 0.02, confidence: 0.95 };
      const linearAccuracy = { value: accuracy, interval, rows: 1000 };
      return { ...one, ...(one.probe && { probe: { ...one.probe, linearAccuracy, ...(fittedOn && { fittedOn }) } }) };
    };
    const draw = { rows: 600, of: 1200 };
    const ranked = (...candidates: CandidateOutcome[]) => rankOutcomes({ candidates, selection });
    const mixed = ranked(probed('a', 0.9), probed('b', 0.8, draw));
    assert.match(mixed.rule, /Not like with like: of the training rows a had all, b had 600 of 1200; fewer make/);
    assert.deepEqual(mixed.shortlist, ['a', 'b']);
    for (const fittedOn of [undefined, draw]) {
      const alike = ranked(probed('a', 0.9, fittedOn), probed('b', 0.8, fittedOn));
      assert.doesNotMatch(alike.rule, /like with like/);
      assert.equal(alike.shortlist, undefined);
    }
    const left = ranked(probed('a', 0.9), probed('b', 0.8), candidate('gone', { unmeasured: 'probe' }));
    assert.doesNotMatch(left.rule, /like with like/, 'who is not ranked is compared with nobody');
  });

  it('chooses an encoder to tune, never a frozen probe', () => {
    const { winner, ranking } = rankOutcomes({ candidates: [candidate('only')], selection });
    assert.equal(winner, 'only');
    assert.deepEqual(
      ranking.map(({ id, rank }) => [id, rank]),
      [
        ['only', 1],
        ['only, frozen (probe)', 2],
      ],
    );
  });

  it('says why when none is left', () => {
    const none = (): unknown =>
      rankOutcomes({
        candidates: [candidate('a', { licence: 'deny' }), candidate('b', { p95: 80 })],
        selection: { ...selection, maxLatencyP95Ms: 50 },
      });
    assert.throws(none, (error: { kind: string; message: string; fix: string }) => {
      assert.equal(error.kind, 'NoCandidate');
      assert.match(error.message, /a: Its licence .*\| b: Its p95 latency of 80 ms is over the limit of 50 ms/);
      assert.match(error.fix, /maxLatencyP95Ms/);
      return true;
    });
    assert.throws(() => rankOutcomes({ candidates: [], selection }), { kind: 'NoCandidate' });
  });

  it('go by what their neighbours are worth where embeddings are indexed as they are, and no probe is a candidate', () => {
    const candidates = [
      candidate('probed', { accuracy: 0.9, knn: 0.6 }),
      candidate('near', { accuracy: 0.7, knn: 0.8 }),
    ];
    const { prototype: _, ...plain } = selection;
    const { winner, ranking, rule, shortlist } = rankOutcomes({ candidates, selection: plain, by: 'neighbours' });
    assert.equal(winner, 'near');
    assert.deepEqual(
      ranking.map(({ id, form, rank }) => [id, form, rank]),
      [
        ['near', 'indexed', 1],
        ['probed', 'indexed', 2],
      ],
    );
    assert.match(ranking[0]?.reasons[0] ?? '', /best nearest-neighbour accuracy by more than 1 points \(.* 80\.0 %/);
    assert.match(rule, /the vote of 5 nearest neighbours on validation.*Nothing is tuned/);
    assert.equal(shortlist, undefined);
    const tuned = rankOutcomes({ candidates, selection: plain, by: 'tuned-probe' });
    assert.equal(tuned.winner, 'probed');
    assert.deepEqual(
      tuned.ranking.map(({ id, form }) => [id, form]),
      [
        ['probed', 'tune'],
        ['near', 'tune'],
      ],
    );
    assert.match(tuned.rule, /linear-probe accuracy on validation.*gates\.gainOverFrozen/);
  });
});
