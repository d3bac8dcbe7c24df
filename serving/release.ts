/** From a registry pointer to a verified folder: every link and every file is checked before a byte of the model runs. */
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MODEL_FILES, type ChannelPointer } from '../artifacts/bundle.ts';
import { digestFile } from '../artifacts/digest.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Digest, TreeManifest } from '../artifacts/reference.ts';
import { parsePointer, parseRelease, pointerProblems } from '../artifacts/release.ts';
import { chainProblems } from '../artifacts/release-chain.ts';
import type { ArtifactStore } from '../artifacts/store.ts';

/** A release that may be served. */
export interface Release {
  readonly model: string;
  readonly channel: string;
  /** The protocol's model version: the channel's revision. */
  readonly version: string;
  readonly bundle: Digest;
  readonly recordText: boolean;
}

export interface WantedChannel {
  readonly model: string;
  readonly channel: string;
}

/** Checks pointer → release record → evidence → approvals → reviewed pack → content. Throws ApprovalRefused with every broken link. */
export async function verifyRelease(store: ArtifactStore, value: unknown, wanted: WantedChannel): Promise<Release> {
  const pointer = must(parsePointer(value));
  const release = must(parseRelease(await store.getJson(pointer.release)));
  const bundle = pointer.bundle.digest;
  const target = { ...wanted, bundle, evidence: release.evidence.digest };
  const problems = [
    ...pointerProblems(pointer, release, wanted),
    ...(await chainProblems(store, target, release.approvals)),
  ];
  if (problems.length === 0) problems.push(...missingFiles(wanted.model, await store.tree(bundle)));
  if (problems.length > 0) throw refused(pointer, problems);
  const { model, channel, revision } = pointer;
  return {
    model,
    channel,
    version: String(revision),
    bundle,
    recordText: release.recordText,
  };
}

/** Brings a verified release's bundle to local disk and checks every file there. Returns the bundle's folder. */
export async function fetchBundle(store: ArtifactStore, release: Release, signal?: AbortSignal): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'espalier-serving-'));
  try {
    await store.checkout(release.bundle, directory, signal === undefined ? {} : { signal });
    await verifyFolder(directory, await store.tree(release.bundle));
    return directory;
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** A folder must be its manifest: no file more, none less, no link, no byte changed. Throws Corrupt naming the file. */
export async function verifyFolder(directory: string, manifest: TreeManifest): Promise<void> {
  const listed = new Map(manifest.entries.map((entry) => [entry.path, entry]));
  for (const found of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (found.isDirectory()) continue;
    const file = join(found.parentPath, found.name);
    const path = file.slice(directory.length + 1).replaceAll('\\', '/');
    const entry = listed.get(path);
    if (!found.isFile()) throw corrupt(path, 'it is not a plain file');
    if (entry === undefined) throw corrupt(path, 'the manifest does not list it');
    if ((await lstat(file)).size !== entry.size) throw corrupt(path, `it does not have ${entry.size} bytes`);
    const digest = await digestFile(file);
    if (digest !== entry.digest) throw corrupt(path, `it is ${digest}, not ${entry.digest}`);
    listed.delete(path);
  }
  for (const path of listed.keys()) throw corrupt(path, 'it is missing');
}

function missingFiles(model: string, bundle: TreeManifest): string[] {
  return MODEL_FILES.map((name) => `${model}/1/${name}`)
    .filter((path) => !bundle.entries.some((entry) => entry.path === path))
    .map((path) => `the bundle lacks ${path}`);
}

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

function corrupt(path: string, problem: string): EspalierError {
  return new EspalierError('Corrupt', `${path}: ${problem}`, { where: path, fix: 'put the bundle again' });
}
