import { equal, match, ok, rejects, throws } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestFile } from '../../artifacts/digest.ts';
import { openStatement, signStatement, type Statement } from '../../artifacts/dsse.ts';
import { noteKeys } from '../../artifacts/key-changes.ts';
import { modelStatement, SIGNATURE_FILE, verifySignedFolder } from '../../artifacts/model-signature.ts';
import { openSigner } from '../../artifacts/open-signer.ts';
import { distrust, readSigner, readTrustedKeys, type Signer } from '../../artifacts/signing-keys.ts';
import { listDirectory } from '../../artifacts/tree.ts';
import { makeKey, newTestKey, TEST_KEY } from '../support/signing.ts';
import { withStore } from '../support/store.ts';

async function writeModel(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-signed-'));
  await mkdir(join(folder, 'm', '1'), { recursive: true });
  await writeFile(join(folder, 'm', '1', 'model.onnx'), 'weights');
  await writeFile(join(folder, 'MODEL_CARD.md'), '# A model');
  return folder;
}

async function signFolder(folder: string, signer: Signer, edit = (statement: Statement) => statement): Promise<void> {
  const files = await Promise.all(
    (await listDirectory(folder)).map(async ({ path }) => ({ path, digest: await digestFile(join(folder, path)) })),
  );
  const signature = await signStatement(edit(modelStatement('model', files)), signer);
  await writeFile(join(folder, SIGNATURE_FILE), JSON.stringify(signature));
}

describe('a signed folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await writeModel();
    await signFolder(folder, TEST_KEY.signer);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('verifies as it was signed', async () => {
    const { files, keyId } = await verifySignedFolder(folder, TEST_KEY.trusted);
    equal([...files.keys()].join(' '), 'MODEL_CARD.md m/1/model.onnx');
    equal(keyId, TEST_KEY.signer.keyId);
  });

  const changes: readonly (readonly [string, (path: string) => Promise<unknown>, RegExp])[] = [
    ['a file too many', (path) => writeFile(join(path, 'run.py'), ''), /^run\.py is not signed$/],
    [
      'a file in a folder that others overlook',
      (path) => mkdir(join(path, '.git')).then(() => writeFile(join(path, '.git', 'config'), '')),
      /^\.git\/config is not signed$/,
    ],
    [
      'a file that others overlook',
      (path) => writeFile(join(path, '.gitattributes'), ''),
      /^\.gitattributes is not signed$/,
    ],
    ['another size', (path) => writeFile(join(path, 'MODEL_CARD.md'), '# A model '), /MODEL_CARD\.md is sha256/],
    ['a changed byte', (path) => writeFile(join(path, 'MODEL_CARD.md'), '# B model'), /MODEL_CARD\.md is sha256/],
    ['a missing file', (path) => rm(join(path, 'MODEL_CARD.md')), /MODEL_CARD\.md was signed and is missing/],
    ['a symbolic link', (path) => symlink('MODEL_CARD.md', join(path, 'README.md')), /symbolic link/],
    [
      'a link in a file’s place',
      async (path) => {
        const target = join(await mkdtemp(join(tmpdir(), 'espalier-signed-')), 'card');
        await writeFile(target, '# A model');
        await rm(join(path, 'MODEL_CARD.md'));
        await symlink(target, join(path, 'MODEL_CARD.md'));
      },
      /symbolic link/,
    ],
    ['no signature', (path) => rm(join(path, SIGNATURE_FILE)), /there is no signature/],
    ['a signature that is none', (path) => writeFile(join(path, SIGNATURE_FILE), 'x'), /not a Sigstore bundle/],
  ];
  for (const [what, change, message] of changes) {
    it(`is refused with ${what}`, async () => {
      await change(folder);
      await rejects(verifySignedFolder(folder, TEST_KEY.trusted), { message });
    });
  }

  it('is refused when another key signed it', async () => {
    await rejects(verifySignedFolder(folder, newTestKey().trusted), /which is not trusted/);
  });

  const statements: readonly (readonly [string, (statement: Statement) => Statement, RegExp])[] = [
    [
      'ignores a file by its own list',
      (statement) => ({
        ...statement,
        predicate: {
          ...(statement.predicate as object),
          serialization: { method: 'files', hash_type: 'sha256', ignore_paths: ['run.py', SIGNATURE_FILE] },
        },
      }),
      /run\.py is not signed/,
    ],
    [
      'is of a subject that is not the digest of its files',
      (statement) => ({ ...statement, subject: [{ name: 'm', digest: { sha256: '0'.repeat(64) } }] }),
      /subject is not the digest/,
    ],
    [
      'is of another kind',
      (statement) => ({ ...statement, predicateType: 'https://slsa.dev/provenance/v1' }),
      /is not a model signature/,
    ],
    [
      'lists a file twice',
      (statement) => {
        const { resources, ...rest } = statement.predicate as { resources: object[] };
        return { ...statement, predicate: { ...rest, resources: [...resources, ...resources] } };
      },
      /lists a file twice/,
    ],
  ];
  for (const [what, edit, message] of statements) {
    it(`is refused when what a trusted key signed ${what}`, async () => {
      await rm(join(folder, SIGNATURE_FILE));
      await signFolder(folder, TEST_KEY.signer, edit);
      if (what.startsWith('ignores')) await writeFile(join(folder, 'run.py'), '');
      await rejects(verifySignedFolder(folder, TEST_KEY.trusted), { message });
    });
  }

  it('is refused when the payload was exchanged under its signature', async () => {
    const path = join(folder, SIGNATURE_FILE);
    const bundle = JSON.parse(await readFile(path, 'utf8')) as { dsseEnvelope: { payload: string } };
    bundle.dsseEnvelope.payload = Buffer.from(
      JSON.stringify(JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString())),
    )
      .toString('base64')
      .replace(/^..../, 'eyAg');
    await writeFile(path, JSON.stringify(bundle));
    await rejects(verifySignedFolder(folder, TEST_KEY.trusted), /is not what key \w+ signed/);
  });

  it('is understood by the model-signing package and understands it [MODEL_SIGNING_E2E=1]', async function () {
    const tool = join(homedir(), '.cache/espalier/model-signing-venv/bin/model_signing');
    if (process.env['MODEL_SIGNING_E2E'] !== '1' || !existsSync(tool)) this.skip();
    const run = (...args: string[]) =>
      execFileSync(tool, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    const [publicKey, privateKey] = [join(folder, '..', `${Date.now()}.pub`), join(folder, '..', `${Date.now()}.key`)];
    await writeFile(publicKey, TEST_KEY.publicPem);
    await writeFile(privateKey, TEST_KEY.privatePem);
    const signature = join(folder, SIGNATURE_FILE);
    const verify = () => run('verify', 'key', folder, '--signature', signature, '--public_key', publicKey);
    match(verify(), /succeeded/);
    await writeFile(join(folder, 'MODEL_CARD.md'), '# Another');
    throws(verify);
    await rm(signature);
    run('sign', 'key', folder, '--signature', signature, '--private_key', privateKey);
    const { files } = await verifySignedFolder(folder, TEST_KEY.trusted);
    equal(files.size, 2);
    await writeFile(join(folder, 'MODEL_CARD.md'), '# A third');
    await rejects(verifySignedFolder(folder, TEST_KEY.trusted), /MODEL_CARD\.md is sha256/);
  });
});

describe('signed statements', () => {
  it('are never the same twice, and open to what was signed', async () => {
    const statement = modelStatement('m', []);
    const [first, second] = [
      await signStatement(statement, TEST_KEY.signer),
      await signStatement(statement, TEST_KEY.signer),
    ];
    ok(JSON.stringify(first) !== JSON.stringify(second));
    for (const one of [first, second])
      equal(openStatement(one, TEST_KEY.trusted, 'releases').value?.subject[0]?.name, 'm');
  });
});

describe('signing keys', () => {
  const { privatePem, publicPem, signer } = TEST_KEY;
  const other = newTestKey();
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-keys-'));
    await writeFile(join(folder, 'key.pem'), privatePem);
    await writeFile(join(folder, 'trusted.pem'), `${publicPem}${other.publicPem}`);
  });
  after(() => rm(folder, { recursive: true }));

  it('come from a file or as they are, and are named by their public half', async () => {
    const path = join(folder, 'key.pem');
    equal(readSigner({ ESPALIER_SIGNING_KEY: path }).keyId, signer.keyId);
    equal(readSigner({ ESPALIER_SIGNING_KEY: privatePem }).keyId, signer.keyId);
    equal(signer.keyId, createHash('sha256').update(publicPem).digest('hex'));
    const both = [signer.keyId, other.signer.keyId].toSorted().join();
    const named = (env: NodeJS.ProcessEnv) => [...readTrustedKeys(env).keys()].toSorted().join();
    equal(named({ ESPALIER_TRUSTED_KEYS: join(folder, 'trusted.pem') }), both);
    equal(named({ ESPALIER_TRUSTED_KEYS: `${publicPem},${other.publicPem}` }), both);
  });

  it('that are revoked are not trusted, wherever else they are named', () => {
    const env = { ESPALIER_TRUSTED_KEYS: join(folder, 'trusted.pem'), ESPALIER_REVOKED_KEYS: signer.keyId };
    equal([...readTrustedKeys(env).keys()].join(), other.signer.keyId);
    throws(
      () => readSigner({ ...env, ESPALIER_SIGNING_KEY: privatePem }),
      /no server would accept what is signed by key/,
    );
  });

  it('may be trusted for one purpose alone, and until a day', async () => {
    const file = join(folder, 'terms.pem');
    const terms = (...lines: string[]): NodeJS.ProcessEnv => {
      writeFileSync(file, `# the console's\n${lines.join('\n')}\n${publicPem}\n\n${other.publicPem}`);
      return { ESPALIER_TRUSTED_KEYS: file, ESPALIER_SIGNING_KEY: privatePem };
    };
    const statement = await signStatement(modelStatement('m', []), signer);
    const votes = terms('Espalier-Purposes: votes');
    equal(openStatement(statement, readTrustedKeys(votes), 'votes').problem, undefined);
    match(openStatement(statement, readTrustedKeys(votes), 'releases').problem ?? '', /is not trusted for releases/);
    equal(readSigner(votes, 'votes').keyId, signer.keyId);
    throws(() => readSigner(votes), /no server would accept .* is not trusted for releases/);
    const both = readTrustedKeys(terms('Espalier-Purposes: votes, releases', 'Espalier-Until: 2999-01-01'));
    equal(openStatement(statement, both, 'releases').problem, undefined);
    equal(both.get(other.signer.keyId)?.until, undefined, 'the next key has terms of its own');
    const noon = new Date('2026-06-30T12:00:00Z');
    const ended = readTrustedKeys(terms('Espalier-Until: 2026-06-30T12:00:00Z'));
    equal(distrust(signer.keyId, 'votes', ended, new Date(noon.getTime() - 1)), undefined);
    match(distrust(signer.keyId, 'votes', ended, noon) ?? '', /was trusted until 2026-06-30T12:00:00/);
    match(openStatement(statement, ended, 'votes').problem ?? '', /was trusted until/);
    throws(() => readSigner(terms('Espalier-Until: 2026-06-30')), /was trusted until/);
    for (const line of [
      'Espalier-Purpose: votes',
      'Espalier-Purposes: vote',
      'Espalier-Purposes: votes releases all',
      'Espalier-Purposes:',
      'espalier-until: soon',
      'Espalier-Until: 2026-13-45',
      'Espalier-Until:',
    ]) {
      throws(() => readTrustedKeys(terms(line)), { kind: 'BadConfig', message: /says nothing about a key/ }, line);
    }
  });

  it('stand in the audit log whenever a process starts with others, and only then', async () => {
    const { pointers, audit } = await withStore();
    const env = { ESPALIER_TRUSTED_KEYS: join(folder, 'trusted.pem') };
    await noteKeys(pointers, 'deploy-worker', env, signer);
    await noteKeys(pointers, 'deploy-worker', env, signer);
    await noteKeys(pointers, 'model-server', env);
    await noteKeys(pointers, 'deploy-worker', { ...env, ESPALIER_REVOKED_KEYS: other.signer.keyId }, signer);
    await noteKeys(pointers, 'deploy-worker', { ...env, ESPALIER_REVOKED_KEYS: other.signer.keyId }, signer);
    const told: string[] = [];
    for await (const { event } of audit.entries()) {
      if (event.action === 'keys.change') told.push(`${event.process} ${event.trusted.length} ${event.revoked.length}`);
    }
    equal(told.join(), 'deploy-worker 2 0,model-server 2 0,deploy-worker 1 1');
  });

  const wrong: readonly (readonly [string, () => NodeJS.ProcessEnv, RegExp])[] = [
    ['missing', () => ({}), /there is no key to sign releases with/],
    ['a missing file', () => ({ ESPALIER_SIGNING_KEY: '/nowhere/key.pem' }), /cannot be read \(ENOENT\)/],
    ['no PEM', () => ({ ESPALIER_SIGNING_KEY: '-----BEGIN PRIVATE KEY-----\nabc' }), /holds no PEM key/],
    ['a public one', () => ({ ESPALIER_SIGNING_KEY: publicPem }), /holds no PEM key/],
    [
      'of another curve',
      () => ({ ESPALIER_SIGNING_KEY: makeKey('P-384').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }),
      /secp384r1 is not EC P-256/,
    ],
    [
      'of another kind',
      () => ({
        ESPALIER_SIGNING_KEY: generateKeyPairSync('ed25519')
          .privateKey.export({ type: 'pkcs8', format: 'pem' })
          .toString(),
      }),
      /ed25519 is not EC P-256/,
    ],
    [
      'not among the trusted ones',
      () => ({ ESPALIER_SIGNING_KEY: privatePem, ESPALIER_TRUSTED_KEYS: other.publicPem }),
      /no server would accept/,
    ],
  ];
  for (const [what, env, message] of wrong) {
    it(`are refused when they are ${what}, and the key is never quoted`, () => {
      throws(
        () => readSigner(env()),
        (error: Error) => {
          match(error.message, message);
          return !error.message.includes('BEGIN') && (error as { kind?: string }).kind === 'BadConfig';
        },
      );
    });
  }

  it('to verify with are refused when there are none, when they are private or when an id is no id', () => {
    throws(() => readTrustedKeys({}), /no key is trusted/);
    throws(() => readTrustedKeys({ ESPALIER_TRUSTED_KEYS: privatePem }), /holds a private key/);
    throws(
      () => readTrustedKeys({ ESPALIER_TRUSTED_KEYS: publicPem, ESPALIER_REVOKED_KEYS: 'abc' }),
      /is not a key's id/,
    );
    throws(
      () => readTrustedKeys({ ESPALIER_TRUSTED_KEYS: publicPem, ESPALIER_REVOKED_KEYS: signer.keyId }),
      /no key is trusted/,
    );
  });

  it('may lie elsewhere: a module signs with them, and is tried before it is relied on', async () => {
    const path = join(folder, 'signer.mjs');
    const module = (encoding: string) => `
      import { sign } from 'node:crypto';
      import { readFileSync } from 'node:fs';
      const key = { key: readFileSync(${JSON.stringify(join(folder, 'key.pem'))}), dsaEncoding: '${encoding}' };
      export const signer = { keyId: '${signer.keyId}', sign: async (data) => sign('sha256', data, key) };`;
    await writeFile(path, module('der'));
    const env = { ESPALIER_SIGNER: path, ESPALIER_TRUSTED_KEYS: publicPem };
    const remote = await openSigner(env);
    ok(openStatement(await signStatement(modelStatement('m', []), remote), TEST_KEY.trusted, 'releases').value);
    const raw = join(folder, 'raw.mjs');
    await writeFile(raw, module('ieee-p1363'));
    await rejects(openSigner({ ...env, ESPALIER_SIGNER: raw }), {
      kind: 'BadConfig',
      message: /is not what key \w+ signed/,
    });
    await rejects(openSigner({ ...env, ESPALIER_TRUSTED_KEYS: other.publicPem }), /which is not trusted/);
    await rejects(openSigner({ ...env, ESPALIER_SIGNER: join(folder, 'none.mjs') }), { kind: 'BadConfig' });
    equal((await openSigner({ ESPALIER_SIGNING_KEY: privatePem })).keyId, signer.keyId);
  });
});
