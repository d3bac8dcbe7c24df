import { deepEqual, equal, match, ok, rejects, throws } from 'node:assert/strict';
import { profileEncoder } from '../../activities/selection/profile-encoder.ts';
import {
  isBusy,
  MOST_WAITED,
  requireTold,
  saysNothing,
  timedAnswer,
  timedLatency,
  timeScore,
  type Timed,
} from '../../activities/selection/busy-machine.ts';
import { timePatiently } from '../../activities/selection/time-patiently.ts';
import { profileGenerator } from '../../activities/generation/profile-generator.ts';
import { evaluateGenerator } from '../../activities/generation/evaluate-generator.ts';
import { evaluateRetrieval } from '../../activities/retrieval/evaluate-retrieval.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { judgeGates } from '../../activities/validation/gates.ts';
import { stepIdentity } from '../../activities/step.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { candidateTimes, judgedTimes } from '../../workflows/step-inputs.ts';
import { generatorInput, retrievalInput, runInput } from '../support/workflow.ts';

const BUSY = MOST_WAITED + 0.05;
const QUIET = 0.2;

describe('a time that was taken on a busy machine', () => {
  const rows: readonly [what: string, timed: Timed, nothing: boolean][] = [
    ['over its limit beside much other work', { waitedShare: BUSY, times: [[5, 3]] }, true],
    ['under it beside much other work: a machine only adds', { waitedShare: BUSY, times: [[3, 3]] }, false],
    ['over it on a quiet machine', { waitedShare: QUIET, times: [[5, 3]] }, false],
    ['over it where just as much was waited as still tells', { waitedShare: MOST_WAITED, times: [[5, 3]] }, false],
    ['over it where the machine does not tell: the clock counts', { waitedShare: null, times: [[5, 3]] }, false],
    ['that nobody set a limit for', { waitedShare: BUSY, times: [[5, undefined]] }, false],
    ['one of two over its limit', { waitedShare: BUSY, times: [[1, 3], [9, 8]] }, true],
    ['no number', { waitedShare: BUSY, times: [[Number.NaN, 3]] }, true],
    ['over it beside much other work, and computed for longer', { waitedShare: BUSY, times: [[5, 3]], least: [[3.1, 3]] }, false],
    ['over it beside much other work, and computed for no longer', { waitedShare: BUSY, times: [[5, 3]], least: [[3, 3]] }, true],
  ]; // prettier-ignore
  for (const [what, timed, nothing] of rows) {
    it(`says ${nothing ? 'nothing' : 'something'}: ${what}`, () => {
      equal(saysNothing(timed), nothing);
      if (nothing)
        throws(() => requireTold(timed), { kind: 'BusyMachine', message: /90 % of the time/, fix: /free core/ });
      else requireTold(timed);
    });
  }

  it('passes its gate where it is under the limit, and is not measured where it is over it, which does not pass, unless it computed for longer than the limit', () => {
    const verdictOf = (ms: number, share: number | null, severity: 'fail' | 'warn' = 'fail', leastMs?: number) => {
      const gates = GatesSchema.parse({ latencyP95Ms: { max: 100, severity } });
      const { gates: judged } = judgeGates(
        { latencyP95Ms: timeScore(ms, 200, { waitedShare: share, leastMs }) },
        gates,
      );
      return judged.find(({ name }) => name === 'latencyP95Ms')!;
    };
    for (const [ms, share, verdict, measured] of [
      [99, BUSY, 'pass', 99],
      [101, BUSY, 'fail', null],
      [101, QUIET, 'fail', 101],
      [101, null, 'fail', 101],
      [Number.NaN, BUSY, 'fail', null],
    ] as const) {
      const gate = verdictOf(ms, share);
      deepEqual([gate.verdict, gate.measured], [verdict, measured], `${ms} ms, ${share}`);
    }
    match(verdictOf(101, QUIET).reason, /is 101 ms, above/);
    const { reason, score, verdict } = verdictOf(101, BUSY, 'warn');
    equal(verdict, 'warn');
    match(
      reason,
      /could not be measured \(the machine was busy: 90 % of the time .* Start the run again when the machine has a free core/,
    );
    deepEqual(score, { value: null, interval: null, rows: 200 });
    ok(!('noMoreThan' in verdictOf(99, BUSY, 'fail', 40).score), 'what passed has passed');
    equal(verdictOf(120, BUSY, 'fail', 100).measured, null, 'a free machine may be within the limit');
    const slow = verdictOf(300, BUSY, 'warn', 101);
    deepEqual([slow.verdict, slow.measured], ['warn', 101]);
    match(slow.reason, /^latencyP95Ms is at least 101 ms, above the pipeline's gates.latencyP95Ms.max \(100 ms\)$/);
    equal(verdictOf(101, QUIET, 'fail', 40).measured, 101, 'a free machine has measured itself');
  });
});

describe('a model that a busy machine timed', () => {
  const quick = { pauseMs: 1, tries: 4 };
  const ask = async (
    shares: readonly number[],
    limitMs: number,
    signal = new AbortController().signal,
    leastMs = 1,
  ) => {
    const phases: string[] = [];
    let asked = 0;
    const measure = () =>
      Promise.resolve({ waitedShare: shares[Math.min(asked++, shares.length - 1)]!, p95Ms: 5, meanMs: 4, leastMs });
    const progress = ({ phase }: { readonly phase: string }) => void phases.push(phase);
    const found = await timePatiently(
      measure,
      (one) => timedLatency(one, { p95Ms: limitMs }),
      { signal, progress },
      quick,
    );
    return { asked, found, phases };
  };

  it('is timed again until the machine is quieter, and says for what it waits', async () => {
    const { asked, found, phases } = await ask([BUSY, BUSY, QUIET], 3);
    deepEqual([asked, found.waitedShare], [3, QUIET]);
    deepEqual(phases, ['waiting for a quieter moment', 'latency', 'waiting for a quieter moment', 'latency']);
  });

  it('is timed once where it is under its limit, or over it on a quiet machine', async () => {
    equal((await ask([BUSY], 5)).asked, 1);
    equal((await ask([QUIET], 3)).asked, 1);
    equal(
      (await ask([BUSY], 3, undefined, 3.5)).asked,
      1,
      'no quieter machine is waited for where any would be too slow',
    );
  });

  it('is not waited for without end, nor after the step was cancelled', async () => {
    const { asked, found } = await ask([BUSY], 3);
    deepEqual([asked, found.waitedShare], [4, BUSY]);
    await rejects(ask([BUSY], 3, AbortSignal.abort()), { name: 'AbortError' });
  });
});

describe('the steps that time a model', () => {
  const latency = { p50Ms: 4, p95Ms: 5, meanMs: 4, runs: 200, warmupRuns: 20, waitedShare: BUSY };
  const answer = { firstTokenMs: { p50: 4, p95: 5 }, msPerToken: { p50: 4, p95: 5 }, waitedShare: BUSY };
  const steps = [
    [profileEncoder, { latency }, { p95Ms: 3 }],
    [evaluateModel, { latency }, { p95Ms: 3 }],
    [evaluateRetrieval, { latency }, { p95Ms: 3 }],
    [profileGenerator, answer, { tokenMs: 3 }],
    [evaluateGenerator, answer, { firstTokenMs: 3 }],
  ] as const;
  for (const [step, output, timeLimits] of steps) {
    it(`leave what says nothing to no other run, and know a result by all but the limits: ${step.type}`, () => {
      const keeps = (limits: object) => step.keeps?.(output as never, { timeLimits: limits } as never);
      equal(keeps(timeLimits), false);
      equal(keeps({ p95Ms: 5, tokenMs: 4, firstTokenMs: 5 }), true);
      const input = { seed: 7 } as never;
      deepEqual(stepIdentity<never>(step, { ...(input as object), timeLimits } as never), { seed: 7 });
    });
  }

  it('are told the limits of their candidate and of the gates that are on', () => {
    const { pipeline } = runInput();
    const limited = { ...pipeline, selection: { ...pipeline.selection, maxLatencyP95Ms: 20 } } as typeof pipeline;
    deepEqual([candidateTimes(pipeline), candidateTimes(limited)], [{}, { timeLimits: { p95Ms: 20 } }]);
    // 3,600 for an hour is 1 for 1,000 inferences of a millisecond.
    const price = { queue: 'espalier-cpu', perHour: 3600, currency: 'EUR', source: 'a list' };
    const dear = { ...pipeline, selection: { ...pipeline.selection, maxCostPer1000: 2 } } as typeof pipeline;
    deepEqual([candidateTimes(dear, price), candidateTimes(dear)], [{ timeLimits: { meanMs: 2 } }, {}]);
    deepEqual(candidateTimes(limited, price), { timeLimits: { p95Ms: 20 } });
    deepEqual(judgedTimes(pipeline), {
      timeLimits: { p95Ms: (pipeline.gates as { latencyP95Ms: { max: number } }).latencyP95Ms.max },
    });
    const off = {
      ...pipeline,
      gates: { ...pipeline.gates, latencyP95Ms: { max: 9, severity: 'off' } },
    } as typeof pipeline;
    deepEqual(judgedTimes(off), {});
    deepEqual(Object.keys(judgedTimes(retrievalInput().pipeline).timeLimits ?? {}), ['p95Ms']);
    const generator = generatorInput().pipeline;
    deepEqual(Object.keys(judgedTimes(generator).timeLimits ?? {}), ['firstTokenMs', 'tokenMs']);
    const slow = { ...generator, selection: { ...generator.selection, maxMsPerToken: 8 } } as typeof generator;
    deepEqual([candidateTimes(generator), candidateTimes(slow)], [{}, { timeLimits: { tokenMs: 8 } }]);
  });

  it('hold an encoder to the mean that a limit of cost allows', () => {
    const cheap = timedLatency(latency, { meanMs: 4 });
    const dear = timedLatency({ ...latency, leastMs: 1 }, { meanMs: 3 });
    const shown = timedLatency({ ...latency, leastMs: 4.1 }, { meanMs: 3 });
    deepEqual([cheap, dear, shown].map(saysNothing), [false, true, false]);
    // A mean is three quarters of the lower quartile at least.
    ok(saysNothing(timedLatency({ ...latency, leastMs: 3.9 }, { meanMs: 3 })));
  });

  it('hold a generator to the time of its first token and of one after it', () => {
    ok(saysNothing(timedAnswer(answer, { firstTokenMs: 4.9 })) && saysNothing(timedAnswer(answer, { tokenMs: 3.9 })));
    ok(!saysNothing(timedAnswer(answer, { firstTokenMs: 5, tokenMs: 4 })) && !saysNothing(timedAnswer(answer)));
    const computed = { ...answer, leastMs: { firstToken: 4.9, token: 3 } };
    ok(
      !saysNothing(timedAnswer(computed, { firstTokenMs: 4.8 })) &&
        saysNothing(timedAnswer(computed, { tokenMs: 3.5 })),
    );
    ok(isBusy(BUSY) && !isBusy(QUIET) && !isBusy(null));
  });
});
