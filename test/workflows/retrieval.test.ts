import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Activities } from '../../activities/contract.ts';
import type { JudgeRetrievalInput } from '../../activities/contract/retrieval.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { runOutcome, showRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import type { RunInput } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
  fakeActivities,
  hearing,
  ref,
  replayRun,
  retrievalInput,
  untilRun,
  withWorkers,
} from '../support/workflow.ts';

describe('a run that finds pictures', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  interface Told {
    /** What each step was given, by its id. */
    readonly inputs: ReadonlyMap<string, unknown>;
    readonly skipped: readonly string[];
    readonly state: string;
    readonly reason: string;
  }

  /** Runs to the end. */
  async function given(input: RunInput, overrides: Partial<Activities> = {}): Promise<Told> {
    const { activities } = fakeActivities(overrides);
    const { heard, inputs } = hearing(activities);
    const runId = `test-${randomUUID()}`;
    return withWorkers(temporal.address, heard, async () => {
      await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
      await approveRun(temporal.client, runId, 'review', 'lena');
      const asked = await untilRun(
        temporal.client,
        runId,
        ({ state, approvals }) =>
          state === 'gates-failed' ||
          approvals.some(({ approval, state: is }) => approval === 'release' && is === 'open'),
      );
      if (asked.state !== 'gates-failed') await approveRun(temporal.client, runId, 'release', 'omar');
      const { state, reason } = await runOutcome(temporal.client, runId);
      const { steps } = await showRun(temporal.client, runId);
      await replayRun(temporal.client, runId);
      const skipped = steps.filter((step) => step.state === 'skipped').map(({ id }) => id);
      return { inputs, skipped, state, reason };
    });
  }

  const has = (value: unknown, part: object): void => {
    ok(typeof value === 'object' && value !== null);
    deepEqual(Object.fromEntries(Object.keys(part).map((key) => [key, Reflect.get(value, key)])), part);
  };

  it('indexes the encoder as it came where nothing is tuned, chosen by what its neighbours are worth', async () => {
    const { inputs, skipped, state } = await given(retrievalInput({ retrieval: { k: 3 } }));
    equal(state, 'deployed');
    deepEqual(
      ['train', 'export', 'privacy'].filter((id) => !skipped.includes(id)),
      [],
    );
    ok(!inputs.has('train') && !inputs.has('export'));
    has(inputs.get('resolve:one'), { input: 'image' });
    has(inputs.get('export:one'), { task: 'image-classification', frozen: true });
    has(inputs.get('probe:one'), { leaveOneOut: true });
    has(inputs.get('rank'), { by: 'neighbours' });
    has(inputs.get('index'), { model: ref('encoder'), dataset: ref('pictures') });
    const index = ref('index of encoder');
    has(inputs.get('evaluate'), { index, model: ref('encoder'), frozen: undefined, k: 3 });
    has(inputs.get('package'), { embedder: ref('encoder'), index, trained: undefined });
    has(inputs.get('compare'), {
      candidate: { model: ref('encoder'), evaluation: ref('findings') },
      dataset: ref('pictures'),
    });
  });

  it('refuses before the download, and evaluates, by the declared device, without its accelerator', async () => {
    const { intendedUse } = retrievalInput().pipeline;
    const hardware = { ramMb: 4000, storageMb: 900, cores: 2, accelerator: { memoryMb: 8000 } };
    const { inputs } = await given(retrievalInput({ intendedUse: { ...intendedUse, hardware } }));
    has(inputs.get('evaluate'), { device: { ramMb: 4000, storageMb: 900, cores: 2 } });
    has(inputs.get('resolve:one'), { limits: { task: 'image-retrieval', hardwareFit: 0.9 } });
    const gates = { hardwareFit: { max: 0.8, severity: 'warn' as const } };
    const warned = await given(retrievalInput({ gates }));
    has(warned.inputs.get('evaluate'), { device: undefined });
    has(warned.inputs.get('resolve:one'), { limits: { task: 'image-retrieval' } });
  });

  it('tunes the backbone as a classifier where it is told to, indexes that, and holds it against the frozen one', async () => {
    const { inputs, skipped } = await given(retrievalInput({ training: { method: 'lora' } }));
    ok(!skipped.includes('train'));
    has(inputs.get('export:one'), { frozen: false });
    has(inputs.get('probe:one'), { leaveOneOut: undefined });
    has(inputs.get('rank'), { by: 'tuned-probe' });
    has(inputs.get('train'), { task: 'image-classification', labels: ['a', 'b'], augmentation: null });
    has(inputs.get('export'), { task: 'image-classification', model: ref('trained') });
    has(inputs.get('index'), { model: ref('classifier') });
    has(inputs.get('evaluate'), { model: ref('classifier'), frozen: ref('encoder') });
    ok((inputs.get('package') as { trained?: unknown }).trained !== undefined);
  });

  it('attacks what finds, with its index, where gates ask for it: the encoder as it came, or what was tuned', async () => {
    const gates = { pgdRobustness: { min: 0.4 }, squareRobustness: { min: 0.4 } };
    const attack = { epsilonLevels: 4, queries: 50 };
    const frozen = await given(retrievalInput({ gates, attack, selection: { seed: 5 } }));
    equal(frozen.state, 'deployed');
    has(frozen.inputs.get('export:one'), { frozen: true, attacked: true });
    const index = ref('index of encoder');
    const same = { index, dataset: ref('pictures'), seed: 5, threads: 1 };
    deepEqual(frozen.inputs.get('attack'), {
      ...same,
      model: ref('weights'),
      attack: { epsilonLevels: 4, steps: 10, pictures: 200 },
    });
    deepEqual(frozen.inputs.get('square-attack'), {
      ...same,
      model: ref('encoder'),
      attack: { epsilonLevels: 4, pictures: 200, queries: 50 },
    });
    const { measures } = frozen.inputs.get('gates') as JudgeRetrievalInput;
    deepEqual([measures.pgdRobustness?.value, measures.squareRobustness?.value], [0.9, 0.9]);

    const tuned = await given(retrievalInput({ gates, training: { seed: 8, threads: 2 } }));
    has(tuned.inputs.get('attack'), { model: ref('trained'), index: ref('index of classifier'), seed: 8, threads: 2 });
    has(tuned.inputs.get('square-attack'), { model: ref('classifier'), index: ref('index of classifier') });

    const plain = await given(retrievalInput());
    has(plain.inputs.get('export:one'), { attacked: undefined });
    ok(!plain.inputs.has('attack') && !plain.inputs.has('square-attack'));
  });

  it('takes a small part of the data where it is a prototype, and has the whole gallery foretold', async () => {
    const trial = {
      prototype: { trainRows: 10, measuredRows: 10 },
      deploy: { model: 'm', channel: 'staging' as const },
    };
    const { inputs, state } = await given(retrievalInput({ training: {}, ...trial }));
    equal(state, 'deployed');
    has(inputs.get('index'), { dataset: ref('subset') });
    has(inputs.get('train'), { dataset: ref('subset') });
    has(inputs.get('evaluate'), { dataset: ref('subset'), fullGallery: 70 });
    ok(![...inputs.keys()].some((id) => /^(prototype|halve|choose)/.test(id)));
  });

  it('asks nobody to approve what a gate holds against it, nor what finds worse than the one in production', async () => {
    const verdict = {
      verdict: 'fail' as const,
      gates: [{ name: 'recallAtK', verdict: 'fail' as const, reason: 'recallAtK is 0.1 on 9 rows' }],
    };
    const { activities } = fakeActivities();
    const failed = await given(retrievalInput(), {
      judgeRetrieval: async (call) => ({
        ...(await activities.judgeRetrieval(call)),
        output: verdict as unknown as Awaited<ReturnType<Activities['judgeRetrieval']>>['output'],
      }),
    });
    equal(failed.state, 'gates-failed');
    match(failed.reason, /recallAtK is 0\.1/);
    ok(!failed.inputs.has('package'));
    const worse = await given(retrievalInput(), {
      compareRetrievers: async (call) => ({
        ...(await activities.compareRetrievers(call)),
        output: {
          comparable: true,
          gate: { verdict: 'fail', reason: 'gainOverProduction is -0.2' },
        } as unknown as Awaited<ReturnType<Activities['compareRetrievers']>>['output'],
      }),
    });
    equal(worse.state, 'gates-failed');
    match(worse.reason, /gainOverProduction is -0\.2/);
    ok(worse.inputs.has('package') && !worse.inputs.has('deploy'));
  });
});
