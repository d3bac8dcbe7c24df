/**
 * OpenSSF model signing v1.0: a signed list of every file of a folder, by its digest. `model.sig` in the folder itself
 * is the one file that it does not list. https://github.com/ossf/model-signing-spec
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { digestFile, readWithDigest } from './digest.ts';
import { openStatement, parsedJson, STATEMENT_TYPE, type Statement } from './dsse.ts';
import { EspalierError } from './errors.ts';
import { hexOf, type Digest, type TreeEntry } from './reference.ts';
import type { Parsed } from './release.ts';
import type { TrustedKeys } from './signing-keys.ts';
import { listDirectory } from './tree.ts';

export const SIGNATURE_FILE = 'model.sig';
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';
/** A list of more than a hundred thousand files would be larger. */
const MAX_SIGNATURE_BYTES = 64 * 2 ** 20;

/** A file of a model, as a signature lists it. */
export type SignedFile = Pick<TreeEntry, 'path' | 'digest'>;

export interface ModelSignature {
  /** Digests by path. */
  readonly files: ReadonlyMap<string, Digest>;
  readonly keyId: string;
}

/** What is signed of these files, in the order that they are given. */
export function modelStatement(name: string, files: readonly SignedFile[]): Statement {
  const resources = files.map(({ path, digest }) => ({ name: path, algorithm: 'sha256', digest: hexOf(digest) }));
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name, digest: { sha256: rootOf(resources) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      // For other verifiers; ours knows no file that it may overlook.
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: [SIGNATURE_FILE],
      },
      resources,
    },
  };
}

const PredicateSchema = z.looseObject({
  resources: z.array(
    z.looseObject({
      name: z.string().min(1),
      algorithm: z.literal('sha256'),
      digest: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

/** The files that a trusted key's signature lists. Its own ignore list is of no account. */
export function openModelSignature(value: unknown, trusted: TrustedKeys): Parsed<ModelSignature> {
  const { value: statement, problem } = openStatement(value, trusted, 'releases');
  if (statement === undefined) return { problem };
  const predicate = PredicateSchema.safeParse(statement.predicate).data;
  if (statement.predicateType !== PREDICATE_TYPE || predicate === undefined) {
    return { problem: `the signed statement (${statement.predicateType}) is not a model signature v1.0` };
  }
  const { resources } = predicate;
  const files = new Map(resources.map(({ name, digest }): [string, Digest] => [name, `sha256:${digest}`]));
  if (files.size < resources.length) return { problem: 'the signature lists a file twice' };
  if (statement.subject.length !== 1 || statement.subject[0]?.digest.sha256 !== rootOf(resources)) {
    return { problem: "the signature's subject is not the digest of the files that it lists" };
  }
  return { value: { files, keyId: statement.keyId } };
}

/** How these files differ from what was signed; empty when they are it, no file more and none less. */
export function fileProblems(signed: ModelSignature['files'], files: readonly SignedFile[]): string[] {
  const found = new Map(files.map(({ path, digest }) => [path, digest]));
  const unlisted = files.filter(({ path }) => !signed.has(path)).map(({ path }) => `${path} is not signed`);
  const wrong = [...signed].flatMap(([path, digest]) => {
    const is = found.get(path);
    if (is === undefined) return [`${path} was signed and is missing`];
    return is === digest ? [] : [`${path} is ${is}, but ${digest} was signed`];
  });
  return [...unlisted, ...wrong];
}

export interface VerifiedFolder extends ModelSignature {
  /** By path, the very bytes that were verified, of the files that were asked for. */
  readonly kept: ReadonlyMap<string, Buffer>;
}

/**
 * Verifies a folder against the `model.sig` in it. Files that `keep` names stay in memory: what lies on the disk later
 * need not be read again, nor believed. Throws ApprovalRefused for a signature that does not hold and Corrupt for a file
 * that was not signed, is missing or differs; BadData for a link or a special file.
 */
export async function verifySignedFolder(
  folder: string,
  trusted: TrustedKeys,
  keep: (path: string) => boolean = () => false,
): Promise<VerifiedFolder> {
  const listed = await listDirectory(folder);
  const signatureFile = listed.find(({ path }) => path === SIGNATURE_FILE);
  const path = join(folder, SIGNATURE_FILE);
  if (signatureFile === undefined || signatureFile.size > MAX_SIGNATURE_BYTES) {
    throw refused(`there is ${signatureFile === undefined ? 'no signature' : 'an oversized signature'}`, path);
  }
  const { value: signature, problem } = openModelSignature(parsedJson(await readFile(path, 'utf8')), trusted);
  if (signature === undefined) throw refused(problem, path);
  const files: SignedFile[] = [];
  const kept = new Map<string, Buffer>();
  for (const file of listed) {
    if (file === signatureFile) continue;
    const full = join(folder, file.path);
    if (keep(file.path) && signature.files.has(file.path)) {
      const { bytes, digest } = await readWithDigest(full);
      kept.set(file.path, bytes);
      files.push({ path: file.path, digest });
    } else {
      files.push({ path: file.path, digest: await digestFile(full) });
    }
  }
  const problems = fileProblems(signature.files, files);
  if (problems.length === 0) return { ...signature, kept };
  throw new EspalierError('Corrupt', problems.join('; '), { where: folder, fix: 'fetch the bundle again' });
}

function refused(problem: string, where: string): EspalierError {
  return new EspalierError('ApprovalRefused', problem, {
    where,
    fix: 'use a bundle that was released, and name the public key of its signer in ESPALIER_TRUSTED_KEYS',
  });
}

/** The model's own digest: SHA-256 over its files' digests, as bytes, in order. */
function rootOf(resources: readonly { readonly digest: string }[]): string {
  const hash = createHash('sha256');
  for (const { digest } of resources) hash.update(digest, 'hex');
  return hash.digest('hex');
}
