import { equal, match, ok } from 'node:assert/strict';
import type { Score } from '../../activities/contract/measures.ts';
import { retrievalVerdict } from '../../activities/retrieval/judge-retrieval.ts';
import { differenceInOneMix } from '../../activities/retrieval/one-mix.ts';
import { withSmallestSeen } from '../../activities/retrieval/smallest-seen.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import { RetrievalGatesSchema } from '../../pipelines/definition/retrieval.ts';
import { retrieval } from '../support/retrieval-facts.ts';

const gates = RetrievalGatesSchema.parse({});
type Gate = 'validationTestGap' | 'galleryTestGap' | 'labelErrors';
const judged = (name: Gate, score: Score) =>
  retrievalVerdict({ measures: { ...retrieval.measures, [name]: score }, gates }).gates.find(
    (gate) => gate.name === name,
  )!;
const shares = (right: number, rows: number) => ({
  figures: Float64Array.from({ length: rows }, (_, at) => Number(at < right)),
  classes: new Int32Array(rows),
});
const wrongOf = (count: number, rows: number): Score => ({
  value: count / rows,
  interval: wilsonInterval(count, rows, 0.975),
  rows,
});
const sizeIn = (reason: string): number => Number(/below (0\.\d+) is not seen$/.exec(reason)![1]);

describe('the smallest defect that so few pictures show', () => {
  it('is named where a gap passes, smaller with more pictures', () => {
    const few = judged('validationTestGap', differenceInOneMix(shares(38, 40), shares(38, 40)));
    const many = judged('validationTestGap', differenceInOneMix(shares(1900, 2000), shares(1900, 2000)));
    match(few.reason, /; with these 40 test pictures a gap below 0\.\d+ is not seen$/);
    ok(sizeIn(few.reason) > 0.12 && sizeIn(few.reason) < 0.25, few.reason);
    ok(sizeIn(many.reason) >= 0.05 && sizeIn(many.reason) < 0.07, many.reason);
  });

  it('is passed by every gap below it', () => {
    const withLost = (lost: number) =>
      judged('validationTestGap', differenceInOneMix(shares(38, 40), shares(38 - lost, 40)));
    const unseen = sizeIn(withLost(0).reason) * 40;
    for (let lost = 0; lost < unseen; lost++) equal(withLost(lost).verdict, 'pass', String(lost));
    equal(withLost(18).verdict, 'warn');
  });

  it('is the first share of wrong labels that warns, of as many pictures', () => {
    const { reason } = judged('labelErrors', wrongOf(1, 60));
    match(reason, /; with these 60 pictures whose neighbours agree a share below/);
    const first = [...Array(61).keys()].find((count) => judged('labelErrors', wrongOf(count, 60)).verdict === 'warn')!;
    equal(sizeIn(reason), Math.floor((100 * first) / 60) / 100);
  });

  it('is none where not even a defect of all pictures would be shown', () => {
    const few = { ...judged('labelErrors', wrongOf(0, 10)), threshold: 0.8 };
    match(withSmallestSeen(few).reason, /with these 10 pictures whose neighbours agree no share is seen$/);
    const wide: Score = { value: 0, interval: { low: -0.98, high: 0.98, confidence: 0.95 }, rows: 2 };
    match(judged('galleryTestGap', wide).reason, /; with these 2 test pictures no gap is seen$/);
  });

  it('is not told where a gate warned, was not measured, or is another', () => {
    const shown = judged('galleryTestGap', {
      value: 0.4,
      interval: { low: 0.3, high: 0.5, confidence: 0.95 },
      rows: 90,
    });
    equal(shown.verdict, 'warn');
    const none = judged('labelErrors', {
      value: null,
      interval: null,
      rows: 0,
      notApplicable: 'neighbours do not agree',
    });
    const other = retrievalVerdict({ measures: retrieval.measures, gates }).gates.find(
      ({ name }) => name === 'recallAtK',
    )!;
    for (const gate of [shown, none, other]) equal(withSmallestSeen(gate).reason, gate.reason);
    for (const { reason } of [shown, none, other]) ok(!reason.includes('is not seen'), reason);
  });
});
