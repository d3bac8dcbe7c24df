import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Client, Connection } from '@temporalio/client';
import { EspalierError } from '../../artifacts/errors.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import { isListening } from '../../infra/embedded/processes.ts';
import { configuredTemporal, startStack, type Stack } from '../../infra/embedded/stack.ts';
import { readRecord, readRunningStack, stackEnvironment } from '../../infra/embedded/state.ts';
import { processIdentity } from '../../infra/lock.mjs';

/** The machine's environment without services of the user's own. */
const plainEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:AWS_(?!CA_BUNDLE)|TEMPORAL_)/.test(name)),
);
const portOf = (address: string | null): number => Number(/:(\d+)\/?$/.exec(address ?? '')?.[1]);
const s3Of = (env: Readonly<Record<string, string>>): S3Client =>
  createS3Client(storeSettings({ ...plainEnv, ...env }), { ...plainEnv, ...env });

describe('the embedded stack', () => {
  let stateDir: string;
  let stack: Stack | undefined;
  let owner: ChildProcess | undefined;

  before(() => (stateDir = mkdtempSync(join(tmpdir(), 'espalier-stack-'))));
  after(async () => {
    await stack?.stop();
    owner?.kill('SIGKILL');
    rmSync(stateDir, { recursive: true });
  });

  /** Runs a stack in a process of its own. */
  async function startOwner(): Promise<ChildProcess> {
    const program = fileURLToPath(new URL('stack-owner.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', program, stateDir], {
      env: plainEnv,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.ok(child.stdout !== null);
    const failed = once(child, 'exit').then(() => assert.fail('the owner ended before it was ready'));
    const said = once(child.stdout, 'data').then(([text]: Buffer[]) => text?.toString());
    assert.equal(await Promise.race([said, failed]), 'ready\n');
    failed.catch(() => undefined); // it is ended on purpose later
    return child;
  }
  const isUp = async () =>
    Promise.all(
      [stack?.temporalAddress, stack?.s3Endpoint].map((one) => isListening('127.0.0.1', portOf(one ?? null))),
    );

  it('starts a server and a store that keep what they are given', async () => {
    stack = await startStack({ stateDir, env: plainEnv });
    assert.deepEqual(stack.embedded, { temporal: true, store: true });
    const s3 = s3Of(stack.env);
    await s3.send(new CreateBucketCommand({ Bucket: 'kept' }));
    await s3.send(new PutObjectCommand({ Bucket: 'kept', Key: 'a/b', Body: 'still here' }));
    s3.destroy();
    const connection = await Connection.connect({ address: stack.temporalAddress });
    const client = new Client({ connection });
    // Registered search attributes: an unregistered one would be refused here.
    await client.workflow.start('anything', {
      workflowId: 'kept',
      taskQueue: 'nobody',
      searchAttributes: { EspalierPipeline: ['demo'], EspalierState: ['running'] },
    });
    await connection.close();
    assert.ok((await fetch(stack.uiUrl ?? '')).ok, 'the web page of Temporal answers');
  });

  it('is found by other processes, whose environment leads to it', () => {
    const running = readRunningStack(stateDir);
    assert.equal(running?.pid, process.pid);
    assert.deepEqual(running?.env, stack?.env);
    assert.equal(running?.temporalAddress, stack?.temporalAddress);
  });

  it('keeps its credentials to its user, and out of its record', () => {
    assert.equal(statSync(join(stateDir, 'credentials.json')).mode & 0o777, 0o600);
    const { secretKey } = JSON.parse(readFileSync(join(stateDir, 'credentials.json'), 'utf8')) as { secretKey: string };
    assert.equal(stack?.env['AWS_SECRET_ACCESS_KEY'], secretKey);
    assert.ok(!readFileSync(join(stateDir, 'stack.json'), 'utf8').includes(secretKey));
  });

  it('refuses a second one on its folder, naming who runs and how to go on', async () => {
    await assert.rejects(
      startStack({ stateDir, env: plainEnv }),
      (error) =>
        error instanceof EspalierError &&
        error.kind === 'Conflict' &&
        error.message.includes(`(process ${process.pid})`) &&
        error.fix?.includes(`kill ${process.pid}`) === true,
    );
    assert.deepEqual(await isUp(), [true, true], 'the first is not disturbed');
  });

  it('brings a killed gateway and a killed server back at their addresses', async () => {
    const address = [stack?.temporalAddress, stack?.s3Endpoint];
    const before_ = readRecord(stateDir)?.children ?? [];
    for (const { name, pid } of before_) process.kill(name === 'temporal' ? -pid : pid, 'SIGKILL');
    const deadline = Date.now() + 100_000;
    const changed = () =>
      (readRecord(stateDir)?.children ?? []).filter(({ pid }) => before_.every((one) => one.pid !== pid)).length;
    while (changed() < 2 || (await isUp()).includes(false)) {
      assert.ok(Date.now() < deadline, 'both are back');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.deepEqual([stack?.temporalAddress, stack?.s3Endpoint], address);
  });

  it('stops, leaving nothing running, and has the same addresses and contents the next time', async () => {
    assert.ok(stack !== undefined);
    const addresses = [stack.temporalAddress, stack.uiUrl, stack.s3Endpoint];
    const children = readRecord(stateDir)?.children ?? [];
    assert.equal(children.length, 2);
    await stack.stop();
    assert.deepEqual(await isUp(), [false, false]);
    assert.deepEqual(
      children.map(({ pid }) => processIdentity(pid)),
      [undefined, undefined],
    );
    assert.equal(readRunningStack(stateDir), undefined);

    stack = await startStack({ stateDir, env: plainEnv });
    assert.deepEqual([stack.temporalAddress, stack.uiUrl, stack.s3Endpoint], addresses);
    const s3 = s3Of(stack.env);
    const kept = await s3.send(new GetObjectCommand({ Bucket: 'kept', Key: 'a/b' }));
    assert.equal(await kept.Body?.transformToString(), 'still here');
    s3.destroy();
    const connection = await Connection.connect({ address: stack.temporalAddress });
    const { status } = await new Client({ connection }).workflow.getHandle('kept').describe();
    assert.equal(status.name, 'RUNNING');
    await connection.close();
    await stack.stop();
    stack = undefined;
  });

  it('whose owner was killed is cleared away by the next one, which goes on where it was', async () => {
    owner = await startOwner();
    const left = readRecord(stateDir)?.children ?? [];
    assert.deepEqual(left.map(({ name }) => name).toSorted(), ['s3', 'temporal', 'worker']);
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    assert.equal(readRunningStack(stateDir), undefined, 'nobody takes it for running');
    const notices: string[] = [];
    stack = await startStack({ stateDir, env: plainEnv, onNotice: (line) => notices.push(line) });
    assert.deepEqual(
      left.map(({ pid }) => processIdentity(pid)),
      [undefined, undefined, undefined],
    );
    assert.match(notices.join('\n'), /stopped what a killed stack had left running: .*temporal/);
    assert.deepEqual(await isUp(), [true, true]);
    await stack.stop();
    stack = undefined;
  });

  it('whose owner is told to end takes everything with it', async () => {
    owner = await startOwner();
    const children = readRecord(stateDir)?.children ?? [];
    assert.equal(children.length, 3);
    owner.kill('SIGTERM');
    assert.deepEqual(await once(owner, 'exit'), [143, null]);
    assert.deepEqual(
      children.map(({ pid }) => processIdentity(pid)),
      [undefined, undefined, undefined],
    );
    assert.equal(readRecord(stateDir)?.owner, null, 'in an orderly way');
  });

  it('says what is missing when set-up has not run, and lets go of its folder', async () => {
    const env = { ...plainEnv, PATH: '/nowhere', XDG_CACHE_HOME: join(stateDir, 'no-cache') };
    for (let round = 0; round < 2; round++) {
      await assert.rejects(
        startStack({ stateDir: join(stateDir, 'other'), env }),
        (error) =>
          error instanceof EspalierError && error.kind === 'MissingTool' && /espalier setup/.test(error.fix ?? ''),
      );
    }
  });
});

describe("the user's own services", () => {
  it('are used as they are: nothing is started and nothing of their settings is changed', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'espalier-own-'));
    const env = {
      ...plainEnv,
      PATH: '/nowhere',
      TEMPORAL_ADDRESS: 'temporal.example:7233',
      TEMPORAL_NAMESPACE: 'ml',
      AWS_ENDPOINT_URL_S3: 'https://s3.example',
      AWS_PROFILE: 'work',
    };
    const stack = await startStack({ stateDir, env });
    try {
      assert.deepEqual(
        [stack.temporalAddress, stack.temporalNamespace, stack.uiUrl, stack.s3Endpoint, stack.embedded, stack.env],
        ['temporal.example:7233', 'ml', null, 'https://s3.example', { temporal: false, store: false }, {}],
      );
    } finally {
      await stack.stop();
      rmSync(stateDir, { recursive: true });
    }
  });

  it('are read from temporal.toml too, and none are found where none are named', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'espalier-toml-'));
    const file = join(folder, 'temporal.toml');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(file, '[profile.default]\naddress = "from-file:7233"\nnamespace = "team"\n');
    assert.deepEqual(await configuredTemporal({ TEMPORAL_CONFIG_FILE: file }), {
      temporalAddress: 'from-file:7233',
      temporalNamespace: 'team',
    });
    assert.equal(await configuredTemporal({ TEMPORAL_CONFIG_FILE: join(folder, 'none.toml') }), undefined);
    rmSync(folder, { recursive: true });
  });

  it('do not mix with an embedded store: a profile or session would win over its keys', () => {
    const record = {
      temporalAddress: '127.0.0.1:1',
      temporalNamespace: 'default',
      s3Endpoint: 'http://127.0.0.1:2',
      embedded: { temporal: false, store: true },
    };
    const env = stackEnvironment(record, { accessKey: 'key', secretKey: 'secret' });
    assert.equal(env['AWS_PROFILE'], '');
    assert.equal(env['AWS_SESSION_TOKEN'], '');
    assert.equal(env['TEMPORAL_ADDRESS'], undefined);
  });
});
