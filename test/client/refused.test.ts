import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestJson } from '../../artifacts/digest.ts';
import { connectTemporal, temporalSettings, type Environment } from '../../client/connection.ts';
import { listRuns, showRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { temporalForTests } from '../support/temporal.ts';
import { ref, runInput } from '../support/workflow.ts';

const prepared = { input: runInput(), inputRef: ref('input'), digest: digestJson('input') };

describe('a namespace that the server does not have', function () {
  this.timeout(60_000); // a server is started, on a busy machine
  it('is named by whoever would start a run in it, with the way out', async () => {
    const { address } = await temporalForTests();
    const { client, close } = await connectTemporal({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'defualt' });
    try {
      const said = {
        kind: 'BadConfig',
        message: /no namespace 'defualt'/,
        where: /TEMPORAL_NAMESPACE/,
        fix: /namespace list/,
      };
      await assert.rejects(startRun(client, prepared, { runId: 'nowhere' }), said);
      await assert.rejects(listRuns(client), said);
      await assert.rejects(showRun(client, 'nowhere'), said);
    } finally {
      await close();
    }
  });
});

/** gRPC's answer to every call: the development server lets everybody in, so that it cannot say this. `greets`: it tells its version first. */
async function startRefusing(code: number, { greets }: { readonly greets: boolean }): Promise<Http2Server> {
  const server = createServer();
  server.on('stream', (stream, { ':path': path }) => {
    const head = { ':status': 200, 'content-type': 'application/grpc' };
    if (!greets || path?.endsWith('/GetSystemInfo') !== true) {
      stream.respond({ ...head, 'grpc-status': code, 'grpc-message': 'Request unauthorized.' }, { endStream: true });
      return;
    }
    stream.respond(head, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }));
    stream.end(Buffer.alloc(5)); // an empty message
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe('a server that does not take who asks', () => {
  const SECRET = 'never-to-be-shown';

  async function refusal(code: number, greets: boolean, env: Environment): Promise<{ error: Error; address: string }> {
    const server = await startRefusing(code, { greets });
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const error = await connectTemporal({ ...env, TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'ml' }).then(
        async ({ client, close }) => {
          const said = await startRun(client, prepared, { runId: 'refused' }).catch((one: Error) => one);
          await close();
          return said ?? new Error('it let us in');
        },
        (one: Error) => one,
      );
      return { error, address };
    } finally {
      server.close();
    }
  }

  it('is named with the namespace and the setting that holds the key, and the key is not shown', async () => {
    const env = { TEMPORAL_API_KEY: SECRET, TEMPORAL_TLS: 'false' };
    for (const greets of [true, false]) {
      for (const code of [7, 16]) {
        const { error, address } = await refusal(code, greets, env);
        const { kind, where, fix } = error as Error & { kind: string; where: string; fix: string };
        assert.equal(kind, 'BadConfig', error.message);
        for (const part of [address, "namespace 'ml'", 'Request unauthorized.'])
          assert.ok(error.message.includes(part), error.message);
        assert.equal(where, 'TEMPORAL_API_KEY');
        assert.match(fix, /TEMPORAL_API_KEY.*TEMPORAL_NAMESPACE/);
        assert.ok(!JSON.stringify([error.message, where, fix]).includes(SECRET));
      }
    }
  });

  it('says that no key is shown to it where none is', async () => {
    const { error } = await refusal(7, true, {});
    assert.match((error as Error & { fix: string }).fix, /no key is shown to it: set TEMPORAL_API_KEY/);
  });

  it('is told by the file where the key stands in one, unless a variable is set as well', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-key-'));
    try {
      const file = join(folder, 'temporal.toml');
      await writeFile(file, `[profile.ours]\naddress = "localhost:1"\napi_key = "${SECRET}"\n`);
      const env = { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'ours' };
      assert.equal(temporalSettings(env).credential, `api_key of the profile 'ours' in ${file}`);
      assert.equal(temporalSettings({ ...env, TEMPORAL_API_KEY: 'x' }).credential, 'TEMPORAL_API_KEY');
      assert.equal(temporalSettings({}).credential, undefined);
      const metadata = { TEMPORAL_GRPC_META_AUTHORIZATION: `Bearer ${SECRET}` };
      assert.equal(temporalSettings(metadata).credential, 'TEMPORAL_GRPC_META_AUTHORIZATION');
      for (const [name, value] of [
        ['CERT', 'CERTIFICATE'],
        ['KEY', 'PRIVATE KEY'],
      ] as const)
        await writeFile(join(folder, name), `-----BEGIN ${value}-----\n-----END ${value}-----\n`);
      const certificate = {
        TEMPORAL_TLS_CLIENT_CERT_PATH: join(folder, 'CERT'),
        TEMPORAL_TLS_CLIENT_KEY_PATH: join(folder, 'KEY'),
      };
      assert.equal(temporalSettings(certificate).credential, 'TEMPORAL_TLS_CLIENT_CERT_PATH');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
