/**
 * A vote as a signed statement: who authenticated the voter says what was voted and how the voter was known. The run's
 * record of a vote is believed at deployment and by the model server only together with it.
 */
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { openStatement, signStatement, STATEMENT_TYPE, type SignedStatement, type Statement } from './dsse.ts';
import { EspalierError } from './errors.ts';
import { hexOf, isDigest, type Digest } from './reference.ts';
import type { Parsed, Vote } from './release.ts';
import type { Signer, TrustedKeys } from './signing-keys.ts';
import type { ArtifactStore } from './store.ts';

const VOTE_TYPE = 'urn:espalier:vote:v1';

/** The method, and what belongs to it: which token, which issuer and subject. Nothing secret. */
const Authentication = z.looseObject({ method: z.string().min(1) });

const VoteSchema = z.strictObject({
  run: z.string(),
  approval: z.string(),
  decision: z.string(),
  approver: z.string(),
  /** What the identity provider said; null where the run's own list of approvers says it. */
  roles: z.array(z.string()).nullable(),
  comment: z.string(),
  evidenceDigest: z.custom<Digest>(isDigest, 'is not a sha256 digest'),
  /** By the signer's clock. */
  at: z.iso.datetime(),
  authentication: Authentication,
  /** Whose seat it fills, by which delegation. */
  delegation: z.looseObject({ from: z.string() }).nullable(),
  breakGlass: z.boolean(),
});

/** What is signed. */
export type StatedVote = z.output<typeof VoteSchema>;

/** Clocks may differ, and a run may be busy; a vote of another day is another vote. */
const MAX_APART_MS = 10 * 60_000;

export function signVote(vote: StatedVote, signer: Signer): Promise<SignedStatement> {
  const statement: Statement = {
    _type: STATEMENT_TYPE,
    subject: [{ name: `${vote.approval} of ${vote.run}`, digest: { sha256: hexOf(vote.evidenceDigest) } }],
    predicateType: VOTE_TYPE,
    predicate: vote,
  };
  return signStatement(statement, signer);
}

/** The vote, once its signature by a key trusted for votes holds. */
export function openVote(value: unknown, trusted: TrustedKeys): Parsed<StatedVote & { readonly keyId: string }> {
  const { value: statement, problem } = openStatement(value, trusted, 'votes');
  if (statement === undefined) return { problem };
  const vote = VoteSchema.safeParse(statement.predicate).data;
  if (statement.predicateType !== VOTE_TYPE || vote === undefined) return { problem: 'what was signed is not a vote' };
  return { value: { ...vote, keyId: statement.keyId } };
}

/** Why these recorded votes of a run are not what was signed; empty when they are. Throws what the store throws. */
export async function statementProblems(
  store: ArtifactStore,
  run: string,
  votes: readonly Vote[],
  trusted: TrustedKeys,
): Promise<string[]> {
  const problems = await Promise.all(
    votes.map(async (vote) => {
      const found = await statementOf(store, vote, trusted);
      const wrong = found.value === undefined ? [found.problem] : differences(vote, run, found.value);
      return wrong.map((problem) => `${vote.approver}'s vote on the ${vote.approval}: ${problem}`);
    }),
  );
  return problems.flat();
}

async function statementOf(
  store: ArtifactStore,
  { statement }: Vote,
  trusted: TrustedKeys,
): Promise<Parsed<StatedVote & { readonly keyId: string }>> {
  if (statement === undefined) return { problem: 'it is not signed' };
  try {
    return openVote(await store.getJson(statement), trusted);
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    if (error.kind === 'NotFound') return { problem: `its statement ${statement} is not in the store` };
    if (error.kind === 'BadData') return { problem: `its statement ${statement} is no JSON` };
    throw error;
  }
}

const SAME = ['approval', 'decision', 'approver', 'comment', 'evidenceDigest'] as const;

/** What the record of a vote says otherwise than its statement. */
function differences(vote: Vote, run: string, stated: StatedVote): string[] {
  const problems: string[] = SAME.filter((part) => vote[part] !== stated[part]).map(
    (part) => `the record's ${part} is not what was signed`,
  );
  if (stated.run !== run) problems.push(`it was signed for run ${stated.run}, not ${run}`);
  if (canonicalJson(vote.delegation ?? null) !== canonicalJson(stated.delegation)) {
    problems.push("the record's delegation is not what was signed");
  }
  if ((vote.breakGlass ?? false) !== stated.breakGlass) problems.push("the record's breakGlass is not what was signed");
  // By delegation the role is another's, and who breaks the glass needs none: the run's electorate says who may.
  const own = vote.delegation === undefined && vote.breakGlass !== true;
  const invented = vote.roles.filter((role) => own && stated.roles?.includes(role) === false);
  if (invented.length > 0) problems.push(`its signer knows nothing of the role ${invented.join(', ')}`);
  if (!(Math.abs(Date.parse(vote.at) - Date.parse(stated.at)) <= MAX_APART_MS)) {
    problems.push(`it was signed at ${stated.at} and recorded at ${vote.at}`);
  }
  return problems;
}
