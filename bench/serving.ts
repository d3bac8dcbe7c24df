/**
 * What the server costs: requests a second over HTTP at concurrency 1, 8 and 32 (text in, tokenised, batched, recorded)
 * against a bare loop of the same onnxruntime-node session on ready tokens, and against as many bare loops at once as
 * the server has workers. Interleaved rounds, medians, ratios of one run.
 *
 *   npx tsx bench/serving.ts [encoder folder] [rounds] [seconds]
 *
 * The encoder: `config.json`, `model.safetensors`, tokenizer files; without one, a MiniLM of ESPALIER_TEST_DATA.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { exportClassifier } from '../activities/training/export-classifier.ts';
import { trainModel } from '../activities/training/train-model.ts';
import type { ActivityServices } from '../activities/step.ts';
import { trainingSpec } from '../test/training/fixtures.ts';
import { MODEL } from '../test/support/bundle.ts';
import { approvedRelease, deploy } from '../test/support/release.ts';
import { pythonForTests } from '../test/support/python.ts';
import { TEST_KEY } from '../test/support/signing.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';

const data = process.env['ESPALIER_TEST_DATA'];
const encoder = process.argv[2] ?? (data === undefined ? undefined : join(data, 'models/derived/minilm-l6-h384-v8k'));
const rounds = Number(process.argv[3] ?? 5);
const seconds = Number(process.argv[4] ?? 4);
const workers = Math.min(4, availableParallelism());
const CONCURRENCIES = [1, 8, 32] as const;
/** About 32 tokens each, as a support message has. */
const TEXTS = Array.from(
  { length: 64 },
  (_, row) =>
    `hello, I ordered number ${1000 + row * 37} two weeks ago and it has still not arrived, could you please tell me where it is now?`,
);

interface Sample {
  readonly rate: number;
  /** Processor time a request: what stays comparable on a machine that does other work, too. */
  readonly cpuMs: number;
}

if (encoder === undefined) throw new Error('name an encoder folder, or set ESPALIER_TEST_DATA');
const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-serving-'));
const children: ChildProcess[] = [];
try {
  const testStore = await withStore();
  const services: ActivityServices = { ...testStore, python: pythonForTests(), signer: TEST_KEY.signer };
  const folder = join(scratch, 'classifier');
  await makeClassifier(services, encoder, folder);
  await deploy(services, await approvedRelease(services, { folder }));
  const url = await startServer({ ...testStore.env, ESPALIER_SERVE_WORKERS: String(workers) });
  const loops = await Promise.all(Array.from({ length: workers }, () => startLoop(folder)));
  const samples: Record<string, Sample[]> = {};
  for (let round = -1; round < rounds; round++) {
    const add = (name: string, sample: Sample) => {
      // Round -1 warms up and does not count.
      if (round >= 0) (samples[name] ??= []).push(sample);
    };
    add('loop', await bare(loops.slice(0, 1)));
    for (const concurrency of CONCURRENCIES) add(`server at ${concurrency}`, await load(url, concurrency));
    add('loops', await bare(loops));
  }
  const median = (name: string, of: keyof Sample) =>
    samples[name]?.map((sample) => sample[of]).toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
  const show = (name: string) =>
    `${median(name, 'rate').toFixed(1)} requests/s, ${median(name, 'cpuMs').toFixed(2)} CPU ms each`;
  console.log(`bare loop: ${show('loop')}`);
  console.log(`${workers} bare loops at once: ${show('loops')}`);
  for (const concurrency of CONCURRENCIES) {
    const name = `server at ${concurrency}`;
    const ratio = (to: string, of: keyof Sample) => {
      const [mine, its] = [median(name, of), median(to, of)];
      return (of === 'rate' ? mine / its : its / mine).toFixed(2);
    };
    console.log(
      `${name}: ${show(name)}; ratio ${ratio('loop', 'rate')} to one loop, ${ratio('loops', 'rate')} to ${workers} loops, ${ratio('loop', 'cpuMs')} by CPU time`,
    );
  }
} finally {
  for (const child of children) child.kill('SIGKILL');
  await rm(scratch, { recursive: true, force: true });
}

/** A head on the frozen encoder, trained on a handful of rows: the speed of a classifier does not depend on its quality. */
async function makeClassifier(services: ActivityServices, from: string, folder: string): Promise<void> {
  const { store } = services;
  const labels = ['even', 'odd'];
  const rows = TEXTS.map((text, row) => `${JSON.stringify({ id: String(row), text, label: labels[row % 2] })}\n`).join(
    '',
  );
  const jsonl = await store.putBytes(rows, { name: 'rows', mediaType: 'application/jsonl' });
  const dataset = await store.putManifest(
    [
      ...['train', 'validation', 'test'].map((split) => ({ path: `${split}.jsonl`, ref: jsonl })),
      { path: 'labels.json', ref: await store.putJson(labels, 'labels') },
    ],
    'dataset',
  );
  const training = trainingSpec({ method: 'head', epochs: 1 });
  const weights = await store.putTree(from, 'weights');
  const trained = await runStep(
    trainModel,
    { weights, dataset, labels, pooling: 'mean', maxLength: 64, training },
    services,
  );
  const { classifier } = await runStep(exportClassifier, { model: trained.model }, services);
  await store.checkout(classifier, folder);
}

async function startServer(env: NodeJS.ProcessEnv): Promise<string> {
  const main = fileURLToPath(new URL('../serving/main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', main], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let url = '';
  for await (const line of createInterface(child.stdout)) {
    const { event, url: listening, reason } = JSON.parse(line) as { event: string; url?: string; reason?: string };
    url = listening ?? url;
    if (event === 'model-served') return url;
    if (reason !== undefined) throw new Error(reason);
  }
  throw new Error('the server ended');
}

async function startLoop(folder: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./serving/bare-loop.ts', import.meta.url));
  const child = fork(script, [folder, ...TEXTS], { execArgv: ['--import', 'tsx'] });
  children.push(child);
  await once(child, 'message');
  return child;
}

/** All loops together. */
async function bare(loops: readonly ChildProcess[]): Promise<Sample> {
  const made = await Promise.all(
    loops.map(async (loop) => {
      loop.send(seconds);
      return ((await once(loop, 'message')) as [Sample])[0];
    }),
  );
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return { rate: mean(made.map(({ rate }) => rate)) * made.length, cpuMs: mean(made.map(({ cpuMs }) => cpuMs)) };
}

async function load(url: string, concurrency: number): Promise<Sample> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const cpuBefore = await cpuSeconds(url);
  const startedAt = performance.now();
  let answered = 0;
  const client = async (offset: number) => {
    for (let turn = offset; performance.now() - startedAt < seconds * 1000; turn += concurrency) {
      const texts = [TEXTS[turn % TEXTS.length]];
      const body = { inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: texts }] };
      await post(`${url}/v2/models/${MODEL}/infer`, body, agent);
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, index) => client(index)));
  const rate = (answered / (performance.now() - startedAt)) * 1000;
  agent.destroy();
  return { rate, cpuMs: (((await cpuSeconds(url)) - cpuBefore) * 1000) / answered };
}

/** Processor time of the server's process so far. */
async function cpuSeconds(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (.*)$/m.exec(metrics)?.[1] ?? Number.NaN);
}

function post(url: string, body: unknown, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const sending = request(url, { method: 'POST', agent }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`the server answered ${response.statusCode}`)),
      );
    });
    sending.on('error', reject);
    sending.end(JSON.stringify(body));
  });
}
