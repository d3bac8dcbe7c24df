import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/contract.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { JudgeGatesInput } from '../../activities/contract/validation.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { cancelRun, resolveStep, runOutcome, showRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import type { RunInput } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
  fakeActivities,
  hearing,
  pictureInput,
  ref,
  replayRun,
  untilRun,
  withWorkers,
} from '../support/workflow.ts';

describe('a run of pictures', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  /** Runs to the end; what each step was given, by its id. */
  async function given(
    input: RunInput,
  ): Promise<{ inputs: ReadonlyMap<string, unknown>; skipped: readonly string[]; hours: readonly number[] }> {
    const { activities } = fakeActivities();
    const { heard, inputs } = hearing(activities);
    const runId = `test-${randomUUID()}`;
    let skipped: string[] = [];
    let hours: number[] = [];
    await withWorkers(temporal.address, heard, async () => {
      await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
      await approveRun(temporal.client, runId, 'review', 'lena');
      await approveRun(temporal.client, runId, 'release', 'omar');
      equal((await runOutcome(temporal.client, runId)).state, 'deployed');
      const { steps } = await showRun(temporal.client, runId);
      skipped = steps.filter(({ state }) => state === 'skipped').map(({ id }) => id);
      const { events = [] } = await temporal.client.workflow.getHandle(runId).fetchHistory();
      hours = (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: asked }) =>
        asked?.activityId === 'data' ? [Number(asked.startToCloseTimeout?.seconds) / 3600] : [],
      );
      await replayRun(temporal.client, runId);
    });
    return { inputs, skipped, hours };
  }

  const has = (value: unknown, part: object): void => {
    ok(typeof value === 'object' && value !== null);
    deepEqual(Object.fromEntries(Object.keys(part).map((key) => [key, Reflect.get(value, key)])), part);
  };

  it('tells every step that it is about pictures, and scans no texts', async () => {
    const augmentation = { horizontalFlip: true, minimumCropArea: 0.5 };
    const input = pictureInput({ training: { augmentation } });
    const { inputs, skipped, hours } = await given(input);
    const task = 'image-classification';
    // A million pictures may take longer to compare than a light step has, half an hour.
    deepEqual(hours, [12]);
    has(inputs.get('data'), { data: input.pipeline.data });
    has(inputs.get('resolve:one'), { input: 'image' });
    has(inputs.get('export:one'), { task, frozen: false, maxLength: undefined });
    has(inputs.get('profile:one'), { dataset: ref('pictures'), maxLength: undefined });
    has(inputs.get('train'), { task, augmentation, labels: ['a', 'b'], maxLength: undefined });
    ok(!('augmentation' in (inputs.get('train') as { training: object }).training));
    has(inputs.get('export'), { task, dataset: ref('pictures') });
    ok(skipped.includes('privacy') && !inputs.has('privacy'));
  });

  it('names what the definition leaves open before anybody decides, with the reason, and trains with just that', async () => {
    const { inputs } = await given(pictureInput({ training: { epochs: 3 } }));
    const evidence = inputs.get('review-evidence') as { facts: RunFacts };
    const { recipe = [], pipeline } = evidence.facts;
    const values = Object.fromEntries(recipe.map(({ path, value }) => [path.slice('training.'.length), value]));
    deepEqual(Object.keys(values), ['batchSize', 'learningRate', 'headLearningRate', 'weightDecay', 'warmupFraction']);
    ok(recipe.every(({ reason }) => reason.length > 10));
    has((inputs.get('train') as { training: object }).training, { ...values, epochs: 3 });
    has(pipeline.training, { ...values, epochs: 3 });
  });

  it('attacks the tuned model only where a gate of the definition asks for it, and judges what comes of it', async () => {
    const plain = await given(pictureInput());
    ok(!plain.inputs.has('attack') && !plain.skipped.includes('attack'));
    has(plain.inputs.get('export:one'), { attacked: undefined });

    const asked = pictureInput({ gates: { pgdRobustness: { min: 0.4 } }, attack: { epsilonLevels: 4, steps: 5 } });
    const { inputs } = await given(asked);
    has(inputs.get('export:one'), { attacked: true });
    has(inputs.get('attack'), {
      model: ref('trained'),
      dataset: ref('pictures'),
      attack: { epsilonLevels: 4, steps: 5, pictures: 200 },
      seed: 7,
      threads: 1,
    });
    const { measures, gates } = inputs.get('gates') as JudgeGatesInput;
    deepEqual([measures.fgsmRobustness?.value, measures.pgdRobustness?.value], [0.9, 0.9]);
    ok('pgdRobustness' in gates && gates.pgdRobustness.severity === 'fail' && gates.fgsmRobustness.severity === 'off');
    const evidence = inputs.get('release-evidence') as { facts: RunFacts };
    equal(evidence.facts.attack?.measures.pgdRobustness.value, 0.9);
  });

  it('asks the served graph without gradients where that is asked for, of a graph that has none, too', async () => {
    const { inputs } = await given(
      pictureInput({ gates: { squareRobustness: { min: 0.4 } }, attack: { queries: 50, epsilonLevels: 4 } }),
    );
    has(inputs.get('export:one'), { attacked: undefined });
    ok(!inputs.has('attack'));
    deepEqual(inputs.get('square-attack'), {
      model: ref('classifier'),
      dataset: ref('pictures'),
      attack: { epsilonLevels: 4, pictures: 200, queries: 50 },
      seed: 7,
      threads: 1,
    });
    equal((inputs.get('gates') as JudgeGatesInput).measures.squareRobustness?.value, 0.9);
    const evidence = inputs.get('release-evidence') as { facts: RunFacts };
    equal(evidence.facts.squareAttack?.measures.squareRobustness.value, 0.9);
  });

  it('judges without an attack that failed and was left out: what was not measured fails where a gate asks for it', async () => {
    const { activities } = fakeActivities();
    let judged: JudgeGatesInput | undefined;
    const input = pictureInput({ gates: { pgdRobustness: { min: 0.4 } } });
    const runId = `test-${randomUUID()}`;
    const failed = ApplicationFailure.create({ message: 'no memory', type: 'OutOfMemory', nonRetryable: true });
    const spoilt: Activities = {
      ...activities,
      attackGradients: () => Promise.reject(failed),
      judgeGates: (call) => ((judged = call.input), activities.judgeGates(call)),
    };
    await withWorkers(temporal.address, spoilt, async () => {
      await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
      await approveRun(temporal.client, runId, 'review', 'lena');
      await untilRun(temporal.client, runId, ({ steps }) =>
        steps.some(({ id, state }) => id === 'attack' && state === 'parked'),
      );
      await resolveStep(temporal.client, runId, { step: 'attack', action: 'skip', by: 'olga', comment: 'too large' });
      await untilRun(temporal.client, runId, () => judged !== undefined);
      equal(judged?.measures.pgdRobustness, undefined);
      ok(judged !== undefined && 'pgdRobustness' in judged.gates && judged.gates.pgdRobustness.severity === 'fail');
      await replayRun(temporal.client, runId);
      await cancelRun(temporal.client, runId);
    });
  });

  it('asks for no more than frozen features where only a head is trained', async () => {
    const { inputs } = await given(pictureInput({ training: { method: 'head' } }));
    has(inputs.get('export:one'), { frozen: true });
    has(inputs.get('train'), { augmentation: null });
  });
});
