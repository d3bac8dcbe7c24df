import assert from 'node:assert/strict';
import { foldsCount } from '../../activities/selection/pooled.ts';
import { rankOutcomes } from '../../activities/selection/ranking.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import type { CandidateOutcome, EncoderProbe } from '../../activities/contract/selection.ts';
import { SelectionSchema } from '../../pipelines/definition/selection.ts';
import type { LicenceVerdict } from '../../pipelines/licence/decision.ts';
import type { ErrorRecord } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';

const ref: ArtifactRef = { digest: `sha256:${'0'.repeat(64)}`, mediaType: 'application/json', size: 1, name: 'x' };
const selection = SelectionSchema.parse({ maxLength: 64, tolerance: 0.01, neighbours: 5, seed: 7 });

interface Figures {
  accuracy?: number | null;
  knn?: number;
  p95?: number;
  mb?: number;
  memory?: number;
  licence?: LicenceVerdict;
  error?: ErrorRecord;
  unmeasured?: 'profile' | 'probe';
}

function candidate(id: string, figures: Figures = {}): CandidateOutcome {
  const { accuracy = 0.8, knn = 0.7, p95 = 10, mb = 90, memory = 200, licence = 'allow', error, unmeasured } = figures;
  const score = (value: number | null) => ({ value, interval: null, rows: 100 });
  return {
    id,
    resolved: {
      candidateId: id,
      source: 'tree:x',
      revision: 'x',
      card: null,
      licence: {
        verdict: licence,
        declared: 'x',
        spdx: 'CC-BY-NC-4.0',
        reasons: ['No commercial use.'],
        howToFix: [],
        policyDigest: ref.digest,
      },
      tree: ref,
      sizeBytes: 1,
    },
    ...(unmeasured === 'profile'
      ? {}
      : {
          profile: {
            latency: { p50Ms: p95 / 2, p95Ms: p95, meanMs: p95 / 2, runs: 100, warmupRuns: 20, waitedShare: 0 },
            sizeMb: mb,
            memoryMb: memory,
            hardware: { cpu: 'x', cores: 1, arch: 'x64', runtime: 'x' },
          },
        }),
    ...(unmeasured === 'probe'
      ? {}
      : {
          probe: {
            knnAccuracy: score(knn),
            linearAccuracy: score(accuracy),
            linearMacroF1: score(accuracy),
            probe: ref,
          },
        }),
    ...(error === undefined ? {} : { error }),
  };
}

/** Of the encoders to tune; their frozen probes have the places between. */
const order = (candidates: CandidateOutcome[], limits = {}): string =>
  rankOutcomes({ candidates, selection: { ...selection, ...limits } })
    .ranking.filter(({ form }) => form === 'tune')
    .map(({ id, rank }) => `${rank === null ? '-' : (rank + 1) / 2} ${id}`)
    .join(', ');

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

  describe('with folds of the training rows', () => {
    /** Of 100 validation rows and 300 that the folds asked. */
    const folded = (id: string, validation: number, folds: number | null, figures: Figures = {}): CandidateOutcome => {
      const one = candidate(id, { ...figures, accuracy: validation });
      const crossValidated = { value: folds, interval: null, rows: 300, folds: 3 };
      if (one.probe === undefined) return one;
      return { ...one, probe: { ...one.probe, ...(folds === null ? {} : { crossValidated }) } };
    };
    // Row by row (0.74 · 100 + 0.60 · 300) / 400 is 63.5 %, (0.70 · 100 + 0.66 · 300) / 400 is 67 %.
    const [lucky, good] = [folded('lucky', 0.74, 0.6), folded('good', 0.7, 0.66)];

    it('ranks by validation rows and folds together, and says so', () => {
      assert.equal(order([lucky, good]), '1 good, 2 lucky');
      const { ranking, rule } = rankOutcomes({ candidates: [lucky, good], selection });
      const reason = (id: string) => ranking.find((one) => one.id === id)!.reasons[0]!;
      assert.match(reason('lucky'), /probe accuracy with folds 63\.5 % against 67\.0 % of good/);
      assert.match(reason('good, frozen (probe)'), /without any tuning good has probe accuracy 70\.0 %/);
      assert.match(rule, /on validation and on the folds of the training rows, row by row;/);
    });

    it('ranks by validation alone where one that may win has none, and asks nobody who may not', () => {
      assert.equal(order([lucky, good, folded('old', 0.65, null)]), '1 lucky, 2 good, 3 old');
      const slow = folded('slow', 0.65, null, { p95: 99 });
      assert.equal(order([lucky, good, slow], { maxLatencyP95Ms: 50 }), '1 good, 2 lucky, - slow');
      assert.equal(order([lucky, good, candidate('gone', { unmeasured: 'probe' })]), '1 good, 2 lucky, - gone');
      const finders = rankOutcomes({ candidates: [lucky, good], selection, by: 'neighbours' });
      assert.doesNotMatch(finders.rule, /folds|training rows/);
    });

    it('ranks finders by what neighbours find for validation and for training rows that were left out, never by a probe', () => {
      const finder = (id: string, validation: number, leftOut: number | null): CandidateOutcome => {
        // Its probe says the opposite of its neighbours.
        const one = folded(id, 1 - validation, 1 - validation, { knn: validation });
        const knnLeaveOneOut = { value: leftOut, interval: null, rows: 300 };
        if (one.probe === undefined) return one;
        return { ...one, probe: { ...one.probe, ...(leftOut === null ? {} : { knnLeaveOneOut }) } };
      };
      const ranked = (...candidates: CandidateOutcome[]) => rankOutcomes({ candidates, selection, by: 'neighbours' });
      const told = ranked(finder('lucky', 0.74, 0.6), finder('good', 0.7, 0.66));
      assert.equal(told.winner, 'good');
      assert.match(told.ranking[1]!.reasons[0]!, /accuracy with training rows 63\.5 % against 67\.0 % of good/);
      assert.match(told.rule, /on validation and on training rows, each asked of all the others, row by row;/);
      assert.equal(
        ranked(finder('lucky', 0.74, 0.6), finder('old', 0.7, null)).winner,
        'lucky',
        'one was never asked so',
      );
      const twins = ranked(finder('remembers', 0.4, 0.9), finder('generalises', 0.75, 0.67));
      assert.equal(twins.winner, 'generalises');
      assert.match(twins.rule, /Training rows do not count: remembers does better on them/);
    });

    describe('where neighbours have few rows a label to go by', () => {
      /** Of 300 validation rows, and of training rows that were left out one by one. */
      const finder = (
        id: string,
        validation: number,
        { p95, leftOut }: { p95: number; leftOut: NonNullable<EncoderProbe['knnLeaveOneOut']> },
      ): CandidateOutcome => {
        const one = candidate(id, { p95 });
        if (one.probe === undefined) return one;
        const knnAccuracy = { value: validation, interval: null, rows: 300 };
        return { ...one, probe: { ...one.probe, knnAccuracy, knnLeaveOneOut: leftOut } };
      };
      type LeftOut = NonNullable<EncoderProbe['knnLeaveOneOut']>;
      const leftOut = (value: number | null, rows: number, more: Partial<LeftOut> = {}): LeftOut => ({
        value,
        interval: null,
        rows,
        ...more,
      });
      /** One that is 6 points better, and one that is four times as fast. */
      const chosen = (good: LeftOut, fast: LeftOut) => {
        const candidates = [
          finder('good', 0.9, { p95: 40, leftOut: good }),
          finder('fast', 0.84, { p95: 10, leftOut: fast }),
        ];
        return rankOutcomes({ candidates, selection, by: 'neighbours' });
      };

      it('chooses by validation where a gallery has one a label, and says why', () => {
        const none = leftOut(null, 0, { askable: { rows: 0, of: 5000, others: 5 } });
        const { winner, rule, ranking } = chosen(none, none);
        assert.equal(winner, 'good');
        assert.match(rule, /on validation; all within 1 points .* Training rows do not count: only 0 of 5000 have a/);
        assert.match(ranking[1]!.reasons[0]!, /accuracy 84\.0 % against 90\.0 % of good, more than 1 points below/);
      });

      it('chooses by validation where rows that could be asked are not nearly all: validation has the other labels, too', () => {
        const part = (rows: number) => leftOut(0.86, 850, { askable: { rows, of: 1000, others: 5 } });
        // Row by row of 1,150 the better one would lead by 1.6 points.
        assert.match(chosen(part(850), part(850)).rule, /only 850 of 1000 have a label with 5 others/);
        assert.match(chosen(part(900), part(900)).rule, /on training rows, each asked of all the others, row by row/);
      });

      it('chooses by validation where the candidates together do worse on training rows, beyond chance', () => {
        // As it was recorded when every row was asked: nothing of one row a label is ever right, and 6 points were 0.7.
        const { winner, rule } = chosen(leftOut(0, 2000), leftOut(0, 2000));
        assert.equal(winner, 'good');
        assert.match(rule, /Training rows do not count: on average 0\.0 % of them are right and 87\.0 % of validation/);
        // Two rows a label; then ten, where both do nearly as well.
        assert.equal(chosen(leftOut(0.56, 2000), leftOut(0.555, 2000)).winner, 'good');
        assert.match(chosen(leftOut(0.88, 2000), leftOut(0.82, 2000)).rule, /row by row/);
      });

      it('counts training rows where one alone does worse on them: it was lucky on validation', () => {
        const lucky = finder('lucky', 0.9, { p95: 10, leftOut: leftOut(0.8, 2000) });
        const steady = ['a', 'b', 'c'].map((id) => finder(id, 0.84, { p95: 10, leftOut: leftOut(0.84, 2000) }));
        const { winner, rule } = rankOutcomes({ candidates: [lucky, ...steady], selection, by: 'neighbours' });
        assert.equal(winner, 'a');
        assert.doesNotMatch(rule, /do not count/);
      });
    });

    it('ranks by validation alone where one does better on the folds beyond chance: it has seen twins of their rows', () => {
      const [remembers, generalises] = [folded('remembers', 0.4, 0.9), folded('generalises', 0.75, 0.67)];
      assert.equal(order([remembers, generalises]), '1 generalises, 2 remembers');
      const { rule } = rankOutcomes({ candidates: [remembers, generalises], selection });
      assert.match(rule, /The folds of the training rows do not count: remembers does better on them/);
    });

    it('counts the folds of probes only where nearly all rows have a label that another one has, and says so', () => {
      // As the draw that was lucky on validation and the better one above.
      const rare = (id: string, validation: number, folds: number, rows: number): CandidateOutcome => {
        const one = folded(id, validation, folds);
        const askable = { rows, of: 300, others: 1 };
        const crossValidated = { value: folds, interval: null, rows, folds: 3, askable };
        return one.probe === undefined ? one : { ...one, probe: { ...one.probe, crossValidated } };
      };
      const candidates = (rows: number) => [rare('lucky', 0.74, 0.6, rows), rare('good', 0.7, 0.66, rows)];
      assert.equal(order(candidates(285)), '1 good, 2 lucky');
      assert.equal(order(candidates(260)), '1 lucky, 2 good');
      const { rule } = rankOutcomes({ candidates: candidates(260), selection });
      assert.match(rule, /The folds of the training rows do not count: only 260 of 300 have a label with another row/);
      // Of those that 285 of 300 have, 0.79 at most may be right on validation; of all, 0.75.
      const kind = (one: CandidateOutcome) => rankOutcomes({ candidates: [one], selection }).rule;
      assert.match(kind(folded('kind', 0.75, 0.88)), /kind does better on them than on validation/);
      assert.doesNotMatch(kind(rare('kind', 0.75, 0.88, 285)), /do not count/);
    });

    it('counts no folds where they are of every row for one and of askable rows for another, and says so: the same answers were three points apart', () => {
      const known = (id: string, rows: number, askable?: { rows: number; of: number; others: number }) => {
        const one = folded(id, 0.7, 0);
        const crossValidated = { value: 180 / rows, interval: null, rows, folds: 3, ...(askable && { askable }) };
        return one.probe === undefined ? one : { ...one, probe: { ...one.probe, crossValidated } };
      };
      const old = known('old', 300);
      const fresh = known('fresh', 272, { rows: 272, of: 300, others: 1 });
      const ruleOf = (...candidates: CandidateOutcome[]) => rankOutcomes({ candidates, selection }).rule;
      const rule = ruleOf(old, fresh);
      assert.match(rule, /accuracy on validation; all within/);
      assert.match(rule, /do not count: not the same ones were asked of all \(old all, fresh 272 of 300\)/);
      const { ranking } = rankOutcomes({ candidates: [old, fresh], selection });
      assert.doesNotMatch(ranking.map(({ reasons }) => reasons.join()).join(), /Less accurate/);
      // Draws that are unlike; who may not win is not asked.
      const other = known('other', 280, { rows: 280, of: 300, others: 1 });
      assert.match(ruleOf(other, fresh), /not the same ones/);
      const denied = candidate('denied', { licence: 'deny' });
      assert.doesNotMatch(ruleOf(denied.resolved ? { ...old, resolved: denied.resolved } : old, fresh), /do not count/);
      // Where every row is askable there is nothing that one has and the other has not.
      assert.match(ruleOf(old, known('all', 300, { rows: 300, of: 300, others: 1 })), /row by row/);
      assert.match(ruleOf(fresh, known('like', 272, { rows: 272, of: 300, others: 1 })), /row by row/);
    });

    it('leaves nobody out of the prototypes for what the folds say', () => {
      const interval = (value: number) => ({ low: value - 0.04, high: value + 0.04, confidence: 0.95 });
      const measured = (id: string, validation: number, folds: number): CandidateOutcome => {
        const one = folded(id, validation, folds);
        const linearAccuracy = { value: validation, interval: interval(validation), rows: 100 };
        return one.probe === undefined ? one : { ...one, probe: { ...one.probe, linearAccuracy } };
      };
      const { shortlist } = rankOutcomes({ candidates: [measured('a', 0.8, 0.8), measured('b', 0.8, 0.6)], selection });
      assert.deepEqual(shortlist, ['a', 'b']);
    });

    it('does not take training rows for too kind where the rare labels that only validation has explain it', () => {
      const counted = (training: number, askable: number) => {
        const validation = { value: 0.864, interval: null, rows: 1000 };
        const others = { value: training, interval: null, rows: 2000, askable: { rows: askable, of: 8000, others: 5 } };
        return foldsCount([{ id: 'one', validation, training: others }], 'neighbours');
      };
      // 9 % of the rows are half right, the others nine tenths.
      assert.deepEqual(counted(0.9, 7300), { count: true });
      assert.deepEqual(counted(0.9, 8000), { count: false, tooKind: 'one' });
      assert.deepEqual(counted(0.99, 7300), { count: false, tooKind: 'one' });
    });

    it('takes training rows that are as good as validation for too kind, and for too poor, one time in two hundred each', () => {
      const random = seededRandom(3);
      const right = (rows: number) =>
        Array.from({ length: rows }, () => random.uniform() < 0.7).filter(Boolean).length / rows;
      const draws = 4000;
      const found = { tooKind: 0, tooPoor: 0 };
      for (let draw = 0; draw < draws; draw++) {
        const validation = { value: right(200), interval: null, rows: 200 };
        const training = { value: right(500), interval: null, rows: 500 };
        const { tooKind, tooPoor } = foldsCount([{ id: 'one', validation, training }], 'neighbours');
        found.tooKind += Number(tooKind !== undefined);
        found.tooPoor += Number(tooPoor !== undefined);
      }
      for (const [why, times] of Object.entries(found))
        assert.ok(times > 0.002 * draws && times < 0.009 * draws, `${why}: ${times} of ${draws}`);
    });
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
