import { deepEqual, equal, match } from 'node:assert/strict';
import { array, assert as hold, integer, property, tuple } from 'fast-check';
import type { Run } from '../../workflows/run.ts';
import { RunBudget } from '../../workflows/run-budget.ts';
import { Waits } from '../../workflows/waits.ts';

type Span = readonly [fromMs: number, untilMs: number | undefined];

function within(spans: readonly Span[], fromMs: number, toMs: number): number {
  const waits = new Waits();
  for (const [place, [from, until]] of spans.entries()) {
    waits.begin(`${place}`, from);
    if (until !== undefined) waits.end(`${place}`, until);
  }
  return waits.within(fromMs, toMs);
}

describe('the time that a run waited', () => {
  const rows: readonly [what: string, spans: readonly Span[], waited: number][] = [
    ['none', [], 0],
    ['one wait', [[20, 30]], 10],
    ['one that lasts', [[90, undefined]], 10],
    ['two apart', [[20, 30], [50, 55]], 15],
    ['two side by side, once', [[20, 40], [30, 50]], 30],
    ['one inside of another', [[20, 60], [30, 40]], 40],
    ['only what is of the run', [[-50, 10], [95, 200]], 15],
    ['nothing where a clock ran backwards', [[40, 30]], 0],
  ]; // prettier-ignore
  for (const [what, spans, waited] of rows) {
    it(`counts ${what}`, () => equal(within(spans, 0, 100), waited));
  }

  it('is the number of its moments in which anything was waited for', () => {
    const moment = integer({ min: -20, max: 120 });
    hold(
      property(array(tuple(moment, moment), { maxLength: 6 }), (spans) => {
        const moments = Array.from({ length: 100 }, (_, at) => at);
        const waited = moments.filter((at) => spans.some(([from, until]) => from <= at && at < until)).length;
        return within(spans, 0, 100) === waited;
      }),
    );
  });

  it('goes on where a wait of a name begins twice, and can begin anew after its end', () => {
    const waits = new Waits();
    waits.begin('people', 10);
    waits.begin('people', 20);
    waits.end('people', 30);
    waits.end('people', 40);
    waits.begin('people', 50);
    deepEqual([waits.within(0, 45), waits.within(0, 60)], [20, 30]);
  });

  it('is no time of its budget, for people or for a machine of a class that is not there', async () => {
    const hours = 60 * 60 * 1000;
    const startedMs = Date.now() - 3 * hours;
    const run = {
      startedAt: new Date(startedMs).toISOString(),
      pipeline: { budget: { time: '1h' } },
      engine: { facts: () => [] },
    } as unknown as Run;
    match((await new RunBudget(run).ended()) ?? '', /the time budget of 1h had ended/);
    const waiting = new RunBudget(run);
    waiting.waits.begin('machine for evaluate', startedMs + 0.2 * hours);
    equal(await waiting.ended(), undefined, 'while it lasts, too');
    waiting.waits.end('machine for evaluate', startedMs + 1.5 * hours);
    match((await waiting.ended()) ?? '', /had ended/);
    waiting.waits.begin('people', startedMs + 2 * hours);
    equal(await waiting.ended(), undefined);
  });
});
