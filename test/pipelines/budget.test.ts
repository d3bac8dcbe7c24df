import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { isTraining, secondsLeft, shareLeft, unpricedBudget } from '../../pipelines/budget.ts';

const prices = { currency: 'EUR', perHour: { cpu: 2 } };
const spent = (hours: number) => ({ seconds: 0, steps: [{ queue: 'cpu', seconds: hours * 3600 }], prices });

const NO_PRICE = { currency: 'EUR', perHour: {} };

describe('a budget of money', () => {
  it('needs a price of some machine, and names its field and the file where there is none', () => {
    const priced = { currency: 'EUR', perHour: { 'espalier-gpu': 2 } };
    for (const [budget, prices, refused] of [
      [{ money: 15 }, null, true],
      [{ money: 15 }, NO_PRICE, true],
      [{ money: 15 }, { ...NO_PRICE, perHour: { 'espalier-gpu': 0 } }, true],
      [{ money: 15 }, priced, false],
      [{ time: '1h' }, null, false],
      [undefined, null, false],
    ] as const) {
      const missing = unpricedBudget(budget, prices);
      equal(missing !== undefined, refused, JSON.stringify([budget, prices]));
      if (missing !== undefined) equal(missing.where, 'budget.money');
    }
    match(unpricedBudget({ money: 15 }, null)?.fix ?? '', /ESPALIER_PRICES/);
  });
});

describe('the end of a budget', () => {
  it('is shared where pieces of work run side by side: money in equal parts, time together', () => {
    equal(secondsLeft({ money: 12 }, spent(1), 'cpu'), 5 * 3600);
    equal(secondsLeft({ money: 12 }, spent(1), 'cpu', 4), (5 / 4) * 3600);
    equal(secondsLeft({ time: '1h' }, spent(0), 'cpu', 4), 3600);
    equal(secondsLeft(undefined, spent(9), 'cpu', 2), Number.POSITIVE_INFINITY);
  });

  it('comes sooner the more devices a piece of work holds, at a price each', () => {
    equal(secondsLeft({ money: 12 }, spent(1), 'cpu', 1, 4), (5 / 4) * 3600);
    const share = { sharers: 2, reservedSeconds: 600, devices: 4 };
    equal(shareLeft({ time: '1h', money: 12 }, spent(1), 'cpu', share).together, 3000, 'time is the same for all');
    equal(shareLeft({ time: '1h', money: 12 }, spent(1), 'cpu', share).each, ((5 / 4) * 3600 - 600) / 2);
    deepEqual(['train', 'trial:1:2', 'prototype:a:1', 'trials', 'search-subset:1', 'export'].filter(isTraining), [
      'train',
      'trial:1:2',
      'prototype:a:1',
    ]);
  });

  it('leaves what is to come after them', () => {
    const share = { sharers: 4, reservedSeconds: 1800 };
    equal(shareLeft({ time: '1h', money: 12 }, spent(1), 'cpu', share).together, 1800);
    equal(shareLeft({ time: '1h', money: 12 }, spent(1), 'cpu', share).each, (5 * 3600 - 1800) / 4);
    equal(shareLeft({ money: 12 }, spent(1), 'cpu', share).together, Number.POSITIVE_INFINITY);
    equal(shareLeft({ money: 12 }, spent(1), 'gpu', share).each, Number.POSITIVE_INFINITY, 'of no price');
    equal(shareLeft({ time: '10m', money: 2 }, spent(1), 'cpu', share).together, 0);
    equal(shareLeft({ time: '10m', money: 2 }, spent(1), 'cpu', share).each, 0);
  });

  it('is never passed by pieces that begin and end in whatever order, each with its part', () => {
    for (let seed = 1; seed <= 200; seed++) {
      let state = seed;
      const below = (limit: number): number => (state = (state * 48271) % 2147483647) % limit;
      const running: number[] = [];
      let [waiting, done] = [2 + below(6), 0];
      while (waiting + running.length > 0) {
        if (waiting > 0 && (running.length === 0 || below(2) === 0)) {
          running.push(secondsLeft({ money: 100 }, spent(done), 'cpu', waiting + running.length));
          waiting -= 1;
          continue;
        }
        // It ends early or with its last second; nobody else's part has been counted yet.
        const [part] = running.splice(below(running.length), 1);
        done += ((part ?? 0) / 3600) * (below(3) === 0 ? 0.3 : 1);
      }
      ok(done <= 50 + 1e-9, `${done} hours at 2 an hour (seed ${seed})`);
    }
  });
});
