import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { ImportedModel } from '../../activities/contract/selection.ts';
import { importModel } from '../../activities/selection/import-model.ts';
import { resolveModel } from '../../activities/selection/resolve-model.ts';
import { foreignWeightsOf, putForeignWeightsAside } from '../../activities/selection/foreign-weights.ts';
import { convertWeights } from '../../activities/selection/weights-conversion.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { networkNamespace } from '../../activities/training/launchers/local.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { startTestHub } from '../support/hub.ts';
import { standInScanner } from '../support/picklescan.ts';
import { importFolder } from '../support/import-folder.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';
import { tinyModel } from '../support/tiny-model.ts';

const intendedUse = { commercial: true, domain: 'support', publish: false, hosted: true, modify: true };
const script = (name: string): string => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
const EXECUTES = ['system-zip.bin', 'runpy-zip.bin'];
/** By what refuses each: our own reading of the container, or of the old form, PyTorch's restricted reader, or our look at its tensors. */
const REFUSED = {
  container: (
    'absolute bad-crc before behind big-endian broken-pickle compressed doubled empty encrypted nested-zip no-pickle ' +
    'other-pickle protocol-0 second-pickle system-raw tar text torchscript truncated two-tops up'
  )
    .split(' ')
    .map((name) => `${name}.bin`),
  legacy: {
    'behind-legacy.bin': /bytes, its storages end at/,
    'lying-legacy.bin': /has 2 numbers, its tensors say 3/,
    'module-legacy.bin': /the opcode|something stored that is no storage|the name 'torch.nn/,
    'parameter-legacy.bin': /the name 'torch\._utils _rebuild_parameter'/,
    'runpy-legacy.bin': /the name 'runpy _run_code'/,
    'short-legacy.bin': /bytes, its storages end at/,
    'system-legacy.bin': /the name 'posix system'/,
    'unlisted-legacy.bin': /does not list each storage of its tensors once/,
  },
  load: [...EXECUTES, 'expanded.bin', 'list.bin', 'nested.bin', 'nested-legacy.bin', 'sparse.bin'],
};
const scanner = process.env['ESPALIER_PICKLESCAN'];

describe('converting a torch file', function () {
  this.timeout(180_000);
  let root: string;
  let files: string;
  let touched: string;
  let weights: Buffer;
  let services: ActivityServices;
  const saved = { ...process.env };
  const python = pythonForTests();
  const run = promisify(execFile);

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-convert-'));
    files = await mkdtemp(join(root, 'files-'));
    touched = join(root, 'touched');
    const test = await withStore();
    services = { store: test.store, pointers: test.pointers, python };
    const tiny = join(await tinyModel(), 'model.safetensors');
    weights = await readFile(tiny);
    await run(python.executable, ['-W', 'ignore', script('torch_files.py'), files, touched, tiny]);
  });
  beforeEach(() => delete process.env['ESPALIER_PICKLESCAN']);
  afterEach(() => assert.ok(!existsSync(touched), 'a hostile file was executed'));
  after(async () => {
    for (const name of Object.keys(process.env)) if (saved[name] === undefined) delete process.env[name];
    Object.assign(process.env, saved);
    await rm(root, { recursive: true, force: true });
  });

  /** Of every file: what refused it, in one process. */
  async function drive(folder: string, ...more: string[]): Promise<Record<string, [string, string, string] | null>> {
    const env = { PATH: process.env['PATH'], PYTHONPATH: python.packages, PYTHONDONTWRITEBYTECODE: '1' };
    const { stdout } = await run(python.executable, ['-P', script('torch_driver.py'), files, folder, ...more], { env });
    return JSON.parse(stdout) as Record<string, [string, string, string] | null>;
  }

  /** Imports a model that has the torch file in place of its weights, by way of resolving it. */
  async function imported(torchFile: string, convert?: 'torch', keep = false): Promise<ImportedModel> {
    const folder = await mkdtemp(join(root, 'model-'));
    await cp(await tinyModel(), folder, { recursive: true });
    if (!keep) await rm(join(folder, 'model.safetensors'));
    await cp(join(files, torchFile), join(folder, 'pytorch_model.bin'));
    return importFolder(folder, services, convert);
  }
  async function weightsOf({ model }: ImportedModel): Promise<Buffer> {
    return readFile(await services.store.fileInTree(model, 'model.safetensors'));
  }

  it('happens only where it was asked for', async () => {
    process.env['ESPALIER_PICKLESCAN'] = await standInScanner(root);
    await assert.rejects(imported('honest.bin'), { kind: 'UnsafeModel', message: /model\.safetensors is needed/ });
    assert.equal(foreignWeightsOf(['pytorch_model.bin'], undefined), undefined);
    assert.equal(foreignWeightsOf(['x/pytorch_model.bin', 'pytorch_model-00001-of-00002.bin'], 'torch'), undefined);
    assert.equal(foreignWeightsOf(['model.pt', 'pytorch_model.bin'], 'torch')?.name, 'pytorch_model.bin');
  });

  it('never happens where there is a model.safetensors: the torch file stays unopened outside', async () => {
    const { converted, quarantined } = await imported('system-zip.bin', 'torch', true);
    assert.equal(converted, undefined);
    assert.match(quarantined[0]?.reason ?? '', /zip archive/);
  });

  it('is refused without the scanner, or with another version of it, and says how to get it', async () => {
    const fix = /pip install --no-deps --target FOLDER modelaudit-picklescan==0\.1\.12.*ESPALIER_PICKLESCAN/;
    process.env['ESPALIER_PICKLESCAN'] = root;
    const none = { kind: 'MissingTool', retryable: false, message: /has none/, fix };
    await assert.rejects(imported('honest.bin', 'torch'), none);
    process.env['ESPALIER_PICKLESCAN'] = await standInScanner(root, { version: '0.1.13' });
    const other = { kind: 'MissingTool', retryable: false, message: /0\.1\.13; its verdicts/, fix };
    await assert.rejects(imported('honest.bin', 'torch'), other);
  });

  it('is refused unless the verdict is clean, the scan complete, and every pickle was seen', async () => {
    for (const [standIn, message] of [
      [{ verdict: 'suspicious' }, /calls pytorch_model\.bin SUSPICIOUS \(scan complete\)/],
      [{ status: 'inconclusive' }, /CLEAN \(scan inconclusive\)/],
      [{ seen: 0 }, /not each of its pickles/],
    ] as const) {
      process.env['ESPALIER_PICKLESCAN'] = await standInScanner(root, standIn);
      await assert.rejects(imported('honest.bin', 'torch'), { kind: 'UnsafeModel', message });
    }
  });

  it('gives the very bytes that safetensors makes of the same tensors, and tells what of, by what, and who spoke for it', async () => {
    process.env['ESPALIER_PICKLESCAN'] = await standInScanner(root);
    const model = await imported('honest.bin', 'torch');
    assert.ok((await weightsOf(model)).equals(weights));
    const bytes = await readFile(join(files, 'honest.bin'));
    assert.ok(model.converted?.of === 'torch');
    const { torch, ...rest } = model.converted;
    assert.match(torch, /^2\./);
    assert.deepEqual(rest, {
      of: 'torch',
      from: { path: 'pytorch_model.bin', sha256: digestBytes(bytes).slice('sha256:'.length), bytes: bytes.length },
      scanner: { name: 'modelaudit-picklescan', version: '0.1.12', verdict: 'clean' },
    });
    const { entries } = await services.store.tree(model.model);
    assert.ok(!entries.some(({ path }) => path.endsWith('.bin')));
    assert.deepEqual(model.quarantined, [{ path: 'pytorch_model.bin', reason: 'was converted to model.safetensors' }]);
  });

  it('downloads the torch file of a hub’s model only then', async () => {
    const hub = await startTestHub('org/tiny');
    try {
      process.env['HF_ENDPOINT'] = hub.endpoint;
      process.env['HF_HOME'] = join(root, 'hub');
      process.env['ESPALIER_PICKLESCAN'] = await standInScanner(root);
      const names = (await readdir(await tinyModel())).filter((name) => name !== 'model.safetensors');
      const folder = await tinyModel();
      const own = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const));
      const torchFile = await readFile(join(files, 'honest.bin'));
      hub.commit({ ...Object.fromEntries(own), 'pytorch_model.bin': torchFile, 'other.bin': torchFile });
      const candidate = { id: 'tiny', model: 'hf:org/tiny@main', pooling: 'mean', optional: false } as const;
      const plain = await runStep(resolveModel, { candidate, intendedUse }, services);
      await assert.rejects(runStep(importModel, { resolved: plain }, services), { kind: 'UnsafeModel' });
      assert.ok(!hub.requests.some((request) => request.includes('.bin')));
      const asked = { candidate: { ...candidate, convert: 'torch' as const }, intendedUse };
      const resolved = await runStep(resolveModel, asked, services);
      assert.equal(resolved.sizeBytes, (plain.sizeBytes ?? 0) + torchFile.length);
      assert.ok((await weightsOf(await runStep(importModel, { resolved }, services))).equals(weights));
      assert.ok(!hub.requests.some((request) => request.includes('other.bin')));
    } finally {
      await hub.stop();
    }
  });

  it('goes on in a process without network, credentials, or a way to change its input', async () => {
    process.env['AWS_SECRET_ACCESS_KEY'] = process.env['HF_TOKEN'] = 'a secret';
    process.env['ESPALIER_PICKLESCAN'] = await standInScanner(root, { probes: true });
    const error = await imported('honest.bin', 'torch').catch((thrown: Error) => thrown);
    const [network, write, interfaces, secrets] = JSON.parse(
      /STAND_IN (\[.*\])$/.exec((error as Error).message)?.[1] ?? '[]',
    ) as [string, string, string[], string[]];
    assert.equal(network, 'NetworkRefused');
    assert.match(write, /InputsAreReadOnly|OSError/);
    assert.deepEqual(secrets, []);
    if ((await networkNamespace()).length > 0) assert.deepEqual(interfaces, ['lo']);
  });

  it('ends at once when the step is cancelled', async () => {
    process.env['ESPALIER_PICKLESCAN'] = await standInScanner(root, { seconds: 600 });
    const workDir = await mkdtemp(join(root, 'work-'));
    const began = Date.now();
    const options = { python, workDir, signal: AbortSignal.timeout(700) };
    const weights = { form: 'torch', name: 'honest.bin', parts: [], folder: files } as const;
    await assert.rejects(convertWeights(weights, workDir, options), { name: 'TimeoutError' });
    assert.ok(Date.now() - began < 100_000); // it would sleep for 600 s
    assert.ok(!existsSync(join(workDir, 'model.safetensors')));
  });

  it('takes no link for the file', async () => {
    const folder = await mkdtemp(join(root, 'link-'));
    await writeFile(join(root, 'elsewhere'), 'x');
    await symlink(join(root, 'elsewhere'), join(folder, 'pytorch_model.bin'));
    await assert.rejects(putForeignWeightsAside(folder, 'torch', root), { kind: 'UnsafeModel' });
  });

  it('refuses every hostile file even where the scanner was fooled, and none of them runs', async () => {
    const judged = await drive(await standInScanner(root));
    const by = (step: string): string[] => Object.keys(judged).filter((name) => judged[name]?.[0] === step);
    assert.deepEqual(by('container').toSorted(), REFUSED.container.toSorted());
    assert.deepEqual(by('load').toSorted(), REFUSED.load.toSorted());
    assert.deepEqual(by('legacy').toSorted(), Object.keys(REFUSED.legacy));
    for (const [name, message] of Object.entries(REFUSED.legacy)) assert.match(judged[name]?.[2] ?? '', message, name);
    assert.deepEqual(
      Object.keys(judged).filter((name) => judged[name] === null),
      ['described-legacy.bin', 'described.bin', 'honest.bin', 'legacy.bin', 'old.bin', 'tied.bin', 'two-legacy.bin'],
    );
    for (const name of EXECUTES) assert.match(judged[name]?.[2] ?? '', /restricted to weights, refuses/);
    assert.match(judged['expanded.bin']?.[2] ?? '', /repeat one stored value many times: a/);
    assert.ok((await readFile(join(files, 'legacy.safetensors'))).equals(weights));
    const [old, fresh] = await Promise.all(
      ['described-legacy', 'described'].map((name) => readFile(join(files, `${name}.safetensors`))),
    );
    assert.ok(old?.equals(fresh ?? Buffer.alloc(0)));
  });

  it('gives the very bytes of the form before PyTorch 1.6, too, by our own rules and without the scanner', async () => {
    process.env['ESPALIER_PICKLESCAN'] = root; // has none
    const model = await imported('legacy.bin', 'torch');
    assert.ok((await weightsOf(model)).equals(weights));
    assert.ok(model.converted?.of === 'torch' && model.converted.scanner === null);
    await assert.rejects(imported('system-legacy.bin', 'torch'), { kind: 'UnsafeModel', message: /'posix system'/ });
  });

  describe('with the scanner itself (ESPALIER_PICKLESCAN)', () => {
    before(function () {
      if (scanner === undefined) this.skip();
    });

    it('converts an honest file', async () => {
      process.env['ESPALIER_PICKLESCAN'] = scanner;
      const model = await imported('honest.bin', 'torch');
      assert.ok((await weightsOf(model)).equals(weights));
    });

    it('calls no hostile file clean', async () => {
      const judged = await drive(scanner ?? '', 'scan');
      for (const name of [...EXECUTES, ...REFUSED.container]) assert.ok(judged[name], name);
      for (const name of EXECUTES) assert.match(judged[name]?.[2] ?? '', /MALICIOUS/);
      for (const name of ['honest.bin', 'old.bin', 'tied.bin']) assert.equal(judged[name], null, name);
    });
  });
});
