import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, cp, type FileHandle, mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestFile, readWithDigest } from '../../artifacts/digest.ts';
import { signStatement } from '../../artifacts/dsse.ts';
import { modelStatement, SIGNATURE_FILE, verifySignedFolder } from '../../artifacts/model-signature.ts';
import { listDirectory } from '../../artifacts/tree.ts';
import { ModelPool } from '../../serving/pool.ts';
import { loadModel } from '../../serving/served-model.ts';
import { VerifiedModel } from '../../serving/verified-model.ts';
import { tinyClassifier } from '../support/bundle.ts';
import { TEST_KEY } from '../support/signing.ts';

describe('a verified model', () => {
  let folder: string;
  const at = (name: string): string => join(folder, 'm', '1', name);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-verified-'));
    await mkdir(join(folder, 'm'));
    await cp(await tinyClassifier(), join(folder, 'm', '1'), { recursive: true });
    await writeFile(join(folder, 'MODEL_CARD.md'), '# m');
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function verified(): Promise<VerifiedModel> {
    const listed = (await listDirectory(folder)).map(({ path }) => path);
    const paths = listed.filter((path) => path !== SIGNATURE_FILE);
    const files = await Promise.all(
      paths.map(async (path) => ({ path, digest: await digestFile(join(folder, path)) })),
    );
    const signature = await signStatement(modelStatement('m', files), TEST_KEY.signer);
    await writeFile(join(folder, SIGNATURE_FILE), JSON.stringify(signature));
    return new VerifiedModel(
      folder,
      'm',
      await verifySignedFolder(folder, TEST_KEY.trusted, (path) => path.startsWith('m/1/')),
    );
  }

  it('is loaded as it was hashed, whatever stands on the disk a moment later', async () => {
    const model = await verified();
    const graph = await readFile(at('model.onnx'));
    for (const name of ['model.onnx', 'tokenizer.json', 'classifier.json']) {
      await chmod(at(name), 0o644);
      await writeFile(at(name), 'something else');
    }
    equal(model.config.labels.length, 2);
    const pool = await ModelPool.start(model, { workers: 2, dimension: 3, classes: 2 });
    equal((await pool.run(['one', 'two'])).probabilities.length, 4);
    equal(pool.threadIds.length, 2);
    await pool.drain();
    deepEqual((await readFile(at('model.onnx'))).equals(graph), false, 'the disk was changed');
  });

  it('takes fewer texts a batch where each may be read in many windows, so that one batch holds nobody up', async () => {
    const whole = JSON.parse(await readFile(at('classifier.json'), 'utf8')) as object;
    const largest = async (windows: object | undefined): Promise<number> => {
      await chmod(at('classifier.json'), 0o644);
      await writeFile(at('classifier.json'), JSON.stringify({ ...whole, windows }));
      const batches: number[] = [];
      const onBatch = (rows: number): void => void batches.push(rows);
      const { pool } = await loadModel(await verified(), { workers: 1, maxPixels: 1, onBatch });
      if (!(pool instanceof ModelPool)) throw new Error('a classifier has a pool of models');
      await pool.run(Array.from({ length: 70 }, (_, row) => `text ${row}`));
      await pool.drain();
      return Math.max(...batches);
    };
    equal(await largest(undefined), 32);
    equal(await largest({ overlap: 0.25, most: 8 }), 4);
    equal(await largest({ overlap: 0.25, most: 64 }), 1);
  });

  it('replaces a lost worker from the disk, and only by what was signed', async () => {
    const lost: string[] = [];
    const pool = await ModelPool.start(await verified(), {
      workers: 1,
      dimension: 3,
      classes: 2,
      onRestart: (reason) => lost.push(reason),
    });
    await pool.crashWorker();
    equal((await pool.run(['still there'])).probabilities.length, 2);
    await chmod(at('model.onnx'), 0o644);
    await writeFile(at('model.onnx'), Buffer.concat([await readFile(at('model.onnx')), Buffer.of(0)]));
    await pool.crashWorker();
    await rejects(pool.run(['nobody']), /m\/1\/model\.onnx is sha256:\w+, but sha256:\w+ was signed/);
    match(lost.at(-1) ?? '', /was signed/);
    await pool.drain();
  });

  it('is in memory once: taken, its bytes are let go of', async () => {
    const model = await verified();
    const [first, second] = [await model.take(), await model.take()];
    deepEqual(second, first);
    equal(first['model.onnx'].buffer === second['model.onnx'].buffer, false);
  });

  it('is none without its files, or with a config that cannot be used', async () => {
    await rm(at('tokenizer.json'));
    await rejects(verified(), /the bundle lacks m\/1\/tokenizer\.json/);
    await writeFile(at('tokenizer.json'), '{}');
    await writeFile(at('classifier.json'), '{"kind":"encoder"}');
    await rejects(verified(), { kind: 'BadModel' });
  });
});

describe('reading with a digest', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'espalier-digest-'))));
  after(() => rm(folder, { recursive: true }));

  it('gives the bytes and their digest, of files of no byte, of a piece exactly, and of more', async () => {
    const path = join(folder, 'file');
    for (const size of [0, 1, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 5 * 2 ** 20 + 17]) {
      const content = Buffer.alloc(size, 'abc');
      await writeFile(path, content);
      const { bytes, digest } = await readWithDigest(path);
      equal(bytes.equals(content), true, `${size}`);
      equal(digest, `sha256:${createHash('sha256').update(content).digest('hex')}`);
      equal(digest, await digestFile(path));
      equal(bytes.buffer.byteLength, size, 'in memory of its own: it can be handed to a thread');
    }
  });

  it('refuses a file that becomes shorter meanwhile', async () => {
    const path = join(folder, 'shrinking');
    await writeFile(path, Buffer.alloc(64 * 2 ** 20));
    // Cut when its size is known and nothing is read yet: earlier it is a short file, later one that was read.
    const handle = await open(path);
    const prototype = Object.getPrototypeOf(handle) as Pick<FileHandle, 'stat'>;
    const { stat } = prototype;
    prototype.stat = async function asked(this: FileHandle): Promise<never> {
      const known = await stat.call(this);
      await truncate(path, 10);
      return known as never;
    };
    try {
      await rejects(readWithDigest(path), { kind: 'Corrupt', message: /became shorter/ });
    } finally {
      prototype.stat = stat;
      await handle.close();
    }
  });
});
