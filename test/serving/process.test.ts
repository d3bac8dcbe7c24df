import { deepEqual, equal, match, ok, throws } from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readPredictions } from '../../artifacts/predictions.ts';
import { encodeIndex } from '../../inference/retrieval/index-files.ts';
import { servingSettings } from '../../serving/settings.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy, forge, withFiles } from '../support/release.ts';
import { FINDER, madeRetriever } from '../support/retriever.ts';
import { inferBody, until } from '../support/model-server.ts';
import { TEST_KEY, TEST_KEY_ENV } from '../support/signing.ts';

const main = fileURLToPath(new URL('../../serving/main.ts', import.meta.url));

describe("the model server's process", () => {
  let child: ChildProcess | undefined;
  afterEach(() => child?.kill('SIGKILL'));

  function start(env: NodeJS.ProcessEnv): { readonly child: ChildProcess; readonly lines: Record<string, unknown>[] } {
    const lines: Record<string, unknown>[] = [];
    child = spawn(process.execPath, ['--import', 'tsx', main], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    ok(child.stdout);
    createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
    return { child, lines };
  }

  it('serves, and on SIGTERM answers what it accepted, writes its predictions and exits 0', async () => {
    const services = await withServices();
    const { bundle } = await deploy(services, await approvedRelease(services, { recordText: true }));
    const server = start({ ...services.env, ESPALIER_SERVE_MODELS: MODEL, ESPALIER_SERVE_WORKERS: '1' });
    await until('it serves', () => server.lines.some(({ event }) => event === 'model-served'));
    const url = server.lines.find(({ event }) => event === 'listening')?.['url'] as string;
    match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
    const texts = Array.from({ length: 200 }, (_, row) => `text ${row}`);
    const asked = Array.from({ length: 5 }, () =>
      fetch(`${url}/v2/models/${MODEL}/infer`, { method: 'POST', body: JSON.stringify(inferBody(texts)) }),
    );
    await until('it computes', async () => {
      const metrics = await (await fetch(`${url}/metrics`)).text();
      return /batch_rows_count\{model="tiny-parity"\} ([2-9]|\d\d)/.test(metrics);
    });
    const exited = once(server.child, 'exit');
    server.child.kill('SIGTERM');
    deepEqual(
      (await Promise.all(asked)).map(({ status }) => status),
      [200, 200, 200, 200, 200],
    );
    deepEqual(await exited, [0, null]);
    const records = await readPredictions(services, MODEL, bundle.digest, 10_000);
    equal(records.length, 1000);
    equal(records.filter(({ text }) => text === 'text 7').length, 5);
    deepEqual(
      server.lines.slice(-1).map(({ event }) => event),
      ['drained'],
    );
  });

  it('on SIGTERM gives up a graph that takes minutes to build, and exits 0', async () => {
    const services = await withServices();
    const { input, index } = await madeRetriever(services);
    const ids = Array.from({ length: 100_000 }, (_, row) => String(row).padStart(6, '0'));
    const angle = (at: number): number => (at % 3 === 2 ? 0 : at % 3 === 0 ? Math.cos(at) : Math.sin(at - 1));
    const { 'index.json': header, 'vectors.f32': vectors } = encodeIndex(
      {
        ...index.header,
        graph: { connectivity: 128, expansionAdd: 4096, expansionSearch: 1 },
        ids,
        classes: ids.map(() => 0),
      },
      Float32Array.from({ length: ids.length * 3 }, (_, at) => angle(at)),
    );
    const large = await withFiles(services, input.index, { 'index.json': header, 'vectors.f32': vectors });
    const { embedder, indexed } = input;
    await forge(
      services,
      await approvedRelease(services, {
        retriever: input,
        exported: { ...indexed, embedder, index: large },
        bundleFiles: { 'index/index.json': header, 'index/vectors.f32': vectors },
      }),
    );
    const server = start({ ...services.env, ESPALIER_SERVE_MODELS: FINDER, ESPALIER_SERVE_WORKERS: '1' });
    await until('it loads', () => server.lines.some(({ event }) => event === 'release-loading'), { timeoutMs: 40_000 });
    await sleep(5000);
    const exited = once(server.child, 'exit');
    server.child.kill('SIGTERM');
    deepEqual(await exited, [0, null]);
    const events = server.lines.map(({ event }) => event);
    deepEqual(events.slice(-4), ['stopping', 'draining', 'release-overtaken', 'drained'], events.join(' '));
  });

  it('exits 1 and says why when its store cannot be reached', async () => {
    const { env } = await withServices();
    const { child: failing, lines } = start({ ...env, AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' });
    deepEqual(await once(failing, 'exit'), [1, null]);
    const last = lines.at(-1);
    deepEqual([last?.['event'], last?.['kind']], ['failed', 'StorageUnavailable']);
    match(String(last?.['message']), /127\.0\.0\.1:9/);
  });

  it('has settings with defaults, and names all that cannot be used', () => {
    const { workers, trusted, ...rest } = servingSettings({
      PORT: '',
      ESPALIER_SERVE_MODELS: ' a, b ,',
      ...TEST_KEY_ENV,
    });
    ok(workers >= 1 && workers <= 4);
    deepEqual([...trusted.keys()], [TEST_KEY.signer.keyId]);
    deepEqual(rest, {
      host: '127.0.0.1',
      port: 0,
      models: ['a', 'b'],
      channel: 'production',
      followSeconds: 2,
      maxBodyBytes: 16 * 2 ** 20,
      maxPixels: 64_000_000,
      maxTokens: 1024,
      drainSeconds: 0,
      accessLog: false,
    });
    equal(servingSettings({ ...TEST_KEY_ENV }).models, 'all');
    throws(() => servingSettings({}), {
      kind: 'BadConfig',
      where: 'ESPALIER_TRUSTED_KEYS',
      message: /no key is trusted/,
    });
    throws(() => servingSettings({ PORT: '99999', ESPALIER_SERVE_WORKERS: 'two' }), {
      kind: 'BadConfig',
      message: /PORT: .*; ESPALIER_SERVE_WORKERS: /,
    });
  });
});
