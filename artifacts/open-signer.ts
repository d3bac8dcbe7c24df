/** The signer that the configuration names: a key at hand, or a module that signs with one that lies elsewhere. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openStatement, signStatement } from './dsse.ts';
import { EspalierError } from './errors.ts';
import { modelStatement } from './model-signature.ts';
import { readSigner, readTrustedKeys, type Purpose, type Signer } from './signing-keys.ts';

/**
 * ESPALIER_SIGNER: the path of an ES module that exports `signer`, e.g. over a KMS. It must sign what ESPALIER_TRUSTED_KEYS
 * accepts, which is tried at once. Without it: the key of ESPALIER_SIGNING_KEY. Throws BadConfig.
 */
export async function openSigner(env: NodeJS.ProcessEnv, purpose: Purpose = 'releases'): Promise<Signer> {
  const path = env['ESPALIER_SIGNER'];
  if (!path) return readSigner(env, purpose);
  const trusted = readTrustedKeys(env);
  try {
    const { signer } = (await import(pathToFileURL(resolve(path)).href)) as { readonly signer: Signer };
    const { problem } = openStatement(await signStatement(modelStatement('try', []), signer), trusted, purpose);
    if (problem === undefined) return signer;
    throw new Error(problem);
  } catch (error) {
    throw new EspalierError(
      'BadConfig',
      `${path} does not sign: ${error instanceof Error ? error.message : 'unknown'}`,
      {
        where: 'ESPALIER_SIGNER',
        fix: 'export `signer` with the id of a trusted key and `sign(bytes)`: ECDSA over SHA-256 on P-256, in DER',
        cause: error,
      },
    );
  }
}
