import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Activities, StepCall, StepResult } from '../../activities/contract.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { reproductionOutcome, startReproduction } from '../../client/reproduce.ts';
import type { ReproductionInput } from '../../workflows/reproduce-model.ts';
import type { Comparison, Reproduction } from '../../workflows/reproduction/again.ts';
import { temporalForTests } from '../support/temporal.ts';
import { fakeActivities, generatorInput, ref, replayRun, runInput, withWorkers } from '../support/workflow.ts';

/** What the fake activities make, as a record would have it. */
function recorded(): ReproductionInput {
  const { pipeline, definition } = runInput();
  const [candidate] = pipeline.candidates;
  const record = {
    task: 'text-classification',
    facts: {
      pipeline,
      definition,
      data: { dataset: ref('dataset') },
      training: { model: ref('trained') },
      exported: { classifier: ref('classifier') },
      evaluation: { reference: ref('reference') },
      gates: { verdict: 'pass' },
      bundle: ref('bundle'),
    },
    winner: {
      candidate,
      resolved: {},
      imported: { model: ref('model') },
      exported: { encoder: ref('encoder'), weights: ref('weights') },
      probe: { probe: ref('probe') },
    },
    dataFiles: [],
    heartbeatSeconds: 5,
  };
  return record as unknown as ReproductionInput;
}

/** The same of a generator; `tuned` was trained and chosen, and its search had been cut short by the clock. */
function recordedGenerator(tuned: boolean): ReproductionInput {
  const { pipeline: asked, definition } = generatorInput();
  const hardware = { ramMb: 4000, cores: 2, accelerator: { memoryMb: 8000 } };
  const pipeline = { ...asked, intendedUse: { ...asked.intendedUse, hardware } };
  const record = {
    task: 'text-generation',
    facts: {
      pipeline,
      definition,
      data: { dataset: ref('dataset') },
      exported: { road: tuned ? 'tuned' : 'prompted', generator: ref('served generator'), prompt: ref('prompt') },
      generation: { guidelines: ref('guidelines'), evaluation: { reference: ref('reference') } },
      gates: { verdict: 'pass' },
      bundle: ref('bundle'),
    },
    winner: {
      resolved: {},
      imported: { model: ref('model') },
      exported: { generator: ref('generator of model'), parityMaxAbs: 0 },
      search: { prompt: ref('prompt for generator of model'), stoppedBy: null, tokens: 9000 },
    },
    tuned: tuned
      ? {
          learnt: ref('conversations with canaries'),
          training: { model: ref('trained'), stoppedByBudget: 2 },
          exported: { generator: ref('generator of trained'), parityMaxAbs: 0 },
          search: { prompt: ref('prompt for generator of trained'), stoppedBy: 'the time had ended', tokens: 4321 },
        }
      : null,
    dataFiles: [],
    heartbeatSeconds: 5,
  };
  return record as unknown as ReproductionInput;
}

/** After how many epochs the trainings among them are told to end. */
function stops(calls: readonly StepCall<unknown>[]): readonly (number | undefined)[] {
  return calls
    .filter(({ stepId }) => stepId === 'train')
    .map(({ input }) => (input as { stopAfterEpochs?: number }).stopAfterEpochs);
}

describe('making a model again', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  async function reproduced(overrides: Partial<Activities> = {}, input = recorded()) {
    const calls: StepCall<unknown>[] = [];
    const { activities } = fakeActivities();
    const evaluateModel: Activities['evaluateModel'] = async (call) => {
      const result = await activities.evaluateModel(call);
      return { ...result, output: { ...result.output, reference: ref('reference') } };
    };
    const evaluateGenerator: Activities['evaluateGenerator'] = async (call) => {
      const result = await activities.evaluateGenerator(call);
      return { ...result, output: { ...result.output, reference: ref('reference') } };
    };
    const heard: Comparison[] = [];
    const id = `again-${randomUUID()}`;
    const all = recording({ ...activities, evaluateModel, evaluateGenerator, ...overrides }, calls);
    const outcome = await withWorkers(temporal.address, all, async (): Promise<Reproduction> => {
      await startReproduction(temporal.client, input, id);
      return reproductionOutcome(temporal.client, id, (comparison) => heard.push(comparison));
    });
    await replayRun(temporal.client, id);
    // Runs that other tests left behind go on with these workers, too.
    return { outcome, heard, calls: calls.filter(({ runId }) => runId === id) };
  }

  it('computes every step anew, and releases nothing', async () => {
    const { outcome, heard, calls } = await reproduced();
    assert.deepEqual(
      calls.map(({ stepId }) => stepId),
      ['data', 'encoder', 'train', 'export', 'evaluate', 'package'],
    );
    assert.ok(calls.every(({ reuse }) => !reuse));
    assert.deepEqual(outcome.bundle, ref('bundle'));
    assert.ok(outcome.compared.every((one) => one.recorded === one.rebuilt));
    assert.deepEqual(heard, outcome.compared);
    assert.deepEqual(stops(calls), [undefined]);
  });

  it('makes pictures worse by the table that they were made worse by', async () => {
    const record = recorded();
    const evaluation = { reference: ref('reference'), diagnosis: { corruptionTable: ref('worse.jsonl') } };
    const own = { ...record, facts: { ...record.facts, evaluation } };
    for (const [input, table] of [
      [own, ref('worse.jsonl')],
      [record, undefined],
    ] as const) {
      const { calls } = await reproduced({}, input as unknown as ReproductionInput);
      const evaluated = calls.find(({ stepId }) => stepId === 'evaluate')?.input as { corruptions?: unknown };
      assert.deepEqual(evaluated.corruptions, table);
    }
  });

  it('compares bytes on a machine of any class, whichever the times in the record are of', async () => {
    for (const record of [recorded(), recordedGenerator(false)]) {
      const { pipeline } = record.facts;
      const selection = { ...pipeline.selection, hardware: { cpu: 'EPYC' } };
      const declared = { ...record, facts: { ...record.facts, pipeline: { ...pipeline, selection } } };
      const { outcome, calls } = await reproduced({}, declared as unknown as ReproductionInput);
      const evaluated = calls.find(({ stepId }) => stepId === 'evaluate')?.input;
      assert.ok(typeof evaluated === 'object' && evaluated !== null && !('hardware' in evaluated));
      assert.deepEqual(outcome.bundle, ref('bundle'));
    }
  });

  it('ends the training of a classifier after the epochs at which its budget had ended it', async () => {
    const record = recorded();
    const training = { model: ref('trained'), stoppedByBudget: 3 };
    const ended = { ...record, facts: { ...record.facts, training } } as unknown as ReproductionInput;
    const { outcome, calls } = await reproduced({}, ended);
    assert.deepEqual(stops(calls), [3]);
    assert.deepEqual(outcome.bundle, ref('bundle'));
  });

  it('makes a prompted generator again without training anything', async () => {
    const { outcome, calls } = await reproduced({}, recordedGenerator(false));
    assert.deepEqual(
      calls.map(({ stepId }) => stepId),
      ['data', 'generator', 'prompt', 'choose', 'evaluate', 'package'],
    );
    assert.deepEqual(outcome.bundle, ref('bundle'));
    assert.ok(outcome.compared.every((one) => one.recorded === one.rebuilt));
    const evaluated = calls.find(({ stepId }) => stepId === 'evaluate')?.input as { readonly device?: unknown };
    assert.deepEqual(evaluated.device, { ramMb: 4000, cores: 2 });
  });

  it('makes a tuned generator again, with a search that ends after the tokens at which the clock had ended it', async () => {
    const { outcome, calls } = await reproduced({}, recordedGenerator(true));
    assert.deepEqual(
      outcome.compared.map(({ what }) => what),
      [
        'dataset',
        'generator',
        'prompt',
        'conversations',
        'tuned model',
        'tuned generator',
        'tuned prompt',
        'served model',
        'answers to the test prompts',
        'bundle',
      ],
    );
    assert.deepEqual(outcome.bundle, ref('bundle'));
    const budgets = calls
      .filter(({ stepId }) => stepId.endsWith('prompt'))
      .map(({ input }) => (input as { search: { budgetTokens: number } }).search.budgetTokens);
    assert.deepEqual(budgets, [2_000_000, 4321]);
    assert.deepEqual(stops(calls), [2], 'the training ends where the clock had ended it');
  });

  it('ends at the first thing that differs, and names it', async () => {
    const { activities } = fakeActivities();
    const trainModel: Activities['trainModel'] = async (call) => {
      const result = await activities.trainModel(call);
      return { ...result, output: { ...result.output, model: ref('other weights') } };
    };
    const { outcome, calls } = await reproduced({ trainModel });
    assert.deepEqual(
      calls.map(({ stepId }) => stepId),
      ['data', 'encoder', 'train'],
    );
    assert.deepEqual(outcome.compared.at(-1), {
      what: 'tuned model',
      recorded: ref('trained').digest,
      rebuilt: ref('other weights').digest,
    });
    assert.equal(outcome.bundle, undefined);
  });
});

/** The same activities, with every call kept. */
function recording(activities: Activities, calls: StepCall<unknown>[]): Activities {
  return Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      name,
      (call: StepCall<unknown>) => {
        calls.push(call);
        return (activity as (call: StepCall<unknown>) => Promise<StepResult<unknown>>)(call);
      },
    ]),
  ) as unknown as Activities;
}
