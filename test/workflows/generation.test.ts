import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Activities } from '../../activities/contract.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import type { RunOutcome, RunView } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
  fakeActivities,
  generatorInput,
  ref,
  replayRun,
  untilRun,
  withWorkers,
} from '../support/workflow.ts';

describe('a run that generates text', function () {
  this.timeout(60_000);
  let address: string;
  let temporal: TemporalClient;
  let runs = 0;
  before(async () => {
    const server = await temporalForTests();
    address = server.address;
    temporal = await server.connect();
  });
  after(() => temporal.close());

  /** A whole run, approved and replayed; `overrides` see the activities that answer at once. */
  async function run(
    overrides: (real: Activities) => Partial<Activities>,
  ): Promise<{ ran: readonly string[]; view: RunView; outcome: RunOutcome; facts: RunFacts }> {
    const { client } = temporal;
    const runId = `generation-${runs++}`;
    const { activities, ran } = fakeActivities();
    let facts: RunFacts | undefined;
    const watched: Activities = {
      ...activities,
      ...overrides(activities),
      writeReport: (call) => {
        facts = call.input.facts;
        return activities.writeReport(call);
      },
    };
    return withWorkers(address, watched, async () => {
      const prepared = { input: generatorInput(), inputRef: ref('input'), digest: digestJson(runId) };
      await startRun(client, prepared, { runId });
      const approve = async (): Promise<void> => {
        await approveRun(client, runId, 'review', 'lena');
        await approveRun(client, runId, 'release', 'omar');
      };
      // A run that fails on the way opens no approval.
      await Promise.race([approve(), client.workflow.getHandle(runId).result()]);
      const view = await untilRun(client, runId, ({ state }) => ['deployed', 'failed', 'gates-failed'].includes(state));
      const outcome = (await client.workflow.getHandle(runId).result()) as RunOutcome;
      await replayRun(client, runId);
      ok(facts);
      return { ran, view, outcome, facts };
    });
  }
  const needsTraining = (real: Activities): Partial<Activities> => ({
    rankGenerators: async (call) => {
      const result = await real.rankGenerators(call);
      return { ...result, output: { ...result.output, training: { needed: true, reason: 'under the target' } } };
    },
  });
  const TUNING = ['format', 'canaries', 'train', 'export', 'prompt'];

  it('trains nothing where a prompt reaches the target, and says which steps were left out', async () => {
    const { ran, view, outcome, facts } = await run(() => ({}));
    equal(outcome.state, 'deployed');
    deepEqual(
      ran.filter((id) => TUNING.includes(id) || id === 'memorisation'),
      [],
    );
    for (const id of [...TUNING, 'memorisation'])
      equal(view.steps.find((step) => step.id === id)?.state, 'skipped', id);
    ok(facts.exported !== undefined && 'generator' in facts.exported && facts.exported.road === 'prompted');
    equal(facts.training, undefined);
  });

  it('tunes under the target, searches prompts for the tuned model again, and measures what it knows by heart', async () => {
    const searched: string[] = [];
    const learnt: string[] = [];
    const { ran, outcome, facts } = await run((real) => ({
      ...needsTraining(real),
      searchPrompts: (call) => {
        searched.push(`${call.stepId}: ${call.input.generator.name}`);
        return real.searchPrompts(call);
      },
      trainModel: (call) => {
        learnt.push(`${call.input.task} ${call.input.dataset.name}`);
        return real.trainModel(call);
      },
    }));
    equal(outcome.state, 'deployed');
    deepEqual(
      ran.filter((id) => [...TUNING, 'choose', 'evaluate', 'memorisation', 'gates'].includes(id)),
      [...TUNING, 'choose', 'evaluate', 'memorisation', 'gates'],
    );
    deepEqual(searched.toSorted(), [
      'prompt: generator of trained',
      'prompt:one: generator of model',
      'prompt:two: generator of model',
    ]);
    deepEqual(learnt, ['causal-lm conversations with canaries']);
    ok(facts.exported !== undefined && 'generator' in facts.exported && facts.exported.road === 'tuned');
    ok(facts.generation?.tuned !== undefined && facts.generation.memorisation !== undefined);
  });

  it('serves the prompted model where tuning has not helped, and asks nothing of the memory of what is not served', async () => {
    const judged: unknown[] = [];
    const { ran, outcome } = await run((real) => ({
      ...needsTraining(real),
      chooseGenerator: async (call) => {
        const result = await real.chooseGenerator(call);
        return { ...result, output: { ...result.output, road: 'prompted' } };
      },
      judgeGeneration: (call) => {
        judged.push(call.input.memorisation);
        return real.judgeGeneration(call);
      },
    }));
    equal(outcome.state, 'deployed');
    ok(ran.includes('train') && !ran.includes('memorisation'));
    deepEqual(judged, [null]);
  });

  it('drops a candidate that fails, with its reason, and goes on with the other', async () => {
    const { view, facts } = await run((real) => ({
      resolveModel: async (call) => {
        const result = await real.resolveModel(call);
        if (call.stepId !== 'resolve:one') return result;
        return { ...result, output: { ...result.output, licence: { ...result.output.licence, verdict: 'deny' } } };
      },
    }));
    equal(facts.selection?.winner, 'two');
    equal(view.steps.find(({ id }) => id === 'prompt:one')?.state, 'dropped');
  });
});
