import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { connectTemporal, probeTemporal, temporalSettings } from '../../client/connection.ts';
import { freePort } from '../support/temporal.ts';

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

  it('says soon that a server accepts and never answers', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    try {
      await assert.rejects(connectTemporal({ TEMPORAL_ADDRESS: `127.0.0.1:${port}` }), {
        kind: 'TemporalUnavailable',
        message: /no answer within 1\.8 s/,
      });
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
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
});
