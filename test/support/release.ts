/** Releases of real bundles, approved as a run would leave them; and forged ones. */
import type { ApprovalRecord } from '../../activities/contract/evidence.ts';
import type { DeployModelInput, Deployment, PackageRetrieverInput } from '../../activities/contract/deployment.ts';
import { deployModel } from '../../activities/deployment/deploy-model.ts';
import { packageModel } from '../../activities/deployment/package-model.ts';
import { packageRetriever } from '../../activities/deployment/package-retriever.ts';
import type { Electorate } from '../../artifacts/votes.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey, type ChannelPointer, type ReleaseRecord } from '../../artifacts/bundle.ts';
import { STATEMENT_TYPE, type Statement } from '../../artifacts/dsse.ts';
import { entryRef, type ArtifactRef } from '../../artifacts/reference.ts';
import { signRelease } from '../../artifacts/signed-release.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { signVote, type StatedVote } from '../../artifacts/vote-statement.ts';
import { packageInput, type BundleOptions } from './bundle.ts';
import { TEST_KEY } from './signing.ts';
import { runStep } from './step.ts';

/** A run's finished release, up to the approval: all that `deployModel` takes. */
export async function approvedRelease(
  services: ActivityServices,
  options: BundleOptions & {
    readonly recordText?: boolean;
    /** Changes the votes, or the evidence that they are about. */
    readonly votes?: (vote: ApprovalRecord) => readonly ApprovalRecord[];
    readonly evidenceBundle?: ArtifactRef;
    /** Changes the review's vote, or the facts of the pack that it is about. */
    readonly reviews?: (vote: ApprovalRecord) => readonly ApprovalRecord[];
    readonly reviewed?: Readonly<Record<string, unknown>>;
    readonly electorate?: Electorate;
    /** What the evidence says was evaluated, in the tiny classifier's place. */
    readonly exported?: object;
    /** Puts other files into the bundle, before the evidence names it: path → text, or null to leave it out. */
    readonly bundleFiles?: Readonly<Record<string, string | Uint8Array | null>>;
    /** A model that finds pictures, in a classifier's place. */
    readonly retriever?: PackageRetrieverInput;
  } = {},
): Promise<DeployModelInput> {
  const { store } = services;
  const { input, packaged, exported } = await packagedModel(services, options);
  const bundle = await withFiles(services, packaged.bundle, options.bundleFiles ?? {});
  const reviewFacts = {
    run: {
      id: 'test-run',
      pipeline: 'parity',
      startedBy: 'ada',
      startedAt: '2026-01-01T00:00:00.000Z',
      trigger: 'user',
    },
    pipeline: input.pipeline,
    definition: input.definition,
    steps: [],
    data: input.dataset,
    privacy: { rowsScanned: 24, counts: {}, samples: [] },
    candidates: [{ id: 'tiny', resolved: input.base, imported: input.baseModel }],
    selection: { winner: 'tiny', ranking: [], rule: 'the only one' },
    electorate: options.electorate ?? {
      approvers: [
        { name: 'lena', roles: ['legal'] },
        { name: 'olga', roles: ['product-owner'] },
      ],
      breakGlass: ['bruno'],
      excluded: [{ name: 'ada', because: 'run-starter' }],
    },
    approvals: [],
  };
  const html = await store.putBytes('<!doctype html>', { name: 'report.html', mediaType: 'text/html' });
  const pack = async (name: string, facts: object) =>
    store.putManifest(
      [
        { path: 'facts.json', ref: await store.putJson(facts, 'facts.json') },
        { path: 'report.html', ref: html },
      ],
      name,
    );
  const review: ApprovalRecord = {
    approval: 'review',
    decision: 'approve',
    approver: 'lena',
    roles: ['legal'],
    comment: 'both licences allow it',
    evidenceDigest: (await pack('review', { ...reviewFacts, ...options.reviewed })).digest,
    at: '2026-01-01T12:00:00.000Z',
    openedAt: '2026-01-01T00:00:00.000Z',
    deadline: '2026-01-08T00:00:00.000Z',
  };
  const signed = (votes: readonly ApprovalRecord[]) => Promise.all(votes.map((vote) => withStatement(store, vote)));
  const reviews = await signed(options.reviews?.(review) ?? [review]);
  const facts = {
    ...reviewFacts,
    exported: options.exported ?? exported,
    gates: input.gates,
    bundle: options.evidenceBundle ?? bundle,
    approvals: reviews,
  };
  const evidence = await pack('evidence', facts);
  const vote: ApprovalRecord = {
    approval: 'release',
    decision: 'approve',
    approver: 'olga',
    roles: ['product-owner'],
    comment: 'fine',
    evidenceDigest: evidence.digest,
    at: '2026-01-02T00:00:00.000Z',
    openedAt: '2026-01-01T18:00:00.000Z',
    deadline: '2026-01-08T18:00:00.000Z',
  };
  return {
    model: input.model,
    channel: 'production',
    bundle,
    evidence,
    approvals: [...reviews, ...(await signed(options.votes?.(vote) ?? [vote]))],
    monitor: input.pipeline.monitor,
    recordText: options.recordText ?? false,
    runInput: html,
  };
}

async function packagedModel(
  services: ActivityServices,
  { retriever, ...options }: BundleOptions & { readonly retriever?: PackageRetrieverInput },
) {
  if (retriever !== undefined) {
    const packaged = await runStep(packageRetriever, retriever, services);
    const { embedder, index, indexed } = retriever;
    return { input: retriever, packaged, exported: { ...indexed, embedder, index } };
  }
  const input = await packageInput(services, options);
  const packaged = await runStep(packageModel, input, services);
  return { input, packaged, exported: { classifier: input.classifier, parityMaxAbs: 0, sizeBytes: 1 } };
}

/** The vote with the statement that it came with; `change` makes that say something else, `signer` signs it. */
export async function withStatement(
  store: ArtifactStore,
  vote: ApprovalRecord,
  change: Partial<StatedVote> = {},
  signer = TEST_KEY.signer,
): Promise<ApprovalRecord> {
  if (vote.statement !== undefined) return vote;
  const { approval, decision, approver, comment, evidenceDigest, at } = vote;
  const { delegation, breakGlass = false } = vote;
  const how = { delegation: delegation === undefined ? null : { ...delegation }, breakGlass };
  const authentication = { method: 'operator', login: 'test' };
  const said = { approval, decision, approver, comment, evidenceDigest, at, authentication };
  const stated: StatedVote = { run: 'test-run', roles: null, ...how, ...said, ...change };
  return { ...vote, statement: (await store.putJson(await signVote(stated, signer), 'vote')).digest };
}

export async function deploy(
  services: ActivityServices,
  input: DeployModelInput,
  runId = 'test-run',
  servingTimeoutMs = 20_000,
): Promise<Deployment> {
  const call = { runId, stepId: 'deploy', input, reuse: true };
  return deployModel(call, services, {
    signal: new AbortController().signal,
    progress: () => undefined,
    servingTimeoutMs,
  });
}

/**
 * Points the channel at a release past every check, as somebody could who can write to the store and holds the key:
 * what it refuses then is refused for its approvals. `signed` takes another signature's place, null leaves it out.
 */
export async function forge(
  services: ActivityServices,
  input: DeployModelInput,
  signed?: ArtifactRef | null,
): Promise<void> {
  const { store, pointers } = services;
  const { model, channel, bundle, evidence, approvals, monitor, recordText, runInput } = input;
  const key = channelKey(model, channel);
  const before = await pointers.read<ChannelPointer>(key);
  const previousBundle = before?.value.bundle.digest ?? null;
  const grant = { ...input, runId: 'forged', bundle: bundle.digest };
  const signature = signed === undefined ? await signRelease(store, grant, NO_PROVENANCE, TEST_KEY.signer) : signed;
  const release: ReleaseRecord = {
    version: 1,
    model,
    channel,
    runId: 'forged',
    bundle: bundle.digest,
    ...(signature === null ? {} : { signed: signature }),
    previousBundle,
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
    release: await store.putJson(release, 'release'),
    revision: (before?.value.revision ?? 0) + 1,
    updatedAt: '2026-01-03T00:00:00.000Z',
  };
  if (!(await pointers.replace(key, pointer, before?.version))) throw new Error('the pointer moved under the test');
}

/** Who forges need not say how it was made: nobody reads that to serve it. */
export const NO_PROVENANCE: Statement = { _type: STATEMENT_TYPE, subject: [], predicateType: 'none', predicate: {} };

/** The tree with other files in it: path → bytes, or null to leave one out. */
export async function withFiles(
  { store }: ActivityServices,
  tree: ArtifactRef,
  files: Readonly<Record<string, string | Uint8Array | null>>,
): Promise<ArtifactRef> {
  const kept = (await store.tree(tree)).entries.filter(({ path }) => !(path in files));
  const added = Object.entries(files).flatMap(([path, bytes]) => (bytes === null ? [] : [{ path, bytes }]));
  const mediaType = 'application/octet-stream';
  return store.putManifest(
    [
      ...kept.map((entry) => ({ path: entry.path, ref: entryRef(entry) })),
      ...(await Promise.all(
        added.map(async ({ path, bytes }) => ({ path, ref: await store.putBytes(bytes, { name: path, mediaType }) })),
      )),
    ],
    'bundle',
  );
}
