import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { PlantedErrors, Score } from '../../activities/contract/measures.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { findLabelErrors } from '../../activities/validation/label-quality.ts';
import { exchangeSets, findSetErrors } from '../../activities/validation/multi-label/label-errors.ts';
import { mislabellings, plantErrors, sharesSeen, type SharesSeen } from '../../activities/validation/planted-errors.ts';
import { seededRandom, type Random } from '../../activities/validation/random.ts';
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
      const share = sharesSeen(await plantErrors('here', [plant], plan), 0.25)!.from;
      seen += Number(plant(share).interval!.low > 0.25);
      below += Number(plant(share - 0.08).interval!.low > 0.25);
    }
    // 95 of 100 and three standard errors; a share that is clearly smaller is often missed.
    ok(seen >= 180, `${seen}`);
    ok(below < 120, `${below}`);
  });

  it('is of several ways to plant the one that is seen least, and nothing where nothing is measured', async () => {
    const both = await plantErrors('here', [accusing(1), accusing(0.1)], plan);
    equal(sharesSeen(both, 0.25), null);
    const nothing = await plantErrors('here', [() => ({ value: null, interval: null, rows: 0 })], plan);
    deepEqual(
      nothing.seen.map(({ judged: low }) => low),
      [0, 0, 0, 0, 0],
    );
  });
});

describe('what many plantings show', () => {
  const many = { shares: [0.2], repeats: 39, seed: 1, stream: 1 };
  const lowOf = (low: number): Score => ({ value: low, interval: { low, high: 1, confidence: 0.95 }, rows: 100 });

  it('is one of theirs: of 39 the second smallest is reached by 95 of 100 further ones, the eighth by 80', async () => {
    let at = 0;
    const { seen } = await plantErrors('here', [() => lowOf(((17 * at++) % 39) / 100)], many);
    deepEqual([seen[0]!.judged, seen[0]!.mostly], [0.01, 0.07]);
  });

  it('is so whatever they are like: of a measure that now and then says nothing as often as of any other', async () => {
    for (const silent of [0, 0.02, 0.1]) {
      const random = seededRandom(9);
      const plant = (): Score => lowOf(random.uniform() < silent ? 0 : 0.3 + 0.1 * random.uniform() ** 4);
      let [judged, mostly] = [0, 0];
      for (let draw = 0; draw < 600; draw++) {
        const { seen } = await plantErrors('here', [plant], many);
        const { low } = plant().interval!;
        judged += Number(low >= seen[0]!.judged);
        mostly += Number(low >= seen[0]!.mostly!);
      }
      // Five standard errors; of a tenth that say nothing, ties are reached, too.
      ok(judged >= 0.95 * 600 - 27 && (silent > 0.05 || judged <= 0.95 * 600 + 27), `${judged}`);
      ok(mostly >= 0.8 * 600 - 49 && mostly <= 0.8 * 600 + 49, `${mostly}`);
    }
  });
});

describe('shares that are seen', () => {
  const planted = (...seen: (readonly [judged: number, mostly?: number])[]): PlantedErrors => ({
    into: 'into training rows',
    seen: seen.map(([low, mostly], at) => ({
      share: (at + 1) / 10,
      judged: low,
      ...(mostly === undefined ? {} : { mostly }),
    })),
  });

  const rounded = (seen: SharesSeen | null) =>
    seen && { from: Number(seen.from.toFixed(6)), to: seen.to && Number(seen.to.toFixed(6)) };

  it('end where more wrong labels leave nobody to tell them', () => {
    deepEqual(rounded(sharesSeen(planted([0], [0.5], [1], [0], [1]), 0.25)), { from: 0.15, to: 0.375 });
    deepEqual(rounded(sharesSeen(planted([0], [0.5], [1]), 0.25)), { from: 0.15, to: null });
    equal(sharesSeen(planted([0.1], [0.2]), 0.25), null);
  });

  it('are those that four plantings of five show, where that is asked, and of measures from before it was what 95 of 100 do', () => {
    const both = planted([0, 0], [0.2, 0.5]);
    deepEqual([sharesSeen(both, 0.25), rounded(sharesSeen(both, 0.25, 'mostly'))], [null, { from: 0.15, to: null }]);
    deepEqual(sharesSeen(planted([0.2], [0.3]), 0.25, 'mostly'), sharesSeen(planted([0.2], [0.3]), 0.25));
  });

  it('are told: up to which share, and what is seen four times in five where nothing nearly always is', () => {
    const clean = shareOf(5, 200);
    const upTo = judged({ ...clean, planted: [planted([0.1], [0.3], [0.4], [0.4], [0.1])] });
    match(upTo.reason, /planted by lot those below about 0\.18 or above 0\.45 into training rows may not be seen$/);
    const mostly = judged({ ...clean, planted: [planted([0, 0.1], [0.1, 0.2], [0.2, 0.3], [0.2, 0.4], [0, 0.1])] });
    equal(mostly.verdict, 'pass', mostly.reason);
    match(
      mostly.reason,
      /planted by lot any share into training rows \(seen four times in five from about 0\.25 to 0\.45\) may not be seen$/,
    );
    // Four labels in ten plainly break the limit of a quarter: they are not seen any more.
    const early = judged({ ...clean, planted: [planted([0, 0.1], [0.1, 0.3], [0.2, 0.3], [0, 0.1], [0, 0])] });
    equal(early.verdict, 'off', early.reason);
    match(early.reason, /a share of 0\.4 would not be seen four times in five, only from about 0\.18 to 0\.32; it is/);
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
      /; of wrong labels planted by lot those below about 0\.25 into training rows, and even a share of 0\.2 into test rows alone, the most that was planted, may not be seen$/,
    );
    equal(JSON.stringify(gate.score).includes('planted'), false, 'it is told, not kept twice');
  });

  it('does not pass where it would not have seen what plainly breaks its limit', () => {
    const late = judged({ ...clean, planted: [planted(0, 0.02, 0.1, 0.2, 0.3)] });
    deepEqual([late.verdict, late.measured !== null], ['off', true]);
    match(
      late.reason,
      /^labelErrors could not judge these labels: .* a share of 0\.4 would not be seen four times in five, only from about 0\.45 on; it is 0\.025 on 200 rows/,
    );
    const never = judged({ ...clean, planted: [planted(0, 0.02, 0.1, 0.2)] });
    match(never.reason, /a share of 0\.4 would not be seen four times in five; it is/);
  });

  it('claims nothing of a share that was not planted: it passes, and says what was planted and is not seen', () => {
    for (const max of [0.45, 0.9]) {
      const gate = judgeGate(
        'labelErrors',
        GATE_TABLE.labelErrors,
        { ...clean, planted: [planted(0, 0.1, 0.2, 0.3, 0.4)] },
        { max, severity: 'warn' },
      );
      equal(gate.verdict, 'pass', gate.reason);
      match(
        gate.reason,
        /; of wrong labels planted by lot even a share of 0\.5 into training rows, the most that was planted, may not be seen$/,
      );
    }
    // What was planted and plainly breaks the limit must have been seen.
    const blind = { ...clean, planted: [planted(0, 0.1, 0.2, 0.2, 0.3)] };
    equal(judgeGate('labelErrors', GATE_TABLE.labelErrors, blind, { max: 0.35, severity: 'warn' }).verdict, 'off');
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
    const share = sharesSeen(told.score.planted![0]!, limit.max)!.from;
    ok(share > 0.25 && share < 0.4, `${share}`);
    equal(judged((await findLabelErrors(clouds(30, 0.2), settings)).score).verdict, 'off');
  });

  it('passes a limit of half the labels, above which nothing is planted', async () => {
    const { score } = await findLabelErrors(clouds(400, 0.2), settings);
    const gate = judgeGate('labelErrors', GATE_TABLE.labelErrors, score, { max: 0.5, severity: 'warn' });
    equal(gate.verdict, 'pass', gate.reason);
  });
});

/** Rows that show plainly which labels they have: each number is whether one is there, and some noise. */
function separable(rows: number, labels: number, has: (row: number, label: number, random: Random) => boolean) {
  const random = seededRandom(5, 1);
  const targets = Uint8Array.from({ length: rows * labels }, (_, at) =>
    Number(has(Math.floor(at / labels), at % labels, random)),
  );
  const embeddings = Float32Array.from({ length: rows * 8 }, (_, at) => {
    const [row, number] = [Math.floor(at / 8), at % 8];
    return (number < labels ? targets[row * labels + number]! : 0) + 0.2 * random.normal();
  });
  return { targets, embeddings };
}

describe('a gate of several labels that tried which wrong ones it sees', () => {
  const ask = async (rows: ReturnType<typeof separable>, labels: number) => {
    const { score } = await findSetErrors(rows, { dimension: 8, labels, l2: 10, seed: 7 });
    return { gate: judged(score), planted: score.planted![0]!, seen: score.planted![0]!.seen };
  };

  for (const count of [300, 1000]) {
    it(`passes ${count} plain rows of one label each, and names a share that it would see`, async () => {
      const { gate, planted, seen } = await ask(
        separable(count, 3, (row, label) => row % 3 === label),
        3,
      );
      equal(gate.verdict, 'pass', gate.reason);
      const lows = seen.map(({ judged: low }) => low);
      deepEqual(
        lows,
        lows.toSorted((a, b) => a - b),
        'the more are wrong, the more is shown',
      );
      const least = sharesSeen(planted, limit.max)!.from;
      ok(least > 0.25 && least < 0.4, `${least}`);
      match(gate.reason, /those below about 0\.3\d into the sets of training rows may not be seen$/);
    });
  }

  it('passes plain rows of two labels that each half of them have, though most wrong sets are partly right', async () => {
    const { gate } = await ask(
      separable(1000, 2, (_, __, random) => random.uniform() < 0.5),
      2,
    );
    equal(gate.verdict, 'pass', gate.reason);
  });

  it('passes plain rows that nearly all have the same set, and says how little can be made wrong there', async () => {
    const { gate, seen } = await ask(
      separable(1000, 2, (_, __, random) => random.uniform() < 0.9),
      2,
    );
    ok(seen.at(-1)!.share < 0.25, JSON.stringify(seen));
    equal(gate.verdict, 'pass', gate.reason);
    match(gate.reason, /even a share of 0\.\d+ into the sets of training rows, the most that was planted, may not/);
  });
});

describe('sets of labels that rows exchange', () => {
  const random = seededRandom(2, 3);
  const mixed = Array.from({ length: 400 }, () =>
    Uint8Array.from([0.5, 0.3, 0.1], (p) => Number(random.uniform() < p)),
  );
  const sparse = Array.from({ length: 400 }, (_, row) => Uint8Array.from([Number(row % 10 === 0), 0, 0]));
  const asString = (sets: readonly Uint8Array[]) => sets.map(String).toSorted();

  it('are wrong by the share that is asked for, in the measure’s own count, and stay as common as they were', () => {
    for (const own of [mixed, sparse]) {
      for (const share of [0.1, 0.3, 0.5]) {
        const { sets, wrong } = exchangeSets(own, [0, 1, 2], { share, random });
        deepEqual(asString(sets), asString(own));
        // By hand: of the rows that have a label, before or after, what is not in both.
        const lost = own.flatMap((set, row) => {
          const other = sets[row]!;
          const either = set.filter((one, label) => one + other[label]! > 0).length;
          return either === 0 ? [] : [1 - set.filter((one, label) => one * other[label]! > 0).length / either];
        });
        const mean = lost.reduce((sum, one) => sum + one, 0) / lost.length;
        ok(Math.abs(mean - wrong) < 1e-9 && Math.abs(wrong - share) < 0.05, `${share}: ${wrong}, ${mean}`);
      }
    }
  });

  it('count only in the labels that are asked, and are none where all rows have one set', () => {
    const other = exchangeSets(sparse, [1, 2], { share: 0.5, random });
    deepEqual([asString(other.sets), other.wrong], [asString(sparse), 0]);
    deepEqual(other.sets, sparse);
  });
});
