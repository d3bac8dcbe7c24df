/** Every release there ever was, by the chain that each channel's pointer hangs on; and the one behind a digest. */
import type { RunFacts } from '../activities/contract/evidence.ts';
import { parseChannelKey, type ReleaseRecord } from '../artifacts/bundle.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import { hexOf, type ArtifactRef } from '../artifacts/reference.ts';
import { evaluatedIndex, evaluatedModel, parsePointer, withdrawnChannel } from '../artifacts/release.ts';
import { evidenceFacts } from '../artifacts/release-chain.ts';
import type { ArtifactStore } from '../artifacts/store.ts';

export interface FoundRelease {
  readonly ref: ArtifactRef;
  readonly record: ReleaseRecord;
  /** The facts that it was approved on. */
  readonly facts: RunFacts;
}

/** Channel by channel, each newest first; also releases that were taken back or withdrawn. */
export async function* everyRelease(
  store: ArtifactStore,
  pointers: Pointers,
): AsyncGenerator<Pick<FoundRelease, 'ref' | 'record'>> {
  for (const key of await pointers.list('registry/')) {
    if (parseChannelKey(key) === undefined) continue;
    const value = (await pointers.read<unknown>(key))?.value;
    const pointer = parsePointer(value).value;
    let at = withdrawnChannel(value)?.undid ?? pointer?.undid ?? pointer?.release;
    while (at !== undefined) {
      const record: ReleaseRecord = await store.getJson<ReleaseRecord>(at);
      yield { ref: at, record };
      at = record.after ?? undefined;
    }
  }
}

/**
 * The newest release of this digest: of a bundle, the signed bundle, the release itself, the exported or the tuned
 * model. `digest` may be its first eight or more hexadecimal digits. Throws NotFound.
 */
export async function findRelease(store: ArtifactStore, pointers: Pointers, digest: string): Promise<FoundRelease> {
  const wanted = digest.replace(/^sha256:/, '');
  if (!/^[0-9a-f]{8,64}$/.test(wanted)) {
    throw new EspalierError('BadConfig', `'${digest}' is not a digest`, {
      fix: 'give sha256: and its 64 hexadecimal digits, or at least the first eight: `espalier models list` shows them',
    });
  }
  const found: FoundRelease[] = [];
  for await (const { ref, record } of everyRelease(store, pointers)) {
    const facts = await evidenceFacts<RunFacts>(store, record.evidence.digest);
    const digests = [
      ref.digest,
      record.bundle,
      record.signed?.digest,
      facts.exported && evaluatedModel({ exported: facts.exported }).digest,
      facts.exported && evaluatedIndex({ exported: facts.exported })?.digest,
      facts.training?.model.digest,
    ];
    if (digests.some((one) => one !== undefined && hexOf(one).startsWith(wanted))) found.push({ ref, record, facts });
  }
  const newest = found.toSorted((a, b) => votedAt(b).localeCompare(votedAt(a)))[0];
  if (newest !== undefined) return newest;
  throw new EspalierError('NotFound', `no release of ${digest} is on record`, {
    fix: '`espalier models list` shows what is deployed; what was never released has no lineage',
  });
}

/** When the last vote for it was cast: the record itself has no clock, so that a retry writes the same. */
function votedAt({ record }: FoundRelease): string {
  return (
    record.approvals
      .map(({ at }) => at)
      .toSorted()
      .at(-1) ?? ''
  );
}
