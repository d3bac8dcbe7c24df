import { rejects } from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { snapshotModelObjects } from '../../activities/selection/s3-source.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';

const NAMES = ['AWS_ENDPOINT_URL_S3', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'XDG_CACHE_HOME'];

describe('a model in a bucket', () => {
  const saved = { ...process.env };
  let folder: string;
  let gateway: Server;
  let body = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-s3-source-'));
    gateway = createServer((_, response) => response.writeHead(200, { ETag: '"1"' }).end(body));
    await new Promise<void>((ready) => gateway.listen(0, '127.0.0.1', ready));
    const endpoint = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
    for (const [place, value] of [endpoint, 'id', 'key', folder].entries()) process.env[NAMES[place] ?? ''] = value;
  });
  after(async () => {
    for (const name of NAMES) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
    gateway.closeAllConnections();
    gateway.close();
    await rm(folder, { recursive: true });
  });

  for (const [what, sent] of [
    ['fewer', 'weigh'],
    ['more', 'weights and more'],
  ] as const) {
    it(`is refused where an object comes with ${what} bytes than were listed`, async () => {
      body = sent;
      const options = {
        // Nothing is to reach it.
        store: {} as ArtifactStore,
        signal: new AbortController().signal,
        onProgress: () => {},
      };
      const object = { key: 'm/w.safetensors', path: 'w.safetensors', size: 7, etag: '"1"' };
      await rejects(snapshotModelObjects({ bucket: 'models', prefix: 'm' }, [object], options), {
        kind: 'Corrupt',
        message: /7 are listed/,
      });
    });
  }
});
