/**
 * May this bundle be served under this name? The whole chain, from the pointer to the person who approved: what was
 * evaluated is what was approved is what is deployed is what is served. Pure; used before the pointer moves
 * (activities/deployment) and again before a byte of the model is loaded (serving).
 */
import { z } from 'zod';
import type { ChannelPointer, ReleaseRecord } from './bundle.ts';
import { isArtifactRef, isDigest, type ArtifactRef, type Digest, type TreeManifest } from './reference.ts';

const digest = z.custom<Digest>(isDigest, 'is not a sha256 digest');
const reference = z.custom<ArtifactRef>(isArtifactRef, 'is not an artifact reference');

const PointerSchema = z.looseObject({
  version: z.literal(1),
  model: z.string(),
  channel: z.string(),
  bundle: reference,
  release: reference,
  revision: z.int().min(1),
  updatedAt: z.string(),
});

const VoteSchema = z.looseObject({
  approval: z.string(),
  decision: z.string(),
  approver: z.string(),
  roles: z.array(z.string()),
  comment: z.string(),
  evidenceDigest: digest,
  at: z.string(),
});

const ReleaseSchema = z.looseObject({
  version: z.literal(1),
  model: z.string(),
  channel: z.string(),
  runId: z.string(),
  bundle: digest,
  previousBundle: digest.nullable(),
  evidence: reference,
  approvals: z.array(VoteSchema),
  monitor: z.unknown(),
  recordText: z.boolean(),
  runInput: reference,
});

const EvidenceSchema = z.looseObject({
  run: z.looseObject({ id: z.string(), startedBy: z.string() }),
  pipeline: z.looseObject({
    approvals: z.looseObject({ release: z.looseObject({ roles: z.array(z.string()).min(1) }) }),
    deploy: z.looseObject({ model: z.string(), channel: z.string() }),
  }),
  exported: z.looseObject({ classifier: reference }),
  gates: z.looseObject({ verdict: z.string() }),
  bundle: reference,
});

/** What the chain needs of an evidence pack's `facts.json`. */
export type ReleaseEvidence = z.output<typeof EvidenceSchema>;
export type Vote = ReleaseRecord['approvals'][number];

/** A parsed document, or what is wrong with it. */
export type Parsed<T> =
  | { readonly value: T; readonly problem?: undefined }
  | { readonly value?: undefined; readonly problem: string };

export const parsePointer = (value: unknown): Parsed<ChannelPointer> =>
  parse(PointerSchema, value, 'the channel pointer');
export const parseRelease = (value: unknown): Parsed<ReleaseRecord> =>
  parse(ReleaseSchema, value, 'the release record');
export const parseEvidence = (value: unknown): Parsed<ReleaseEvidence> =>
  parse(EvidenceSchema, value, "the evidence pack's facts.json");

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): Parsed<T> {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data };
  const issues = result.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`);
  return { problem: `${what} is malformed (${issues.join('; ')})` };
}

/** What stands between this evidence, these votes and this bundle; empty when nothing does. */
export function approvalProblems(
  target: { readonly model: string; readonly channel: string; readonly bundle: Digest; readonly evidence: Digest },
  votes: readonly Vote[],
  facts: ReleaseEvidence,
): string[] {
  const problems: string[] = [];
  if (facts.bundle.digest !== target.bundle) {
    problems.push(`the evidence is about bundle ${facts.bundle.digest}, not ${target.bundle}`);
  }
  const { deploy, approvals } = facts.pipeline;
  if (deploy.model !== target.model || deploy.channel !== target.channel) {
    problems.push(`the evidence is for ${deploy.model}/${deploy.channel}, not ${target.model}/${target.channel}`);
  }
  if (facts.gates.verdict !== 'pass' && facts.gates.verdict !== 'warn') {
    problems.push(`the evidence's gates say '${facts.gates.verdict}'`);
  }
  const release = votes.filter(({ approval }) => approval === 'release');
  const current = release.filter(({ evidenceDigest }) => evidenceDigest === target.evidence);
  const rejection = current.find(({ decision }) => decision !== 'approve');
  if (rejection !== undefined) problems.push(`${rejection.approver} decided '${rejection.decision}' on the release`);
  const valid = current.filter(
    ({ decision, approver, roles }) =>
      decision === 'approve' &&
      approver !== facts.run.startedBy &&
      roles.some((role) => approvals.release.roles.includes(role)),
  );
  if (valid.length === 0) problems.push(missingApproval(target.evidence, release, facts));
  return problems;
}

function missingApproval(evidence: Digest, votes: readonly Vote[], facts: ReleaseEvidence): string {
  const approvals = votes.filter(({ decision }) => decision === 'approve');
  const [vote] = approvals;
  if (vote === undefined) return "no 'release' approval is on record";
  if (approvals.every(({ evidenceDigest }) => evidenceDigest !== evidence)) {
    return `the 'release' approval is about evidence ${vote.evidenceDigest}, not ${evidence}`;
  }
  if (approvals.every(({ approver }) => approver === facts.run.startedBy)) {
    return `${vote.approver} started the run and cannot approve its release`;
  }
  return `no approver of the release holds one of the roles ${facts.pipeline.approvals.release.roles.join(', ')}`;
}

/** The same for a published release: the pointer, its release record and the evidence must all name one bundle. */
export function releaseProblems(
  pointer: ChannelPointer,
  release: ReleaseRecord,
  facts: ReleaseEvidence,
  wanted: { readonly model: string; readonly channel: string },
): string[] {
  const problems: string[] = [];
  for (const [what, document] of [
    ['pointer', pointer],
    ['release record', release],
  ] as const) {
    if (document.model !== wanted.model || document.channel !== wanted.channel) {
      problems.push(`the ${what} is for ${document.model}/${document.channel}, not ${wanted.model}/${wanted.channel}`);
    }
  }
  if (release.bundle !== pointer.bundle.digest) {
    problems.push(`the release record is about bundle ${release.bundle}, not ${pointer.bundle.digest}`);
  }
  const target = { ...wanted, bundle: pointer.bundle.digest, evidence: release.evidence.digest };
  return [...problems, ...approvalProblems(target, release.approvals, facts)];
}

/** The bundle's `<model>/1/` must be, file by file, the classifier that the evidence evaluated. */
export function contentProblems(model: string, bundle: TreeManifest, classifier: TreeManifest): string[] {
  const folder = `${model}/1/`;
  const served = new Map(
    bundle.entries
      .filter(({ path }) => path.startsWith(folder))
      .map(({ path, digest: is }) => [path.slice(folder.length), is]),
  );
  const problems: string[] = [];
  for (const { path, digest: evaluated } of classifier.entries) {
    const is = served.get(path);
    if (is === undefined) problems.push(`the bundle lacks ${folder}${path}`);
    else if (is !== evaluated) problems.push(`${folder}${path} is ${is}, but ${evaluated} was evaluated`);
    served.delete(path);
  }
  for (const path of served.keys()) problems.push(`${folder}${path} was not part of the evaluated model`);
  return problems;
}
