import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSigner, readTrustedKeys } from '../../artifacts/signing-keys.ts';
import { runDoctor } from '../../infra/doctor.ts';
import { ensureSigningKeys, keyEnvironment } from '../../infra/embedded/signing.ts';
import { newTestKey, TEST_KEY_ENV } from '../support/signing.ts';

describe("the stack's signing keys", () => {
  let stateDir: string;
  beforeEach(() => (stateDir = mkdtempSync(join(tmpdir(), 'espalier-state-'))));
  afterEach(() => rmSync(stateDir, { recursive: true }));

  it('are made at the first start, for their owner alone, and kept from then on', () => {
    deepEqual(keyEnvironment(stateDir, {}), { signing: {}, verifying: {} });
    const path = ensureSigningKeys(stateDir, {});
    equal(path, join(stateDir, 'signing-key.pem'));
    equal(statSync(path ?? '').mode & 0o777, 0o600);
    const { signing, verifying } = keyEnvironment(stateDir, {});
    const { keyId } = readSigner(signing);
    equal(readTrustedKeys(verifying).has(keyId), true);
    equal('ESPALIER_SIGNING_KEY' in verifying, false, 'who verifies is not told of the private key');
    equal(ensureSigningKeys(stateDir, {}), undefined);
    equal(readSigner(keyEnvironment(stateDir, {}).signing).keyId, keyId);
  });

  it('are not made and not used where the user names keys', () => {
    equal(ensureSigningKeys(stateDir, TEST_KEY_ENV), undefined);
    ensureSigningKeys(stateDir, {});
    deepEqual(keyEnvironment(stateDir, TEST_KEY_ENV), { signing: {}, verifying: {} });
  });

  it('are what the doctor asks for', async () => {
    const nothing = { PATH: '', HOME: stateDir, AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' };
    const signing = async (env: NodeJS.ProcessEnv) =>
      (await runDoctor({ ...nothing, ...env })).find(({ name }) => name === 'signing');
    equal((await signing({}))?.ok, 'warn');
    notEqual((await signing({}))?.fix, undefined);
    const wrong = { ...TEST_KEY_ENV, ESPALIER_TRUSTED_KEYS: newTestKey().publicPem };
    equal((await signing(wrong))?.ok, false);
    equal((await signing({ ESPALIER_TRUSTED_KEYS: TEST_KEY_ENV.ESPALIER_TRUSTED_KEYS }))?.ok, true);
    equal((await signing(TEST_KEY_ENV))?.ok, true);
  });
});
