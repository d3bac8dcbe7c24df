import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { connectTemporal, probeTemporal, temporalSettings } from '../../client/connection.ts';
import { HOST, TcpProxy } from '../support/faults-proxy.ts';
import { freePort } from '../support/temporal.ts';
import { startTemporalIn } from '../support/temporal-server.ts';

describe('reaching Temporal', () => {
  it('says soon that nothing listens, with the address and a way out', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    await assert.rejects(
      connectTemporal({ TEMPORAL_ADDRESS: address }),
      (error: { kind: string; message: string; fix: string }) => {
        assert.equal(error.kind, 'TemporalUnavailable');
        // By name, as the system says it: gRPC itself would wait for ten seconds and not tell.
        assert.ok(error.message.includes(`${address} (ECONNREFUSED)`), error.message);
        assert.match(error.fix, /TEMPORAL_ADDRESS/);
        return true;
      },
    );
  });

  it('names a host that does not resolve', async () => {
    await assert.rejects(probeTemporal('host.invalid:7233'), { kind: 'TemporalUnavailable' });
  });

  it('says that something else listens there', async () => {
    const server = createServer((socket) =>
      socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    try {
      await assert.rejects(connectTemporal({ TEMPORAL_ADDRESS: `127.0.0.1:${port}` }), { kind: 'TemporalUnavailable' });
    } finally {
      server.close();
    }
  });

  it('says after ten seconds that a server accepts and never answers, and advises to start none', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    try {
      await assert.rejects(connectTemporal({ TEMPORAL_ADDRESS: `127.0.0.1:${port}` }), {
        kind: 'TemporalUnavailable',
        message: /no answer within 10 s/,
        fix: /busy machine wait and try again/,
      });
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  it('waits for a server that is there and slow to answer', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-slow-'));
    const server = await startTemporalIn(folder);
    const proxy = await TcpProxy.start(Number(server.address.split(':')[1]));
    try {
      // Connections are taken, as those of a starved process are, and nothing is answered.
      const starved = proxy.partition(3_000);
      const temporal = await connectTemporal({ TEMPORAL_ADDRESS: `${HOST}:${proxy.port}` });
      await starved;
      await temporal.close();
    } finally {
      await proxy.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('refuses an address without a port by name', async () => {
    await assert.rejects(probeTemporal('localhost'), { kind: 'BadConfig', message: /TEMPORAL_ADDRESS is 'localhost'/ });
  });

  it('reads the standard variables', () => {
    const settings = temporalSettings({ TEMPORAL_ADDRESS: 'temporal.example:7233', TEMPORAL_NAMESPACE: 'ml' });
    assert.equal(settings.address, 'temporal.example:7233');
    assert.equal(settings.namespace, 'ml');
  });

  it('names a profile that does not exist', () => {
    assert.throws(() => temporalSettings({ TEMPORAL_PROFILE: 'nope' }), { kind: 'BadConfig', message: /nope/ });
  });

  it('ends a call that begins after it is closed, and nothing throws where nobody could catch it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-closed-'));
    const server = await startTemporalIn(folder);
    try {
      const temporal = await connectTemporal({ TEMPORAL_ADDRESS: server.address });
      await temporal.close();
      await assert.rejects(temporal.client.workflow.getHandle('nobody').describe(), (error: Error) => {
        assert.match((error.cause as Error | undefined)?.message ?? error.message, /the connection is closed/);
        return true;
      });
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('is closed while a call is tried again: the call ends, and nothing throws from its timer', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-closed-'));
    const server = await startTemporalIn(folder);
    try {
      const temporal = await connectTemporal({ TEMPORAL_ADDRESS: server.address });
      await server.stop();
      const asked = temporal.client.workflow.getHandle('nobody').describe();
      const ended = assert.rejects(asked, (error: Error) => {
        assert.match((error.cause as Error | undefined)?.message ?? error.message, /the connection is closed/);
        return true;
      });
      // The first call has failed by then, and another is to follow.
      await setTimeout(400);
      await temporal.close();
      await ended;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
