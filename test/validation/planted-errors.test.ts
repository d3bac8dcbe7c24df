import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { PlantedErrors, Score } from '../../activities/contract/measures.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { findLabelErrors } from '../../activities/validation/label-quality.ts';
import { findSetErrors } from '../../activities/validation/multi-label/label-errors.ts';
import { mislabellings, plantErrors, smallestShareSeen } from '../../activities/validation/planted-errors.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';

const limit = { max: 0.25, severity: 'warn' } as const;
const judged = (score: Score) => judgeGate('labelErrors', GATE_TABLE.labelErrors, score, limit);
const shareOf = (count: number, rows: number): Score => ({
  value: count / rows,
  interval: wilsonInterval(count, rows),
  rows,
});

/** Rows about three directions: `noise` of 3 leaves hardly a direction. */
function clouds(rows: number, noise: number) {
  const random = seededRandom(5, 1);
  const classes = Int32Array.from({ length: rows }, (_, row) => row % 3);
  const embeddings = Float32Array.from({ length: rows * 8 }, (_, at) => {
    return Number(at % 8 === classes[Math.floor(at / 8)]!) + noise * random.normal();
  });
  return { classes, embeddings };
}
const settings = { dimension: 8, classes: 3, l2: 10, seed: 7 };

describe('labels that are made wrong', () => {
  const classes = Int32Array.from({ length: 2000 }, (_, row) => (row < 1800 ? 4 : row < 1980 ? 7 : 9));
  const counts = (given: Int32Array) => [4, 7, 9].map((label) => given.filter((one) => one === label).length);

  it('are about as many as are asked for, and stay as common as they were in one way, and not in the other', () => {
    const [byMix, evenly] = mislabellings(classes).map((wrong) => wrong(0.5, seededRandom(1)));
    for (const given of [byMix!, evenly!]) {
      const changed = given.filter((label, row) => label !== classes[row]).length;
      ok(Math.abs(changed - 1000) < 80, `${changed}`);
      ok(given.every((label) => [4, 7, 9].includes(label)));
    }
    // Of 900 common ones nine in ten are called the second most common label in the one way, and half in the other.
    ok(counts(byMix!)[2]! < 130 && counts(evenly!)[2]! > 400, `${counts(byMix!).join()} ${counts(evenly!).join()}`);
  });

  it('are none where all labels are one', () => {
    const one = new Int32Array(20).fill(3);
    for (const wrong of mislabellings(one)) deepEqual(wrong(0.9, seededRandom(1)), one);
  });
});

describe('what plantings show', () => {
  const random = seededRandom(3);
  /** As if each planted row were accused where a coin says so. */
  const accusing = (power: number) => (share: number) =>
    shareOf(Array.from({ length: 400 }, () => random.uniform() < power * share).filter(Boolean).length, 400);
  const plan = { shares: [0.1, 0.2, 0.3, 0.4, 0.5], repeats: 4, seed: 1, stream: 1 };

  it('is seen in 95 of 100 further ones from the share on that is named', async () => {
    let [seen, below] = [0, 0];
    for (let draw = 0; draw < 200; draw++) {
      const plant = accusing(0.9);
      const share = smallestShareSeen(await plantErrors('here', [plant], plan), 0.25)!;
      seen += Number(plant(share).interval!.low > 0.25);
      below += Number(plant(share - 0.08).interval!.low > 0.25);
    }
    // 95 of 100 and three standard errors; a share that is clearly smaller is often missed.
    ok(seen >= 180, `${seen}`);
    ok(below < 120, `${below}`);
  });

  it('is of several ways to plant the one that is seen least, and nothing where nothing is measured', async () => {
    const both = await plantErrors('here', [accusing(1), accusing(0.1)], plan);
    equal(smallestShareSeen(both, 0.25), null);
    const nothing = await plantErrors('here', [() => ({ value: null, interval: null, rows: 0 })], plan);
    deepEqual(
      nothing.seen.map(({ judged: low }) => low),
      [0, 0, 0, 0, 0],
    );
  });
});

describe('a gate that tried which wrong labels it sees', () => {
  const planted = (...lows: number[]): PlantedErrors => ({
    into: 'into training rows',
    seen: lows.map((low, at) => ({ share: (at + 1) / 10, judged: low })),
  });
  const clean = shareOf(5, 200);

  it('says which share it would have passed as well, and keeps its verdict', () => {
    const gate = judged({
      ...clean,
      planted: [planted(0.05, 0.2, 0.3), { ...planted(0, 0.1), into: 'into test rows alone' }],
    });
    equal(gate.verdict, 'pass');
    match(
      gate.reason,
      /; of wrong labels planted by lot those below about 0\.25 into training rows, and not even 0\.2 into test rows alone may not be seen$/,
    );
    equal(JSON.stringify(gate.score).includes('planted'), false, 'it is told, not kept twice');
  });

  it('does not pass where it would not have seen what plainly breaks its limit', () => {
    const late = judged({ ...clean, planted: [planted(0, 0.02, 0.1, 0.2, 0.3)] });
    deepEqual([late.verdict, late.measured !== null], ['off', true]);
    match(
      late.reason,
      /^labelErrors could not judge these labels: .* a share of 0\.4 would not be seen, only from about 0\.45 on; it is 0\.025 on 200 rows/,
    );
    const never = judged({ ...clean, planted: [planted(0, 0.02, 0.1, 0.2)] });
    match(never.reason, /a share of 0\.4 would not be seen; it is/);
  });

  it('that warns has shown a defect, whatever it would not have seen', () => {
    const gate = judged({ ...shareOf(120, 200), planted: [planted(0, 0)] });
    equal(gate.verdict, 'warn');
    ok(!gate.reason.includes('planted'), gate.reason);
  });

  it('passes clean rows that features tell apart, and cannot judge so few that four in ten wrong would not be shown', async () => {
    const told = await findLabelErrors(clouds(400, 0.2), settings);
    const gate = judged(told.score);
    equal(gate.verdict, 'pass', gate.reason);
    const share = smallestShareSeen(told.score.planted![0]!, limit.max)!;
    ok(share > 0.25 && share < 0.4, `${share}`);
    equal(judged((await findLabelErrors(clouds(30, 0.2), settings)).score).verdict, 'off');
  });

  it('plants whole sets where rows have several labels', async () => {
    const { embeddings, classes } = clouds(300, 0.2);
    const targets = Uint8Array.from({ length: 900 }, (_, at) => Number(classes[Math.floor(at / 3)] === at % 3));
    const { score } = await findSetErrors({ embeddings, targets }, { dimension: 8, labels: 3, l2: 10, seed: 7 });
    const seen = score.planted![0]!.seen.map(({ judged: low }) => low);
    deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
      'the more are wrong, the more is shown',
    );
    equal(judged(score).verdict === 'warn', false);
  });
});
