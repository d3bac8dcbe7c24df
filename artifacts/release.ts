/**
 * May this bundle be served under this name? The whole chain, from the pointer to the person who approved: what was
 * reviewed and evaluated is what was approved is what is deployed is what is served. Pure; release-chain.ts asks it for
 * the deployment, before the pointer moves, and again for the server, before a byte of the model is loaded.
 */
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { INDEX_FOLDER, type ChannelPointer, type ReleaseRecord, type WithdrawnChannel } from './bundle.ts';
import { openSeats, seatText } from './seats.ts';
import { earlierVote, tally, voteProblem } from './votes.ts';
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
  undid: reference.optional(),
});

const WithdrawnSchema = z.looseObject({
  version: z.literal(1),
  model: z.string(),
  channel: z.string(),
  withdrawn: z.string(),
  undid: reference,
  revision: z.int().min(1),
  updatedAt: z.string(),
});

/** As `toISOString` writes it: votes are compared with their time to decide. */
const instant = z.iso.datetime({ precision: 3 });
const names = z.array(z.string());
const VoteSchema = z.looseObject({
  approval: z.string(),
  decision: z.string(),
  approver: z.string(),
  roles: names,
  comment: z.string(),
  evidenceDigest: digest,
  at: instant,
  statement: digest.optional(),
  openedAt: instant,
  deadline: instant,
  delegation: z
    .looseObject({
      id: z.string(),
      from: z.string(),
      to: z.string(),
      role: z.string(),
      startsAt: instant,
      endsAt: instant,
      roleFrom: z.literal('oidc').optional(),
    })
    .optional(),
  escalated: z.boolean().optional(),
  breakGlass: z.boolean().optional(),
  voided: z.looseObject({ at: z.string(), reason: z.string() }).optional(),
});

const ReleaseSchema = z.looseObject({
  version: z.literal(1),
  model: z.string(),
  channel: z.string(),
  runId: z.string(),
  bundle: digest,
  signed: reference.optional(),
  previousBundle: digest.nullable(),
  // Records of releases before these were written have neither.
  previous: z.looseObject({ bundle: reference, release: reference }).nullable().optional(),
  after: reference.nullable().optional(),
  evidence: reference,
  approvals: z.array(VoteSchema),
  monitor: z.unknown(),
  recordText: z.boolean(),
  runInput: reference,
});

/** What the review's pack and the release's must say alike: what a reviewer saw is what the model was made of. */
const Reviewed = {
  definition: reference,
  data: z.looseObject({ dataset: reference }),
  // Not every task has text to look through.
  privacy: z.looseObject({}).optional(),
  candidates: z.array(z.looseObject({ id: z.string() })),
  selection: z.looseObject({ winner: z.string() }),
};
const REVIEWED = Object.keys(Reviewed) as (keyof typeof Reviewed)[];

const ReviewSchema = z.looseObject({ run: z.looseObject({ id: z.string() }), ...Reviewed });

const rule = z.looseObject({
  seats: z.array(z.looseObject({ role: z.string(), count: z.int().min(1) })).min(1),
  escalateTo: names,
  liftedExclusions: z.array(z.enum(['run-starter', 'definition-author', 'policy-editor'])),
});
const electorate = z.looseObject({
  approvers: z.array(z.looseObject({ name: z.string(), roles: names, rolesFrom: z.literal('oidc').optional() })),
  breakGlass: names,
  excluded: z.array(
    z.looseObject({ name: z.string(), because: z.enum(['run-starter', 'definition-author', 'policy-editor']) }),
  ),
});
const EvidenceSchema = z.looseObject({
  ...Reviewed,
  run: z.looseObject({ id: z.string(), startedBy: z.string() }),
  pipeline: z.looseObject({
    approvals: z.looseObject({ review: rule, release: rule }),
    deploy: z.looseObject({ model: z.string(), channel: z.string() }),
  }),
  // A generator's tree has its prompt in it: the two were evaluated together.
  exported: z.union([
    z.looseObject({ classifier: reference }),
    z.looseObject({ generator: reference }),
    z.looseObject({ embedder: reference, index: reference }),
  ]),
  gates: z.looseObject({ verdict: z.string() }),
  bundle: reference,
  electorate,
  approvals: z.array(VoteSchema),
});

/** What the chain needs of the `facts.json` of the release's evidence pack, and of the review's. */
export type ReleaseEvidence = z.output<typeof EvidenceSchema>;
export type ReviewEvidence = z.output<typeof ReviewSchema>;
export type Vote = ReleaseRecord['approvals'][number];

/** A parsed document, or what is wrong with it. */
export type Parsed<T> =
  | { readonly value: T; readonly problem?: undefined }
  | { readonly value?: undefined; readonly problem: string };

export const parsePointer = (value: unknown): Parsed<ChannelPointer> =>
  parse(PointerSchema, value, 'the channel pointer');
/** The channel's tombstone, or undefined where the value is something else. */
export const withdrawnChannel = (value: unknown): WithdrawnChannel | undefined => WithdrawnSchema.safeParse(value).data;
/** Why a channel serves nothing, to be put behind a sentence that says so; undefined where a release stands in it. */
export function whyEmpty(value: unknown): string | undefined {
  if (value === undefined) return '';
  const withdrawn = withdrawnChannel(value)?.withdrawn;
  return withdrawn === undefined ? undefined : `: it was withdrawn (${withdrawn})`;
}
export const parseRelease = (value: unknown): Parsed<ReleaseRecord> =>
  parse(ReleaseSchema, value, 'the release record');
export const parseEvidence = (value: unknown): Parsed<ReleaseEvidence> =>
  parse(EvidenceSchema, value, "the evidence pack's facts.json");
export const parseReview = (value: unknown): Parsed<ReviewEvidence> =>
  parse(ReviewSchema, value, "the review pack's facts.json");

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): Parsed<T> {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data };
  const issues = result.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`);
  return { problem: `${what} is malformed (${issues.join('; ')})` };
}

/** What stands between this evidence, these votes and this bundle; empty when nothing does. */
export function approvalProblems(target: Target, votes: readonly Vote[], facts: ReleaseEvidence): string[] {
  const problems: string[] = [];
  if (facts.bundle.digest !== target.bundle) {
    problems.push(`the evidence is about bundle ${facts.bundle.digest}, not ${target.bundle}`);
  }
  const { deploy } = facts.pipeline;
  if (deploy.model !== target.model || deploy.channel !== target.channel) {
    problems.push(`the evidence is for ${deploy.model}/${deploy.channel}, not ${target.model}/${target.channel}`);
  }
  if (facts.gates.verdict !== 'pass' && facts.gates.verdict !== 'warn') {
    problems.push(`the evidence's gates say '${facts.gates.verdict}'`);
  }
  const release = voteProblems('release', votes, facts, target.evidence);
  // The review's votes stand in the evidence: whoever approved its digest approved them to the byte.
  const review = reviewOf(facts);
  const reviewed = voteProblems('review', facts.approvals, facts, review?.evidenceDigest);
  if (canonicalJson(of('review', votes)) !== canonicalJson(of('review', facts.approvals))) {
    reviewed.push("the votes on the review are not those of the release's evidence");
  }
  return [...problems, ...release, ...reviewed];
}

/** The vote that approved the review, as the release's evidence has it: its digest names the pack that was reviewed. */
export function reviewOf(facts: ReleaseEvidence): Vote | undefined {
  return of('review', facts.approvals).findLast(
    ({ decision, voided }) => decision === 'approve' && voided === undefined,
  );
}

/** What differs between what was reviewed and what the released model was made of; empty when nothing does. */
export function reviewProblems(facts: ReleaseEvidence, review: ReviewEvidence): string[] {
  if (review.run.id !== facts.run.id) return [`the review is of run ${review.run.id}, not ${facts.run.id}`];
  return REVIEWED.filter((part) => canonicalJson(facts[part] ?? null) !== canonicalJson(review[part] ?? null)).map(
    (part) => `the evidence's ${part} is not what was reviewed`,
  );
}

/** What the release's evidence, the channel and the bundle must agree on. */
export interface Target {
  readonly model: string;
  readonly channel: string;
  readonly bundle: Digest;
  readonly evidence: Digest;
}

type ApprovalName = 'review' | 'release';

const of = (approval: ApprovalName, votes: readonly Vote[]): readonly Vote[] =>
  votes.filter((vote) => vote.approval === approval);

/** Why these votes do not approve this evidence: the rules of the run itself, asked again of what is on record. */
function voteProblems(
  approval: ApprovalName,
  all: readonly Vote[],
  facts: ReleaseEvidence,
  evidence: Digest | undefined,
): string[] {
  const rule = facts.pipeline.approvals[approval];
  // Whoever the evidence leaves out, the starter it names cannot be forgotten.
  const starter = { name: facts.run.startedBy, because: 'run-starter' } as const;
  const electorate = { ...facts.electorate, excluded: [...facts.electorate.excluded, starter] };
  const votes = of(approval, all).filter(({ voided }) => voided === undefined);
  const current = votes.filter(({ evidenceDigest }) => evidenceDigest === evidence);
  const { verdict, seats } = tally(current, rule, electorate);
  const against = (evidence === undefined ? votes : current).find(({ decision }) => decision !== 'approve');
  if (against !== undefined) return [`${against.approver} decided '${against.decision}' on the ${approval}`];
  const [vote] = votes;
  if (vote === undefined) return [`no '${approval}' approval is on record`];
  if (current.length === 0)
    return [`the '${approval}' approval is about evidence ${vote.evidenceDigest}, not ${evidence}`];
  // A run takes no vote that cannot count: where one is on record, the record is not a run's.
  const problems = current.flatMap((one) => voteProblem(one, rule, electorate) ?? []);
  const twice = current.flatMap((one, index) =>
    earlierVote(one, current.slice(0, index)) === undefined ? [] : [`'${one.approver}' votes on the ${approval} twice`],
  );
  return [
    ...(verdict === 'approved' ? [] : [`the ${approval} lacks ${seatText(openSeats(seats))}`]),
    ...problems,
    ...twice,
  ];
}

/** A published release's pointer and record must be for one channel and name one bundle. */
export function pointerProblems(
  pointer: ChannelPointer,
  release: ReleaseRecord,
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
  return problems;
}

/** The tree of the model that the evidence is about. */
export function evaluatedModel({
  exported,
}: {
  readonly exported:
    | { readonly classifier: ArtifactRef }
    | { readonly generator: ArtifactRef }
    | { readonly embedder: ArtifactRef };
}): ArtifactRef {
  if ('embedder' in exported) return exported.embedder;
  return 'classifier' in exported ? exported.classifier : exported.generator;
}

/** The index that was evaluated with the model; null where there is none. */
export function evaluatedIndex({ exported }: { readonly exported: object }): ArtifactRef | null {
  return 'index' in exported && isArtifactRef(exported.index) ? exported.index : null;
}

/** The bundle's `<model>/1/` must be, file by file, the model that the evidence evaluated. */
export function contentProblems(model: string, bundle: TreeManifest, evaluated: TreeManifest): string[] {
  return folderProblems(`${model}/1/`, bundle, evaluated);
}

/** And its `index/` the index; null: nothing was looked up in one, and none may be there. */
export function indexProblems(bundle: TreeManifest, evaluated: TreeManifest | null): string[] {
  return folderProblems(INDEX_FOLDER, bundle, evaluated ?? { entries: [] });
}

function folderProblems(
  folder: string,
  bundle: Pick<TreeManifest, 'entries'>,
  evaluated: Pick<TreeManifest, 'entries'>,
): string[] {
  const served = new Map(
    bundle.entries
      .filter(({ path }) => path.startsWith(folder))
      .map(({ path, digest: is }) => [path.slice(folder.length), is]),
  );
  const problems: string[] = [];
  for (const { path, digest: wanted } of evaluated.entries) {
    const is = served.get(path);
    if (is === undefined) problems.push(`the bundle lacks ${folder}${path}`);
    else if (is !== wanted) problems.push(`${folder}${path} is ${is}, but ${wanted} was evaluated`);
    served.delete(path);
  }
  for (const path of served.keys()) problems.push(`${folder}${path} was not part of the evaluated model`);
  return problems;
}
