import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { defaultPayloadConverter } from '@temporalio/common';
import type { StepCall } from '../../activities/contract.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { TrainModelInput } from '../../activities/contract/training.ts';
import { checkSafetensors } from '../../activities/selection/safetensors.ts';
import { createS3Client } from '../../artifacts/settings.ts';
import { cancelRun, ENDED, showRun } from '../../client/runs.ts';
import { smallPipeline, startSmallRun, startTestHost, stopTestHosts, type TestHost } from '../support/host.ts';
import { repositoryOf, startTestHub, type TestHub } from '../support/hub.ts';
import { tinyTextArchitectures, type Architectures } from '../support/tiny-architectures.ts';
import { tinyGpt } from '../support/tiny-gpt.ts';

/** By candidate: its family, and the rate that pipelines/recipe.ts has for a tiny one of it. */
const FAMILIES = {
  bert: ['bert', 2e-4],
  'bert-of-one-layer': ['bert', 2e-4],
  distilbert: ['distilbert', 1e-4],
  albert: ['albert', 2e-5],
} as const;
type Loaded = keyof typeof FAMILIES;
const LOADED = Object.keys(FAMILIES) as readonly Loaded[];

describe('candidates of several families, sizes and sources in one list', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let hub: TestHub;
  let host: TestHost;
  let models: Architectures;
  before(async () => {
    models = await tinyTextArchitectures();
    hub = await startTestHub('org/(?:bert|gpt2)');
    hub.commit(await repositoryOf(models['bert']!), 'org/bert');
    hub.commit(await repositoryOf((await tinyGpt()).model), 'org/gpt2');
    process.env['HF_ENDPOINT'] = hub.endpoint;
    host = await startTestHost();
    await toBucket('models/distilbert', await repositoryOf(models['distilbert']!));
    await toFolder('albert', await repositoryOf(models['albert']!));
  });
  after(async () => {
    delete process.env['HF_ENDPOINT'];
    await stopTestHosts();
    await hub.stop();
  });

  async function toBucket(prefix: string, files: Readonly<Record<string, Buffer>>): Promise<void> {
    const { settings } = host.store;
    const s3 = createS3Client(settings, { ...process.env, ...host.stack.env });
    for (const [name, Body] of Object.entries(files)) {
      await s3.send(new PutObjectCommand({ Bucket: settings.bucket, Key: `${prefix}/${name}`, Body }));
    }
    s3.destroy();
  }

  async function toFolder(name: string, files: Readonly<Record<string, Buffer>>): Promise<void> {
    const folder = join(host.folder, name);
    await mkdir(folder);
    for (const [file, bytes] of Object.entries(files)) await writeFile(join(folder, file), bytes);
  }

  /** What whoever reviews the selection is shown: the run waits for them, and what comes after is whole-runs.test.ts's. */
  async function factsForReview(runId: string): Promise<RunFacts> {
    const { store } = host.store;
    for (;;) {
      const { state, steps, approvals } = await showRun(host.temporal.client, runId);
      const stopped = steps.find((step) => step.state === 'parked' || step.state === 'failed');
      ok(!ENDED.has(state) && stopped === undefined, `${state}: ${stopped?.id} ${stopped?.error?.message}`);
      const evidence = approvals.find(({ approval }) => approval === 'review')?.evidence;
      if (evidence !== undefined) {
        const facts = (await store.tree(evidence)).entries.find(({ path }) => path === 'facts.json');
        ok(facts);
        return store.getJson<RunFacts>(facts.digest);
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }

  /** What a try was asked to train with, from its own history. */
  async function askedOf(step: string): Promise<TrainModelInput['training']> {
    const { events } = await host.temporal.client.workflow.getHandle(`mixed/${step}`).fetchHistory();
    const payload = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
    ok(payload);
    const { call } = defaultPayloadConverter.fromPayload<{ call: StepCall<TrainModelInput> }>(payload);
    return call.input.training;
  }

  it('are each measured and tried as their family wants it, and one of a family for other tasks is refused alone', async () => {
    const small = await smallPipeline();
    const { learningRate: _, ...training } = small.training ?? {};
    await startSmallRun(host, 'mixed', {
      ...small,
      candidates: [
        { id: 'bert', model: 'hf:org/bert', pooling: 'cls' },
        { id: 'bert-of-one-layer', model: 'hf:org/bert', layers: 1 },
        { id: 'distilbert', model: `s3://${host.store.settings.bucket}/models/distilbert` },
        { id: 'albert', model: './albert' },
        { id: 'gpt2', model: 'hf:org/gpt2' },
      ],
      selection: {
        maxLength: 32,
        // As many as there are, but for those that their probes already put behind the first beyond chance.
        prototype: { shortlist: 4, rungs: [0.5], epochs: 1, seeds: 1 },
      },
      training: { ...training, epochs: 2 },
    });
    const { candidates = [], selection, prototyped, recipe } = await factsForReview('mixed');
    await cancelRun(host.temporal.client, 'mixed');
    const outcomeOf = (id: string) => candidates.find((one) => one.id === id);

    // Each by its source, its family and its own count of numbers.
    const sources = LOADED.map((id) => outcomeOf(id)?.resolved?.source.replace(/[:/].*/, ''));
    deepEqual(sources, ['hf', 'hf', 's3', 'tree']);
    for (const id of LOADED) {
      const { imported, exported, profile, probe, error } = outcomeOf(id) ?? {};
      const [family] = FAMILIES[id];
      equal(error, undefined, `${id}: ${error?.message}`);
      equal(exported?.modelType, family);
      const stated = await checkSafetensors(join(models[family]!, 'model.safetensors'));
      equal(imported?.parameters, stated.parameters, id);
      ok((exported?.parityMaxAbs ?? 1) < 1e-4, `${id}: ${exported?.parityMaxAbs}`);
      ok((profile?.latency.p95Ms ?? 0) > 0 && probe?.linearAccuracy.value != null, id);
    }
    const parametersOf = (id: Loaded): number => outcomeOf(id)?.exported?.parameters ?? 0;
    const depths = LOADED.map((id) => outcomeOf(id)?.exported?.layers);
    deepEqual(depths, [2, 1, 2, 2]);
    ok(parametersOf('albert') < parametersOf('bert-of-one-layer'), 'its layers share their weights');
    ok(parametersOf('bert-of-one-layer') < parametersOf('bert'));

    // The one of another task: before its weights are fetched, for a reason that names its family and those that there are.
    const refused = outcomeOf('gpt2');
    match(
      refused?.resolved?.unfit?.join() ?? '',
      /model_type gpt2, and models for text-classification are albert, bert/,
    );
    equal(refused?.imported, undefined);
    const weights = /^GET \/org\/gpt2\/resolve\/.*safetensors(?: (.+))?$/;
    const header = (await readFile(join((await tinyGpt()).model, 'model.safetensors'))).readBigUInt64LE(0);
    const read = hub.requests.flatMap((line) => {
      const found = weights.exec(line);
      // Whatever is no range with an end is read to the file's.
      return found === null ? [] : [BigInt(/^bytes=\d+-(\d+)$/.exec(found[1] ?? '')?.[1] ?? Number.MAX_SAFE_INTEGER)];
    });
    ok(read.length > 0 && read.every((last) => last < 8n + header), `of its weights the header alone: ${read.join()}`);

    // One ranking of all that were measured.
    const tuned = selection?.ranking.filter(({ form, eligible }) => form === 'tune' && eligible) ?? [];
    deepEqual(tuned.map(({ encoder }) => encoder).toSorted(), LOADED.toSorted());
    const last = selection?.ranking.find(({ encoder }) => encoder === 'gpt2');
    deepEqual([last?.eligible, last?.rank], [false, null]);
    match(last?.reasons.join(' ') ?? '', /model_type gpt2/);

    // Whoever is tried is tried at its own family's rate, and beside one of another.
    const tried = prototyped?.curves.map(({ candidate }) => candidate as Loaded) ?? [];
    ok(new Set(tried.map((id) => FAMILIES[id][0])).size > 1, tried.join());
    for (const id of tried) {
      const [point] = prototyped?.curves.find(({ candidate }) => candidate === id)?.points ?? [];
      ok(point?.accuracy != null, `${id}: ${point?.error}`);
      equal((await askedOf(`prototype:${id}:1`))?.learningRate, FAMILIES[id][1], id);
    }

    // The winner's family says what it is tuned with.
    const winner = selection?.winner as Loaded;
    equal(prototyped?.winner, winner);
    const rate = recipe?.find(({ path }) => path === 'training.learningRate');
    deepEqual([rate?.value], [FAMILIES[winner][1]]);
    if (winner === 'albert') match(rate?.reason ?? '', /ALBERT was tuned/);
  });
});
