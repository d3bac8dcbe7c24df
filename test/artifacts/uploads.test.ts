import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
} from '@aws-sdk/client-s3';
import { digestFile } from '../../artifacts/digest.ts';
import { MULTIPART_FROM } from '../../artifacts/file-content.ts';
import { openStore, type OpenStore } from '../../artifacts/open.ts';
import { collectUploads } from '../../artifacts/upload.ts';
import { testFolder, withStore, type TestStore } from '../support/store.ts';

const OPTIONS = { name: 'weights', mediaType: 'application/octet-stream' };
const BYTES = MULTIPART_FROM * 2 + 12_345;

async function largeFile(): Promise<string> {
  const path = join(testFolder(), `large-${randomUUID()}`);
  await writeFile(path, randomBytes(MULTIPART_FROM));
  await truncate(path, BYTES);
  return path;
}

/** Calls `hook` before every command of this name that the store sends. */
function beforeEvery(
  command: string,
  { objects }: OpenStore,
  hook: (input: { UploadId?: string }) => Promise<void>,
): void {
  objects.client.middlewareStack.add(
    (next, context) => async (args) => {
      if (context.commandName === command) await hook(args.input as { UploadId?: string });
      return next(args);
    },
    { step: 'initialize' },
  );
}

function event(): { readonly happened: Promise<void>; readonly happens: () => void } {
  let happens = (): void => {};
  const happened = new Promise<void>((resolve) => (happens = resolve));
  return { happened, happens };
}

describe('an upload in parts', function () {
  this.timeout(120_000);
  let test: TestStore;
  let twin: OpenStore;
  beforeEach(async () => {
    test = await withStore();
    twin = await openStore(test.env);
  });
  afterEach(() => {
    twin.close();
    test.close();
  });

  async function uploads(): Promise<string[]> {
    const { Bucket } = test.objects.at('');
    const listed = await test.objects.client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'blobs/' }));
    return (listed.Uploads ?? []).map(({ UploadId }) => UploadId ?? '');
  }

  for (const late of ['ListPartsCommand', 'UploadPartCommand', 'CompleteMultipartUploadCommand']) {
    it(`has done its work when a twin completes it before its ${late.replace('Command', '')}`, async () => {
      const path = await largeFile();
      const [joined, completed] = [event(), event()];
      let seen = 0;
      // The first waits with completing until the second has found its upload; that one goes on when all is over.
      beforeEvery(late === 'CompleteMultipartUploadCommand' ? late : 'UploadPartCommand', test, () => joined.happened);
      beforeEvery(late, twin, async () => {
        seen++;
        joined.happens();
        await completed.happened;
      });
      const first = test.store.putFile(path, OPTIONS);
      while ((await uploads()).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      const second = twin.store.putFile(path, OPTIONS);
      const ref = await first;
      completed.happens();
      assert.deepEqual(await second, ref);
      assert.ok(seen > 0, 'the twin was held');
      assert.equal(await digestFile(await twin.store.file(ref)), ref.digest);
      assert.deepEqual(await uploads(), []);
    });
  }

  it('begins anew when somebody aborts it under way, and tells each byte once', async () => {
    const path = await largeFile();
    const aborted: string[] = [];
    let parts = 0;
    beforeEvery('UploadPartCommand', test, async ({ UploadId = '' }) => {
      parts++;
      if (parts !== 3) return;
      const { Bucket } = test.objects.at('');
      const listed = await twin.objects.client.send(new ListMultipartUploadsCommand({ Bucket }));
      const Key = listed.Uploads?.[0]?.Key ?? '';
      await twin.objects.client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
      aborted.push(UploadId);
    });
    const folder = join(testFolder(), `tree-${randomUUID()}`);
    await mkdir(folder);
    await rename(path, join(folder, 'weights'));
    const seen: [number, number][] = [];
    const tree = await test.store.putTree(folder, 'model', { onProgress: (done, total) => seen.push([done, total]) });
    assert.equal(aborted.length, 1);
    assert.deepEqual(seen.at(-1), [BYTES, BYTES]);
    assert.equal(
      await digestFile(await test.store.fileInTree(tree, 'weights')),
      await digestFile(join(folder, 'weights')),
    );
    // A part that arrives while its upload is being aborted makes the gateway list that upload again.
    await collectUploads(test.objects, { olderThanMs: 0 });
    assert.deepEqual(await uploads(), []);
  });

  it('of four at once all succeed, and nothing is left over', async () => {
    const path = await largeFile();
    const refs = await Promise.all([test, twin, test, twin].map(({ store }) => store.putFile(path, OPTIONS)));
    assert.equal(new Set(refs.map(({ digest }) => digest)).size, 1);
    assert.equal(await digestFile(await test.store.file(refs[0]?.digest ?? 'sha256:')), refs[0]?.digest);
    await collectUploads(test.objects, { olderThanMs: 0 });
    assert.deepEqual(await uploads(), []);
  });

  it('is collected when nobody has completed it for long, not before, and nothing else is', async () => {
    const begin = async (key: string): Promise<string> =>
      (await test.objects.client.send(new CreateMultipartUploadCommand(test.objects.at(key)))).UploadId ?? '';
    const abandoned = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => begin(`blobs/sha256/00/${name}`)));
    const foreign = await begin('elsewhere/x');
    assert.equal(await collectUploads(test.objects), 0, 'a young upload may be under way');
    assert.deepEqual((await uploads()).toSorted(), abandoned.toSorted());
    assert.equal(await collectUploads(test.objects, { olderThanMs: 0, limit: 2 }), 2, 'bounded');
    // Two workers that start at the same moment.
    await Promise.all([
      collectUploads(test.objects, { olderThanMs: 0 }),
      collectUploads(twin.objects, { olderThanMs: 0 }),
    ]);
    assert.deepEqual(await uploads(), []);
    assert.equal(await collectUploads(test.objects, { olderThanMs: 0 }), 0);
    const { Bucket } = test.objects.at('');
    const left = await test.objects.client.send(new ListMultipartUploadsCommand({ Bucket }));
    assert.deepEqual(
      left.Uploads?.map(({ UploadId }) => UploadId),
      [foreign],
    );
  });
});
