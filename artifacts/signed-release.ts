/**
 * A released bundle as it is handed on: the approved bundle, the statements about it, and one signature over all of
 * that. It is a tree of its own, made when the release is: a signature is random and a run has a time, so neither may
 * be part of the bundle, whose digest people approve and a rebuild must meet.
 */
import { brokenGlass, marksOf } from './break-glass.ts';
import { canonicalJson } from './canonical-json.ts';
import { digestBytes } from './digest.ts';
import type { ReleaseRecord } from './bundle.ts';
import { openStatement, signStatement, STATEMENT_TYPE, type Statement } from './dsse.ts';
import { fileProblems, modelStatement, openModelSignature, SIGNATURE_FILE } from './model-signature.ts';
import { entryRef, hexOf, type ArtifactRef, type Digest, type TreeEntry } from './reference.ts';
import type { Signer, TrustedKeys } from './signing-keys.ts';
import type { ArtifactStore } from './store.ts';

/** The statements beside the bundle's files, each signed in itself, too. */
export const APPROVAL_FILE = 'attestations/approval.sigstore.json';
export const PROVENANCE_FILE = 'attestations/provenance.sigstore.json';
const APPROVAL_TYPE = 'urn:espalier:approval:v1';

/** What a release grants: who approved what to be served where. */
export type Grant = Pick<
  ReleaseRecord,
  'model' | 'channel' | 'runId' | 'bundle' | 'evidence' | 'approvals' | 'recordText'
>;

/** A bundle as the subject of a statement: by its tree's digest, and so by every file's digest, size and mode. */
export function subjectOf(model: string, bundle: Digest): Statement['subject'] {
  return [{ name: model, digest: { sha256: hexOf(bundle) } }];
}

/** That these people approved exactly this bundle, on this evidence, for this channel. */
export function approvalStatement(grant: Grant): Statement {
  const { model, channel, runId, bundle, evidence, approvals, recordText } = grant;
  return {
    _type: STATEMENT_TYPE,
    subject: subjectOf(model, bundle),
    predicateType: APPROVAL_TYPE,
    predicate: { model, channel, runId, evidence: evidence.digest, approvals, recordText },
  };
}

/** Stores the signed tree. Throws what the signer throws. */
export async function signRelease(
  store: ArtifactStore,
  grant: Grant,
  provenance: Statement,
  signer: Signer,
): Promise<ArtifactRef> {
  const { model, bundle } = grant;
  const statements = { [APPROVAL_FILE]: approvalStatement(grant), [PROVENANCE_FILE]: provenance };
  const marked = await markedEntries(store, bundle, grant.approvals);
  const files = marked.map(({ entry }) => ({ path: entry.path, ref: entryRef(entry) }));
  for (const { entry, text } of marked) {
    if (text !== undefined) await store.putBytes(text, { name: entry.path, mediaType: 'text/plain' });
  }
  for (const [path, statement] of Object.entries(statements)) {
    files.push({ path, ref: await store.putJson(await signStatement(statement, signer), path) });
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const listed = files.map(({ path, ref }) => ({ path, digest: ref.digest }));
  const signature = await signStatement(modelStatement(model, listed), signer);
  files.push({ path: SIGNATURE_FILE, ref: await store.putJson(signature, SIGNATURE_FILE) });
  return store.putManifest(files, `${model}-signed`);
}

/**
 * Why the signatures do not make this release one of a trusted key: of these bytes, these votes and this channel. Empty
 * when they do. Throws what the store throws.
 */
export async function signatureProblems(
  store: ArtifactStore,
  release: Grant & Pick<ReleaseRecord, 'signed'>,
  trusted: TrustedKeys,
): Promise<string[]> {
  if (release.signed === undefined) return ['the release is not signed'];
  const tree = await store.tree(release.signed);
  const read = async (path: string): Promise<unknown> => {
    const entry = tree.entries.find((file) => file.path === path);
    return entry === undefined ? undefined : store.getJson(entry.digest);
  };
  const { value: signature, problem } = openModelSignature(await read(SIGNATURE_FILE), trusted);
  if (signature === undefined) return [problem];
  const files = tree.entries.filter(({ path }) => path !== SIGNATURE_FILE);
  const problems = [
    ...fileProblems(signature.files, files),
    ...bundleProblems(files, await markedEntries(store, release.bundle, release.approvals), release.bundle),
  ];
  const approval = openStatement(await read(APPROVAL_FILE), trusted, 'releases');
  if (approval.value === undefined) return [...problems, `the approval statement: ${approval.problem}`];
  const { keyId: _, ...stated } = approval.value;
  if (canonicalJson(stated) !== canonicalJson(approvalStatement(release))) {
    problems.push('what was signed is the approval of something else than the release record says');
  }
  return problems;
}

interface Marked {
  readonly entry: TreeEntry;
  /** What the entry holds, where that is not what the bundle has there. */
  readonly text?: string;
}

/** The approved bundle's entries; where somebody broke the glass, with that in card and bill of materials. */
async function markedEntries(
  store: ArtifactStore,
  bundle: Digest,
  votes: ReleaseRecord['approvals'],
): Promise<readonly Marked[]> {
  const marks = marksOf(brokenGlass(votes));
  const { entries } = await store.tree(bundle);
  return Promise.all(
    entries.map(async (entry): Promise<Marked> => {
      const mark = Object.hasOwn(marks, entry.path) ? marks[entry.path] : undefined;
      if (mark === undefined) return { entry };
      const text = mark((await store.getBytes(entry.digest)).toString('utf8'));
      const bytes = Buffer.from(text);
      return { entry: { ...entry, digest: digestBytes(bytes), size: bytes.length }, text };
    }),
  );
}

/** What is signed must be the approved bundle, entry by entry but for the marks, and the two statements. */
function bundleProblems(signed: readonly TreeEntry[], approved: readonly Marked[], bundle: Digest): string[] {
  const statements = [APPROVAL_FILE, PROVENANCE_FILE];
  const files = signed.filter(({ path }) => !statements.includes(path));
  if (canonicalJson(files) === canonicalJson(approved.map(({ entry }) => entry))) return [];
  return [`what was signed is not the bundle ${bundle} to the byte`];
}
