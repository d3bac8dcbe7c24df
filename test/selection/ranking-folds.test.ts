import assert from 'node:assert/strict';
import { foldsCount } from '../../activities/selection/pooled.ts';
import { rankOutcomes } from '../../activities/selection/ranking.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import type { CandidateOutcome, EncoderProbe } from '../../activities/contract/selection.ts';
import { candidate, order, selection, type Figures } from '../support/candidates.ts';

describe('the ranking of candidates', () => {
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
});
