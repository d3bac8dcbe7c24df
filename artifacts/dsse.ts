/**
 * Signed statements: an in-toto Statement v1 in a DSSE envelope in a Sigstore bundle v0.3 with a key's hint.
 * https://github.com/secure-systems-lab/dsse, https://docs.sigstore.dev/about/bundle
 */
import { verify } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import type { Parsed } from './release.ts';
import { distrust, type Purpose, type Signer, type TrustedKeys } from './signing-keys.ts';

export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';

/** Who or what is stated about, and what: https://in-toto.io/Statement/v1. */
export interface Statement {
  readonly _type: typeof STATEMENT_TYPE;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: string;
  readonly predicate: unknown;
}

const MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

const BundleSchema = z.looseObject({
  mediaType: z.literal(MEDIA_TYPE),
  verificationMaterial: z.looseObject({ publicKey: z.looseObject({ hint: z.string() }) }),
  dsseEnvelope: z.looseObject({
    payload: z.base64(),
    payloadType: z.literal(PAYLOAD_TYPE),
    signatures: z.tuple([z.looseObject({ sig: z.base64() })]),
  }),
});
export type SignedStatement = z.output<typeof BundleSchema>;

const StatementSchema = z.looseObject({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.array(z.looseObject({ name: z.string(), digest: z.looseObject({ sha256: z.string() }) })).min(1),
  predicateType: z.string(),
  predicate: z.unknown(),
});

/** ECDSA is randomised: two signatures of one statement differ, so no signature may enter a digest that must come again. */
export async function signStatement(statement: Statement, signer: Signer): Promise<SignedStatement> {
  const payload = Buffer.from(canonicalJson(statement));
  const signature = await signer.sign(preAuthenticated(payload));
  return {
    mediaType: MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: signer.keyId }, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: Buffer.from(signature).toString('base64'), keyid: '' }],
    },
  };
}

/** The statement, once its signature by a key trusted for `purpose` holds; nothing of it is read before. */
export function openStatement(
  value: unknown,
  trusted: TrustedKeys,
  purpose: Purpose,
): Parsed<Statement & { readonly keyId: string }> {
  const bundle = BundleSchema.safeParse(value).data;
  if (bundle === undefined) return { problem: 'the signature is not a Sigstore bundle v0.3 with one key signature' };
  const keyId = bundle.verificationMaterial.publicKey.hint;
  const distrusted = distrust(keyId, purpose, trusted);
  const key = trusted.get(keyId)?.key;
  if (distrusted !== undefined || key === undefined) return { problem: `the signature is ${distrusted}` };
  const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64');
  const signature = Buffer.from(bundle.dsseEnvelope.signatures[0].sig, 'base64');
  if (!verify('sha256', preAuthenticated(payload), key, signature)) {
    return { problem: `the signature is not what key ${keyId} signed` };
  }
  const statement = StatementSchema.safeParse(parsedJson(payload.toString('utf8'))).data;
  if (statement === undefined) return { problem: 'what was signed is not an in-toto statement' };
  return { value: { ...statement, predicate: statement.predicate, keyId } };
}

/** What is signed: the payload with its type and length (DSSE, "PAE"), so that it cannot be taken for something else. */
function preAuthenticated(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload]);
}

/** A stranger's JSON; undefined where it is none. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
