/** The registry: what is served under which name, why it may be, and how far its inputs have drifted. */
import { channelKey, parseChannelKey, type ChannelPointer, type ReleaseRecord } from '../artifacts/bundle.ts';
import { brokenGlass, type BrokenGlass } from '../artifacts/break-glass.ts';
import { BundleTermsSchema, TERMS_FILE, type BundleTerms } from '../artifacts/bundle-terms.ts';
import { reopenedText, termsKey, type TermsPointer } from '../artifacts/model-terms.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { evidenceFacts } from '../artifacts/release-chain.ts';
import { whyEmpty, withdrawnChannel } from '../artifacts/release.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import type { Digest } from '../artifacts/reference.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { DriftReport } from '../activities/contract/monitoring.ts';
import type { RunFacts } from '../activities/contract/evidence.ts';

export interface ModelSummary extends ChannelPointer {
  readonly drift: DriftReport | null;
  /** The last check of its terms; null before the first. */
  readonly termsCheck: TermsPointer | null;
  /** What has changed since its release was approved, and who is asked; null while that decision stands. */
  readonly reviewReopened: string | null;
  /** Who approved the release alone, and why; null where its record cannot be read. */
  readonly brokenGlass: readonly BrokenGlass[] | null;
}

export interface ModelDetail extends ModelSummary {
  readonly releaseRecord: ReleaseRecord;
  /** The facts the release was approved on: the model's whole lineage. */
  readonly facts: RunFacts;
  /** What its licences ask of whoever serves and uses it; null for a bundle that does not say. */
  readonly terms: BundleTerms | null;
}

export async function listModels(store: ArtifactStore, pointers: Pointers): Promise<ModelSummary[]> {
  const keys = (await pointers.list('registry/')).filter((key) => parseChannelKey(key) !== undefined);
  const channels = await Promise.all(keys.map((key) => pointers.read<ChannelPointer>(key)));
  return Promise.all(
    channels
      .flatMap((found) => (found === undefined || withdrawnChannel(found.value) ? [] : [found.value]))
      .map(async (channel) => ({
        ...channel,
        drift: await latestDrift(pointers, channel.model, channel.channel),
        ...(await latestTerms(pointers, channel)),
        brokenGlass: await glassOf(store, channel),
      })),
  );
}

/** @throws EspalierError NotFound when nothing is deployed under this name */
export async function showModel(
  store: ArtifactStore,
  pointers: Pointers,
  model: string,
  channel = 'production',
): Promise<ModelDetail> {
  const found = await pointers.read<ChannelPointer>(channelKey(model, channel));
  const why = whyEmpty(found?.value);
  if (found === undefined || why !== undefined) {
    throw new EspalierError('NotFound', `no model '${model}' in channel '${channel}'${why}`, {
      fix: '`espalier models list` shows what is deployed',
    });
  }
  const releaseRecord = await store.getJson<ReleaseRecord>(found.value.release);
  const facts = await evidenceFacts<RunFacts>(store, releaseRecord.evidence.digest);
  const terms = await bundleTerms(store, found.value.bundle.digest);
  const checked = await latestTerms(pointers, found.value);
  return {
    ...found.value,
    ...checked,
    releaseRecord,
    brokenGlass: brokenGlass(releaseRecord.approvals),
    facts,
    terms,
    drift: await latestDrift(pointers, model, channel),
  };
}

/** One release that is gone, or is none, must not hide the others. */
async function glassOf(store: ArtifactStore, { release }: ChannelPointer): Promise<ModelSummary['brokenGlass']> {
  try {
    return brokenGlass((await store.getJson<ReleaseRecord>(release)).approvals);
  } catch (error) {
    if (error instanceof EspalierError && (error.kind === 'NotFound' || error.kind === 'Corrupt')) return null;
    throw error;
  }
}

async function bundleTerms(store: ArtifactStore, bundle: Digest): Promise<BundleTerms | null> {
  const file = (await store.tree(bundle)).entries.find(({ path }) => path === TERMS_FILE);
  return file === undefined ? null : BundleTermsSchema.parse(await store.getJson(file.digest));
}

async function latestTerms(
  pointers: Pointers,
  { model, channel, release }: ChannelPointer,
): Promise<Pick<ModelSummary, 'termsCheck' | 'reviewReopened'>> {
  const termsCheck = (await pointers.read<TermsPointer>(termsKey(model, channel)))?.value ?? null;
  return { termsCheck, reviewReopened: reopenedText(termsCheck, release.digest) ?? null };
}

async function latestDrift(pointers: Pointers, model: string, channel: string): Promise<DriftReport | null> {
  return (await pointers.read<DriftReport>(`registry/${model}/drift/${channel}`))?.value ?? null;
}
