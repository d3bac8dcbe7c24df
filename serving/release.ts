/** From a registry pointer to a verified folder: every link and every file is checked before a byte of the model runs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  INDEX_FILES,
  missingModelFiles,
  MODEL_FILES,
  modelKindOf,
  PROMPT_FILE,
  RETRIEVAL_FILE,
  RETRIEVER_CONFIGS,
  type ChannelPointer,
} from '../artifacts/bundle.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { verifySignedFolder } from '../artifacts/model-signature.ts';
import type { Digest } from '../artifacts/reference.ts';
import { parsePointer, parseRelease, pointerProblems } from '../artifacts/release.ts';
import { chainProblems } from '../artifacts/release-chain.ts';
import { signatureProblems } from '../artifacts/signed-release.ts';
import type { TrustedKeys } from '../artifacts/signing-keys.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { VerifiedGenerator, VerifiedModel, VerifiedRetriever } from './verified-model.ts';

/** A release that may be served. */
export interface Release {
  readonly model: string;
  readonly channel: string;
  /** The protocol's model version: the channel's revision. */
  readonly version: string;
  readonly bundle: Digest;
  /** The bundle with its attestations and signature. */
  readonly signed: Digest;
  readonly recordText: boolean;
}

export interface WantedChannel {
  readonly model: string;
  readonly channel: string;
}

/**
 * Checks pointer → release record → signature by a trusted key → evidence → approvals → reviewed pack → content. Throws
 * ApprovalRefused with every broken link.
 */
export async function verifyRelease(
  store: ArtifactStore,
  value: unknown,
  wanted: WantedChannel,
  trusted: TrustedKeys,
): Promise<Release> {
  const pointer = must(parsePointer(value));
  const release = must(parseRelease(await store.getJson(pointer.release)));
  const bundle = pointer.bundle.digest;
  const target = { ...wanted, bundle, evidence: release.evidence.digest };
  const problems = [
    ...pointerProblems(pointer, release, wanted),
    ...(await signatureProblems(store, release, trusted)),
    ...(await chainProblems(store, target, release.approvals, trusted)),
  ];
  if (problems.length === 0) {
    const paths = (await store.tree(bundle)).entries.map(({ path }) => path);
    problems.push(...missingModelFiles(wanted.model, paths).map((path) => `the bundle lacks ${path}`));
  }
  if (problems.length > 0 || release.signed === undefined) throw refused(pointer, problems);
  const { model, channel, revision } = pointer;
  return {
    model,
    channel,
    version: String(revision),
    bundle,
    signed: release.signed.digest,
    recordText: release.recordText,
  };
}

/**
 * Brings a verified release to local disk and verifies every file there by its signature. The model's own files stay in
 * memory as they were hashed, so that nothing is read twice and nothing else can be loaded. Throws the signal's reason.
 */
export async function fetchBundle(
  store: ArtifactStore,
  release: Release,
  trusted: TrustedKeys,
  signal: AbortSignal,
): Promise<VerifiedModel | VerifiedGenerator | VerifiedRetriever> {
  const directory = await mkdtemp(join(tmpdir(), 'espalier-serving-'));
  try {
    await store.checkout(release.signed, directory, { signal });
    const names = [...Object.values(MODEL_FILES).flat(), PROMPT_FILE, ...RETRIEVER_CONFIGS];
    const paths = new Set([...names.map((name) => `${release.model}/1/${name}`), ...INDEX_FILES, RETRIEVAL_FILE]);
    const verified = await verifySignedFolder(directory, trusted, (path) => paths.has(path));
    signal.throwIfAborted();
    const kind = modelKindOf(release.model, [...verified.kept.keys()]) ?? 'classifier';
    return new VERIFIED[kind](directory, release.model, verified);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

const VERIFIED = { classifier: VerifiedModel, generator: VerifiedGenerator, retriever: VerifiedRetriever } as const;

function must<T>(parsed: { readonly value?: T; readonly problem?: string | undefined }): T {
  if (parsed.value === undefined) throw new EspalierError('ApprovalRefused', parsed.problem ?? 'malformed');
  return parsed.value;
}

function refused(pointer: ChannelPointer, problems: readonly string[]): EspalierError {
  return new EspalierError('ApprovalRefused', problems.join('; '), {
    where: `registry/${pointer.model}/channels/${pointer.channel}`,
    fix: 'deploy through a run whose release was approved; the version served before keeps serving',
  });
}
