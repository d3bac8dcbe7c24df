import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { snapshotData } from '../../activities/data/snapshot-data.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { startTestHub, type TestHub } from '../support/hub.ts';
import { pythonForTests } from '../support/python.ts';
import { dataServices } from './fixtures.ts';

/** A zip with the texts that are asked for, and what pip wants of a wheel. */
const WHEEL = `
import json, sys, zipfile
request = json.load(sys.stdin)
with zipfile.ZipFile(request["wheel"], "w", zipfile.ZIP_DEFLATED) as archive:
    for name, text in request["texts"].items():
        archive.writestr(name, text)
`;
const TABLE = 'text,label\nwhere is my parcel,delivery\ngive me my money back,refund\n';

describe('data files that are neither here nor in S3', function () {
  this.timeout(120_000);
  let root: string;
  let services: ActivityServices & { readonly opened: { close(): void } };
  const changed = ['XDG_CACHE_HOME', 'HF_HOME', 'HF_ENDPOINT', 'PIP_NO_INDEX', 'PIP_FIND_LINKS'];
  const saved = Object.fromEntries(changed.map((name) => [name, process.env[name]]));
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-fetched-'));
    services = { ...(await dataServices()), python: pythonForTests() };
    process.env['XDG_CACHE_HOME'] = join(root, 'cache');
    process.env['HF_HOME'] = join(root, 'hub');
  });
  after(async () => {
    for (const [name, value] of Object.entries(saved)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await rm(root, { recursive: true, force: true });
    services.opened.close();
  });

  const { signal } = new AbortController();
  const snapshot = (...paths: readonly string[]) =>
    snapshotData({ files: paths.map((path) => ({ path, format: 'csv', split: 'all' }) as const) }, services, {
      signal,
    });
  const contents = async (found: Awaited<ReturnType<typeof snapshot>>): Promise<readonly string[]> =>
    Promise.all(found.files.map(async ({ ref }) => (await services.store.getBytes(ref)).toString()));

  describe('but in a data set on the hub', () => {
    let hub: TestHub;
    beforeEach(async () => {
      hub = await startTestHub('org/messages', 'datasets');
      process.env['HF_ENDPOINT'] = hub.endpoint;
    });
    afterEach(() => hub.stop());

    it('are taken at the commit that the revision stands at, which is recorded, and nothing else is fetched', async () => {
      const commit = hub.commit({ 'data/train.csv': Buffer.from(TABLE), 'data/huge.csv': Buffer.alloc(100) });
      const address = 'hf:org/messages@main#data/train.csv';
      const found = await snapshot(address);
      deepEqual(await contents(found), [TABLE]);
      deepEqual(found.pinned, { [address]: `commit ${commit}` });
      ok(!hub.requests.some((request) => request.includes('huge.csv')));

      const moved = hub.commit({ 'data/train.csv': Buffer.from(`${TABLE}hello,other\n`) });
      const later = await snapshot(address, `hf:org/messages@${commit}#data/train.csv`);
      deepEqual(await contents(later), [`${TABLE}hello,other\n`, TABLE]);
      equal(later.pinned?.[address], `commit ${moved}`);
    });

    it('are all of one commit where they name one revision, though it moves between them', async () => {
      const files = { 'train.csv': Buffer.from(TABLE), 'test.csv': Buffer.from('text,label\nold,old\n') };
      const commit = hub.commit(files);
      const [train, test] = ['hf:org/messages@main#train.csv', 'hf:org/messages@main#test.csv'];
      let moved = false;
      const putFile: ArtifactStore['putFile'] = (...given) => {
        if (!moved) hub.commit({ ...files, 'test.csv': Buffer.from('text,label\nnew,new\n') });
        moved = true;
        return services.store.putFile(...given);
      };
      const store = Object.assign(Object.create(services.store) as ArtifactStore, { putFile });
      const found = await snapshotData(
        { files: [train, test].map((path) => ({ path, format: 'csv', split: 'all' }) as const) },
        { ...services, store },
        { signal },
      );
      ok(moved);
      deepEqual(found.pinned, { [train]: `commit ${commit}`, [test]: `commit ${commit}` });
      deepEqual((await contents(found))[1], 'text,label\nold,old\n');
    });

    it('are the same files for what follows as long as their bytes are the same', async () => {
      hub.commit({ 'a.csv': Buffer.from(TABLE), 'README.md': Buffer.from('one') });
      const first = await snapshot('hf:org/messages#a.csv');
      hub.commit({ 'a.csv': Buffer.from(TABLE), 'README.md': Buffer.from('two') });
      const second = await snapshot('hf:org/messages#a.csv');
      deepEqual(second.files, first.files);
      ok(JSON.stringify(second.pinned) !== JSON.stringify(first.pinned));
    });

    it('are refused by address where there is no such file, repository or hub, and say what there is', async () => {
      hub.commit({ 'train.csv': Buffer.from(TABLE), 'test.jsonl': Buffer.from('{}') });
      const lacking = 'hf:org/messages#trian.csv';
      await rejects(snapshot(lacking), (error: { kind: string; where: string; fix: string }) => {
        deepEqual([error.kind, error.where], ['NotFound', lacking]);
        match(error.fix, /it has train\.csv, test\.jsonl/);
        return true;
      });
      await rejects(snapshot('hf:org/other#train.csv'), { kind: 'NotFound', where: 'hf:org/other#train.csv' });
      process.env['HF_ENDPOINT'] = 'http://127.0.0.1:9';
      await rejects(snapshot('hf:org/messages#train.csv'), {
        kind: 'NetworkUnavailable',
        retryable: true,
        fix: /download the file/,
      });
    });

    it('leave nothing in the temporary folder, whether they come or not', async () => {
      hub.commit({ 'a.csv': Buffer.from(TABLE) });
      const own = await mkdtemp(join(root, 'tmp-'));
      const usual = process.env['TMPDIR'];
      process.env['TMPDIR'] = own;
      try {
        await snapshot('hf:org/messages#a.csv');
        await rejects(snapshot('hf:org/messages#b.csv'), { kind: 'NotFound' });
        deepEqual(await readdir(own), []);
      } finally {
        if (usual === undefined) delete process.env['TMPDIR'];
        else process.env['TMPDIR'] = usual;
      }
    });
  });

  describe('but in a wheel', () => {
    before(async () => {
      const links = await mkdtemp(join(root, 'wheels-'));
      const info = 'messages-1.0.dist-info';
      const request = {
        wheel: join(links, 'messages-1.0-py3-none-any.whl'),
        texts: {
          'messages/__init__.py': 'raise SystemExit("imported")',
          'messages/data/a.csv': TABLE,
          'messages/data/b.csv': 'text,label\n',
          [`${info}/METADATA`]: 'Metadata-Version: 2.1\nName: messages\nVersion: 1.0\n',
          [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
          [`${info}/RECORD`]: '',
        },
      };
      const made = spawnSync(services.python.executable, ['-c', WHEEL], {
        input: JSON.stringify(request),
        encoding: 'utf8',
      });
      equal(made.status, 0, made.stderr);
      process.env['PIP_NO_INDEX'] = '1';
      process.env['PIP_FIND_LINKS'] = links;
    });

    it('are read from the zip that it is, with its digest on record', async () => {
      const address = 'pypi:messages==1.0#messages/data/a.csv';
      const found = await snapshot(address, 'pypi:messages==1.0#messages/data/b.csv');
      deepEqual(await contents(found), [TABLE, 'text,label\n']);
      match(found.pinned?.[address] ?? '', /^wheel sha256:[0-9a-f]{64}$/);
    });

    it('are refused for good where the wheel is spoilt', async () => {
      const links = await mkdtemp(join(root, 'wheels-'));
      const spoil = `
import json, sys, zipfile
path = sys.argv[1]
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("spoilt/a.csv", "text,label\\n" * 200)
    info = "spoilt-1.0.dist-info"
    archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: spoilt\\nVersion: 1.0\\n", zipfile.ZIP_STORED)
    archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n", zipfile.ZIP_STORED)
    archive.writestr(f"{info}/RECORD", "", zipfile.ZIP_STORED)
data = bytearray(open(path, "rb").read())
begin = 30 + len("spoilt/a.csv")
data[begin:begin + 8] = b"\\xff" * 8
open(path, "wb").write(data)
`;
      const made = spawnSync(services.python.executable, ['-c', spoil, join(links, 'spoilt-1.0-py3-none-any.whl')], {
        encoding: 'utf8',
      });
      equal(made.status, 0, made.stderr);
      const usual = process.env['PIP_FIND_LINKS'];
      process.env['PIP_FIND_LINKS'] = links;
      try {
        await rejects(snapshot('pypi:spoilt==1.0#spoilt/a.csv'), {
          kind: 'UnsafeModel',
          retryable: false,
          message: /not a sound zip archive/,
        });
      } finally {
        process.env['PIP_FIND_LINKS'] = usual;
      }
    });

    it('are refused by address where the wheel has no such file, and say what is beside it', async () => {
      const lacking = 'pypi:messages==1.0#messages/data/c.csv';
      await rejects(snapshot(lacking), {
        kind: 'NotFound',
        where: lacking,
        message: /beside it are messages\/data\/a\.csv, /,
      });
    });
  });
});
