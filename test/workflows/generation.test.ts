import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Activities } from '../../activities/contract.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { GeneratorComparison } from '../../activities/contract/prompting.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import { settingAt } from '../../pipelines/change.ts';
import type { TextGeneration } from '../../pipelines/definition.ts';
import type { RunOutcome, RunView } from '../../workflows/messages.ts';
import { failing, failure } from '../support/parking.ts';
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

describe('a run that generates text', () => {
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
    parts: Partial<
      Pick<TextGeneration, 'budget' | 'prototype' | 'deploy' | 'behaviour' | 'intendedUse' | 'gates'>
    > = {},
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
      const whole = generatorInput();
      const input = { ...whole, pipeline: { ...whole.pipeline, ...parts } as TextGeneration };
      const prepared = { input, inputRef: ref('input'), digest: digestJson(runId) };
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
    const trainings: Record<string, unknown>[] = [];
    const learnt: string[] = [];
    const { ran, outcome, facts } = await run((real) => ({
      ...needsTraining(real),
      searchPrompts: (call) => {
        searched.push(`${call.stepId}: ${call.input.generator.name}`);
        return real.searchPrompts(call);
      },
      trainModel: (call) => {
        learnt.push(`${call.input.task} ${call.input.dataset.name}`);
        trainings.push({ ...call.input.training });
        return real.trainModel(call);
      },
    }));
    equal(outcome.state, 'deployed');
    const { recipe = [] } = facts;
    ok(recipe.some(({ path, reason }) => path === 'training.epochs' && reason.startsWith('60 good answers: ')));
    for (const { path, value } of recipe) equal(trainings[0]?.[path.slice('training.'.length)], value, path);
    equal(
      settingAt(facts.pipeline, 'training.epochs'),
      trainings[0]?.['epochs'],
      'whoever makes it again finds it named',
    );
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

  it('hands the declared device to the evaluation, without its accelerator, and nothing where none is declared', async () => {
    const devices: unknown[] = [];
    const watch = (real: Activities): Partial<Activities> => ({
      evaluateGenerator: (call) => {
        devices.push(call.input.device);
        return real.evaluateGenerator(call);
      },
    });
    const { intendedUse } = generatorInput().pipeline;
    const hardware = { ramMb: 4000, storageMb: 900, cores: 2, accelerator: { memoryMb: 8000 } };
    await run(watch, { intendedUse: { ...intendedUse, hardware } });
    await run(watch);
    deepEqual(devices, [{ ramMb: 4000, storageMb: 900, cores: 2 }, undefined]);
  });

  it('has nothing asked for gates that are off, fewer prompts of a prototype, and says nothing of it otherwise', async () => {
    const inputs: Record<string, unknown>[] = [];
    const watch = (real: Activities): Partial<Activities> => ({
      evaluateGenerator: (call) => {
        inputs.push({ ...call.input });
        return real.evaluateGenerator(call);
      },
    });
    const { gates } = generatorInput().pipeline as TextGeneration;
    const off = { ...gates, noiseDrop: { ...gates.noiseDrop, severity: 'off' } } as const;
    const staging = { model: 'm', channel: 'staging', recordText: false } as const;
    await run(watch);
    await run(watch, { gates: off });
    await run(watch, { gates: off, prototype: { trainRows: 30, measuredRows: 20, seed: 7 }, deploy: staging });
    ok(!('askedLess' in inputs[0]!));
    deepEqual(
      inputs.slice(1).map((input) => input['askedLess']),
      [{ not: ['noiseDrop'] }, { not: ['noiseDrop'], most: 20 }],
    );
  });

  it('hands tables of behaviour tests to the data with the guidelines that they name, and to the gates with what was found', async () => {
    const given: unknown[] = [];
    const score = { value: 1, interval: null, rows: 2 };
    const measured = [{ name: 'jailbreaks', kind: 'minimum-functionality' as const, score, failures: [] }];
    const jailbreaks = { kind: 'minimum-functionality', file: 'j.jsonl', min: 0.9, severity: 'fail' } as const;
    const { outcome } = await run(
      (real) => ({
        preparePrompts: (call) => {
          given.push(call.input.behaviour, call.input.guidelines?.name);
          return real.preparePrompts(call);
        },
        evaluateGenerator: async (call) => {
          const result = await real.evaluateGenerator(call);
          return { ...result, output: { ...result.output, behaviour: measured } };
        },
        judgeGeneration: (call) => {
          given.push(call.input.behaviour);
          return real.judgeGeneration(call);
        },
      }),
      { behaviour: { jailbreaks } },
    );
    equal(outcome.state, 'deployed');
    const { kind, file } = jailbreaks;
    deepEqual(given, [
      { jailbreaks: { kind, file } },
      generatorInput().guidelines?.name,
      { gates: { jailbreaks }, measured },
    ]);
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

  it('is a prototype on a small part of the data, whose good answers alone count, in every step', async () => {
    const given: unknown[] = [];
    const completions: number[] = [];
    const staging = { model: 'm', channel: 'staging', recordText: false } as const;
    const { ran, outcome, facts } = await run(
      (real) => ({
        subsetData: async (call) => {
          const result = await real.subsetData(call);
          return { ...result, output: { ...result.output, dataset: ref('part'), completions: 7 } };
        },
        searchPrompts: (call) => {
          given.push(call.input.dataset.name);
          return real.searchPrompts(call);
        },
        rankGenerators: (call) => {
          completions.push(call.input.completions);
          return real.rankGenerators(call);
        },
        evaluateGenerator: (call) => {
          given.push(call.input.dataset.name);
          return real.evaluateGenerator(call);
        },
        packageGenerator: (call) => {
          given.push(call.input.dataset.dataset.name, call.input.pipeline.prototype?.trainRows);
          return real.packageGenerator(call);
        },
      }),
      { prototype: { trainRows: 30, measuredRows: 20, seed: 7 }, deploy: staging },
    );
    equal(outcome.state, 'deployed');
    ok(ran.includes('subset'));
    deepEqual(given, ['part', 'part', 'part', 'part', 30]);
    deepEqual(completions, [7]);
    deepEqual(facts.data?.wholeRows, { train: 70, validation: 15, test: 15 });
  });

  it('hands the gate over production to the comparison, and asks nobody to release what keeps the guidelines less often', async () => {
    const asked: unknown[] = [];
    const watch =
      (gate?: object) =>
      (real: Activities): Partial<Activities> => ({
        compareGenerators: async (call) => {
          asked.push(call.input.gate);
          const result = await real.compareGenerators(call);
          if (gate === undefined) return result;
          return { ...result, output: { ...result.output, comparable: true, gate } as unknown as GeneratorComparison };
        },
      });
    const refused = { name: 'gainOverProduction', verdict: 'fail', reason: 'gainOverProduction is -0.2' };
    const worse = await run(watch(refused));
    deepEqual([worse.outcome.state, worse.outcome.reason], ['gates-failed', refused.reason]);
    ok(worse.ran.includes('package') && !worse.ran.includes('release-evidence') && !worse.ran.includes('deploy'));
    const { gates } = generatorInput().pipeline as TextGeneration;
    const warned = await run(watch({ ...refused, verdict: 'warn' }), {
      gates: { ...gates, gainOverProduction: { min: -0.1, severity: 'warn' } },
    });
    equal(warned.outcome.state, 'deployed', 'who approves decides about a warning');
    deepEqual(asked, [
      { min: 0, severity: 'warn' },
      { min: -0.1, severity: 'warn' },
    ]);
    // A definition that was recorded before there was the gate.
    const { gainOverProduction: _, ...before } = gates;
    await run(watch(), { gates: before as typeof gates });
    equal(asked[2], undefined);
    const first = await run((real) => ({
      ...watch(refused)(real),
      findProduction: async (call) => {
        await real.findProduction(call);
        return null;
      },
    }));
    equal(first.outcome.state, 'deployed');
    ok(asked.length === 3 && !first.ran.includes('compare'), 'with nothing in production there is nothing to compare');
  }).timeout(400_000); // four whole runs, each on workers of its own: 10 s on a machine at rest, a minute and more on a busy one

  it('begins no training after its budget, ends searches with it, and says why nothing was tuned', async () => {
    const stops: (string | undefined)[] = [];
    const stopped: (string | undefined)[] = [];
    const began = Date.now();
    const { ran, outcome, facts } = await run(
      (real) => ({
        ...needsTraining(real),
        searchPrompts: async (call) => {
          stops.push(call.input.stopAt);
          await new Promise((resolve) => setTimeout(resolve, 1100));
          return real.searchPrompts(call);
        },
        chooseGenerator: (call) => {
          stopped.push(call.input.stopped);
          return real.chooseGenerator(call);
        },
      }),
      { budget: { time: '1s' } },
    );
    equal(outcome.state, 'deployed');
    ok(!ran.includes('train') && !ran.includes('format'));
    equal(facts.recipe, undefined);
    ok(/the time budget of 1s had ended/.test(stopped[0] ?? ''), stopped[0]);
    for (const stop of stops) ok(Date.parse(stop ?? '') >= began && Date.parse(stop ?? '') <= Date.now(), stop);
  });

  it('gives training and search the end of the budget where there is time left', async () => {
    const stops: (string | undefined)[] = [];
    await run(
      (real) => ({
        ...needsTraining(real),
        trainModel: (call) => {
          stops.push(call.input.stopAt);
          return real.trainModel(call);
        },
        searchPrompts: (call) => {
          if (call.stepId === 'prompt') stops.push(call.input.stopAt);
          return real.searchPrompts(call);
        },
      }),
      { budget: { time: '1h' } },
    );
    equal(stops.length, 2);
    for (const stop of stops) ok(Date.parse(stop ?? '') > Date.now() + 3_000_000, stop);
  });

  it('saves none of the money for a candidate that waits with a failed step', async () => {
    const [failed = '', searched = ''] = generatorInput().candidates.map(({ id }) => id);
    let hours = Number.NaN;
    await run(
      (real) => ({
        findPrices: () => Promise.resolve({ currency: 'EUR', source: 'test', perHour: { 'espalier-cpu': 1 } }),
        exportGenerator: failing<'exportGenerator'>(real.exportGenerator, failure('TrainerFailed', 'it crashed'), {
          step: `export:${failed}`,
        }),
        profileGenerator: async (call) => {
          await untilRun(temporal.client, call.runId, ({ steps }) =>
            steps.some(({ id, state }) => id === `export:${failed}` && state === 'parked'),
          );
          return real.profileGenerator(call);
        },
        searchPrompts: (call) => {
          if (call.stepId === `prompt:${searched}`) {
            hours = (Date.parse(call.input.stopAt ?? '') - Date.now()) / 3_600_000;
          }
          return real.searchPrompts(call);
        },
      }),
      { budget: { money: 6 } },
    );
    ok(Math.abs(hours - 6) < 0.1, `${hours}`);
  });

  it('shares the money that is left between the candidates whose search has not ended', async () => {
    const hours: Record<string, number> = {};
    const { outcome } = await run(
      (real) => ({
        findPrices: () => Promise.resolve({ currency: 'EUR', source: 'test', perHour: { 'espalier-cpu': 1 } }),
        searchPrompts: async (call) => {
          hours[call.stepId] = (Date.parse(call.input.stopAt ?? '') - Date.now()) / 3_600_000;
          return real.searchPrompts(call);
        },
      }),
      { budget: { money: 6 } },
    );
    equal(outcome.state, 'deployed');
    const ids = generatorInput().candidates.map(({ id }) => `prompt:${id}`);
    ok(ids.length > 1 && ids.every((id) => id in hours), JSON.stringify(hours));
    // Whoever begins while all are open may take its part of six hours and no more; the last has what is left.
    const sorted = ids.map((id) => hours[id] ?? 0).toSorted((a, b) => a - b);
    ok(Math.abs(sorted[0]! - 6 / ids.length) < 0.05, JSON.stringify(hours));
    ok(
      sorted.every((one) => one <= 6.05),
      JSON.stringify(hours),
    );
  });
});
