import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { ImportedModel } from '../../activities/contract/selection.ts';
import { foreignWeightsOf } from '../../activities/selection/foreign-weights.ts';
import { resolveModel } from '../../activities/selection/resolve-model.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { startTestHub } from '../support/hub.ts';
import { importFolder } from '../support/import-folder.ts';
import { standInScanner } from '../support/picklescan.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';
import { tinyModel } from '../support/tiny-model.ts';

const script = fileURLToPath(new URL('../support/split_weights.py', import.meta.url));
const INDEX = { safetensors: 'model.safetensors.index.json', torch: 'pytorch_model.bin.index.json' } as const;
type Kind = keyof typeof INDEX;
interface Index {
  readonly metadata: { readonly total_size: number };
  readonly weight_map: Record<string, string>;
}

describe('weights that are split over files', function () {
  this.timeout(300_000);
  let root: string;
  let made: string;
  let services: ActivityServices;
  const saved = process.env['ESPALIER_PICKLESCAN'];
  const python = pythonForTests();

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-split-'));
    const { store, pointers } = await withStore();
    services = { store, pointers, python };
    made = await split(await tinyModel(), '30KB');
    process.env['ESPALIER_PICKLESCAN'] = await standInScanner(root);
  });
  afterEach(() => ok(!existsSync(join(root, 'touched')), 'a hostile file was executed'));
  after(async () => {
    if (saved === undefined) delete process.env['ESPALIER_PICKLESCAN'];
    else process.env['ESPALIER_PICKLESCAN'] = saved;
    await rm(root, { recursive: true, force: true });
  });

  async function split(model: string, most: string): Promise<string> {
    const folder = await mkdtemp(join(root, 'made-'));
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
    await promisify(execFile)(python.executable, [script, model, folder, most, join(root, 'touched')], { env });
    return folder;
  }

  const imported = (folder: string, kind: Kind): Promise<ImportedModel> =>
    importFolder(folder, services, kind === 'torch' ? 'torch' : undefined);
  const weightsOf = async ({ model }: ImportedModel): Promise<Buffer> =>
    readFile(await services.store.fileInTree(model, 'model.safetensors'));
  const partsOf = async (folder: string): Promise<string[]> =>
    (await readdir(folder)).filter((name) => /-of-\d{5}\./.test(name)).toSorted();

  /** A copy of the split model with something changed. */
  async function changed(kind: Kind, change: (folder: string, index: Index) => unknown): Promise<string> {
    const folder = await mkdtemp(join(root, 'changed-'));
    await cp(join(made, kind), folder, { recursive: true });
    const index = JSON.parse(await readFile(join(folder, INDEX[kind]), 'utf8')) as Index;
    await change(folder, index);
    if (existsSync(join(folder, INDEX[kind]))) await writeFile(join(folder, INDEX[kind]), JSON.stringify(index));
    return folder;
  }

  async function bothAreWhole(folder: string): Promise<void> {
    const whole = await readFile(join(folder, 'whole', 'model.safetensors'));
    for (const kind of ['safetensors', 'torch'] as const) {
      const parts = await partsOf(join(folder, kind));
      ok(parts.length > 2, `${kind}: ${parts.length} parts`);
      const model = await imported(join(folder, kind), kind);
      ok((await weightsOf(model)).equals(whole), kind);
      equal(model.converted?.of, kind);
      equal(model.converted?.from.path, INDEX[kind]);
      deepEqual(
        model.converted?.parts?.map(({ path }) => path),
        parts,
      );
      deepEqual(
        model.quarantined.map(({ path }) => path),
        [INDEX[kind], ...parts],
      );
    }
  }

  it('are put together to the very bytes of the unsplit model, from safetensors and from torch files', () =>
    bothAreWhole(made));

  it('are, of a real model, too [real-data]', async function () {
    const data = process.env['ESPALIER_TEST_DATA'];
    if (data === undefined) return this.skip();
    await bothAreWhole(await split(join(data, 'models/derived/minilm-l6-h384-v8k'), '10MB'));
  });

  it('need the conversion to be asked for where they are torch’s, and give way to a whole model.safetensors', () => {
    const torch = [INDEX.torch, 'pytorch_model-00001-of-00001.bin'];
    equal(foreignWeightsOf(torch, undefined), undefined);
    equal(foreignWeightsOf(torch, 'torch')?.name, INDEX.torch);
    equal(foreignWeightsOf([...torch, 'pytorch_model.bin'], 'torch')?.name, 'pytorch_model.bin');
    const ours = [INDEX.safetensors, 'model-00001-of-00001.safetensors'];
    equal(foreignWeightsOf([...torch, ...ours], 'torch')?.name, INDEX.safetensors);
    equal(foreignWeightsOf([...ours, 'model.safetensors'], undefined), undefined);
  });

  for (const kind of ['safetensors', 'torch'] as const) {
    const first = (folder: string): Promise<string> => partsOf(folder).then(([part = '']) => part);
    const refusals: readonly [what: string, Parameters<typeof changed>[1], kind: string, message: RegExp][] = [
      [
        'a part is missing',
        async (folder) => rm(join(folder, await first(folder))),
        'BadModel',
        /names \w+-00001-of-\d{5}\.\w+, which is not beside it/,
      ],
      [
        'a part is of another model',
        async (folder) => {
          const parts = await partsOf(folder);
          await cp(join(folder, parts[0] ?? ''), join(folder, parts[1] ?? ''));
        },
        'BadModel',
        /which is not in \w+-00002-of-/,
      ],
      [
        'a part is there that the index does not name',
        async (folder) => {
          const part = await first(folder);
          await cp(join(folder, part), join(folder, part.replace('00001', '00099')));
        },
        'BadModel',
        /00099/,
      ],
      [
        'the index names a file elsewhere',
        (_, index) => {
          const [tensor = ''] = Object.keys(index.weight_map);
          index.weight_map[tensor] = '../../../etc/passwd';
        },
        'BadModel',
        /passwd, which is not beside it/,
      ],
      [
        'a part was cut off',
        async (folder) => {
          const path = join(folder, await first(folder));
          await writeFile(path, (await readFile(path)).subarray(0, -100));
        },
        'UnsafeModel',
        /truncated|zip archive/,
      ],
    ];
    for (const [what, change, refusal, message] of refusals) {
      it(`of ${kind} are refused where ${what}`, async () => {
        await rejects(imported(await changed(kind, change), kind), { kind: refusal, message });
      });
    }

    it(`of ${kind} are refused where the index is no index`, async () => {
      for (const [text, message] of [
        ['{', /is not JSON/],
        ['{"metadata":{}}', /has no weight_map/],
        ['{"weight_map":{"a":"x","a":"y"}}', /twice/],
        ['{"weight_map":{"a":1}}', /has no weight_map/],
      ] as const) {
        const folder = await changed(kind, () => undefined);
        await writeFile(join(folder, INDEX[kind]), text);
        await rejects(imported(folder, kind), { kind: 'BadModel', message });
      }
    });
  }

  it('are refused where a part would run code, and it does not', async () => {
    await rejects(imported(join(made, 'evil'), 'torch'), {
      kind: 'UnsafeModel',
      message: /restricted to weights, refuses/,
    });
  });

  it('count before they are downloaded: by the total of their index', async () => {
    const hub = await startTestHub('org/split');
    const before = { HF_ENDPOINT: process.env['HF_ENDPOINT'], HF_HOME: process.env['HF_HOME'] };
    Object.assign(process.env, { HF_ENDPOINT: hub.endpoint, HF_HOME: join(root, 'hub') });
    try {
      for (const kind of ['safetensors', 'torch'] as const) {
        const folder = join(made, kind);
        const names = await readdir(folder);
        const files = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const));
        const commit = hub.commit(Object.fromEntries(files));
        const candidate = { id: 'split', model: `hf:org/split@${commit}`, pooling: 'mean', optional: false } as const;
        const asked = { ...candidate, ...(kind === 'torch' ? { convert: 'torch' as const } : {}) };
        const resolve = (maxParameters: number) =>
          runStep(resolveModel, { candidate: asked, intendedUse, limits: { maxParameters } }, services);
        const { unfit = [], sizeBytes } = await resolve(100);
        match(unfit.join(), /at least .* parameters, more than .*selection\.maxParameters/);
        const counted = names.filter((name) => /config|tokenizer|README|-of-|index/.test(name));
        const sizes = await Promise.all(counted.map(async (name) => (await stat(join(folder, name))).size));
        equal(
          sizeBytes,
          sizes.reduce((sum, size) => sum + size, 0),
        );
        equal((await resolve(10 ** 9)).unfit, undefined);
      }
      ok(!hub.requests.some((request) => request.startsWith('GET') && /-of-\d{5}\.bin/.test(request)), 'no weights');
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      await hub.stop();
    }
  });
});

const intendedUse = { commercial: true, domain: 'support', publish: false, hosted: true, modify: true };
