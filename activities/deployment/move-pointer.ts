/**
 * A channel's moves: forward to a release, and back when it cannot be served. Every move is one compare-and-swap and
 * counts the revision up, so that an older run's retry can be told from a newer run's move.
 */
import { channelKey, type ChannelPointer, type ReleaseRecord, type WithdrawnChannel } from '../../artifacts/bundle.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { hexOf, type ArtifactRef } from '../../artifacts/reference.ts';
import { parsePointer, withdrawnChannel } from '../../artifacts/release.ts';
import type { DeployModelInput } from '../contract/deployment.ts';
import type { ActivityServices } from '../step.ts';

/** Others move a channel rarely; losing this often means that something moves it in a loop. */
const MAX_MOVES = 10;

/** What a channel says now; `version` undefined: nobody ever moved it. */
interface Channel {
  readonly version: string | undefined;
  readonly revision: number;
  readonly pointer: ChannelPointer | undefined;
  readonly undid: ArtifactRef | undefined;
}

export interface Move {
  readonly pointer: ChannelPointer;
  readonly release: ReleaseRecord;
}

/**
 * Idempotent: a run that finds its own release standing has moved already. Throws Conflict when another run's release
 * followed it, so that no retry moves a channel back.
 */
export async function movePointer(
  runId: string,
  input: DeployModelInput,
  signed: ArtifactRef,
  services: ActivityServices,
  signal: AbortSignal,
): Promise<Move> {
  const { store, pointers } = services;
  const { model, channel, bundle, evidence, approvals, monitor, recordText, runInput } = input;
  const key = channelKey(model, channel);
  let first: number | undefined;
  for (let attempt = 0; attempt < MAX_MOVES; attempt++) {
    signal.throwIfAborted();
    const now = await readChannel(services, key);
    first ??= await firstRevision(runId, input, now.revision, services);
    const standing = await ownMove(runId, input, now, first, services);
    if (standing !== undefined) return standing;
    const before = now.pointer;
    const release: ReleaseRecord = {
      version: 1,
      model,
      channel,
      runId,
      bundle: bundle.digest,
      signed,
      previousBundle: before?.bundle.digest ?? null,
      previous: before === undefined ? null : { bundle: before.bundle, release: before.release },
      after: now.undid ?? before?.release ?? null,
      evidence,
      approvals,
      monitor,
      recordText,
      runInput,
    };
    const pointer: ChannelPointer = {
      version: 1,
      model,
      channel,
      bundle,
      release: await store.putJson(release, `release-${model}-${channel}`),
      revision: now.revision + 1,
      updatedAt: new Date().toISOString(),
    };
    if (await pointers.replace(key, pointer, now.version)) return { pointer, release };
  }
  throw new EspalierError('Conflict', `${key} was moved by somebody else ${MAX_MOVES} times in a row`, {
    where: key,
    fix: 'see which runs deploy to this channel (espalier models show), then retry the step',
  });
}

/** Puts back what stood before `move`, unless the channel has moved on since. Says what the channel serves now. */
export async function takeBack(
  { pointer: { model, channel, release: undid, revision }, release: { previous } }: Move,
  reason: string,
  services: ActivityServices,
): Promise<string> {
  const key = channelKey(model, channel);
  if (previous === undefined)
    return `${model}/${channel} was left as it is: the release does not say what stood before`;
  const now = await readChannel(services, key);
  const moved = {
    version: 1,
    model,
    channel,
    undid,
    revision: revision + 1,
    updatedAt: new Date().toISOString(),
  } as const;
  const back: ChannelPointer | WithdrawnChannel = previous
    ? { ...moved, ...previous }
    : { ...moved, withdrawn: reason };
  if (now.revision !== revision || !(await services.pointers.replace(key, back, now.version))) {
    return `${model}/${channel} has moved on since and was left as it is`;
  }
  return previous
    ? `${model}/${channel} points to ${previous.bundle.digest} again, as before`
    : `${model}/${channel} was withdrawn: it had served nothing before`;
}

async function readChannel({ pointers }: ActivityServices, key: string): Promise<Channel> {
  const current = await pointers.read<unknown>(key);
  if (current === undefined) return { version: undefined, revision: 0, pointer: undefined, undid: undefined };
  const { version } = current;
  const withdrawn = withdrawnChannel(current.value);
  if (withdrawn !== undefined) {
    return { version, revision: withdrawn.revision, pointer: undefined, undid: withdrawn.undid };
  }
  const { value: pointer, problem } = parsePointer(current.value);
  if (pointer !== undefined) return { version, revision: pointer.revision, pointer, undid: pointer.undid };
  throw new EspalierError('Corrupt', problem, { where: key, fix: 'restore the pointer from an earlier version' });
}

/**
 * `deployments/<hex>`, written once before a run's first move of this release: the channel's revision then. What the
 * run moved can only lie after it, whichever attempt did it and however it ended.
 */
async function firstRevision(
  runId: string,
  { model, channel, evidence }: DeployModelInput,
  revision: number,
  { pointers }: ActivityServices,
): Promise<number> {
  // A run's id is anybody's text, and no key: the record holds it.
  const key = `deployments/${hexOf(digestJson({ runId, evidence: evidence.digest }))}`;
  const record = { version: 1, runId, model, channel, evidence: evidence.digest, revision };
  if (await pointers.create(key, record)) return revision;
  const found = await pointers.read<typeof record>(key);
  return found?.value.revision ?? revision;
}

/** The run's move where it stands; undefined where it never moved, or was taken back and nothing followed. */
async function ownMove(
  runId: string,
  { model, channel, evidence }: DeployModelInput,
  now: Channel,
  first: number,
  { store }: ActivityServices,
): Promise<Move | undefined> {
  const own = (release: ReleaseRecord) => release.runId === runId && release.evidence.digest === evidence.digest;
  const { pointer, undid, revision } = now;
  const standing = pointer === undefined ? undefined : await store.getJson<ReleaseRecord>(pointer.release);
  if (pointer !== undefined && standing !== undefined && own(standing)) return { pointer, release: standing };
  let at = undid ?? pointer?.release;
  for (let left = revision - first; left > 0 && at != null; left--) {
    const release = await store.getJson<ReleaseRecord>(at);
    if (own(release)) {
      if (at.digest === undid?.digest) return undefined;
      throw new EspalierError(
        'Conflict',
        `the release of ${runId} is superseded by ${standing?.runId ?? 'a release that was withdrawn'}: ` +
          `${model}/${channel} is at revision ${revision} by now and stays there`,
        {
          where: channelKey(model, channel),
          fix: 'deploy the older bundle by a new run if it is to come back; a retry never moves a channel back',
        },
      );
    }
    at = release.after ?? undefined;
  }
  return undefined;
}
