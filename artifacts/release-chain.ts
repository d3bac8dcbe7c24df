/** The whole chain behind a release, read from the store: evidence, votes, the pack that was reviewed, and the bytes. */
import { EspalierError } from './errors.ts';
import { prototypeProblems } from './prototype.ts';
import type { Digest } from './reference.ts';
import {
  approvalProblems,
  contentProblems,
  evaluatedIndex,
  evaluatedModel,
  indexProblems,
  parseEvidence,
  parseReview,
  reviewOf,
  reviewProblems,
  type Parsed,
  type Target,
  type Vote,
} from './release.ts';
import type { TrustedKeys } from './signing-keys.ts';
import type { ArtifactStore } from './store.ts';
import { statementProblems } from './vote-statement.ts';

/**
 * What stands between these votes and this bundle; empty when it may be served. Every vote must be what a key that is
 * `trusted` for votes signed. The same for who deploys and for who serves. Throws what the store throws.
 */
export async function chainProblems(
  store: ArtifactStore,
  target: Target,
  votes: readonly Vote[],
  trusted: TrustedKeys,
): Promise<string[]> {
  const { value: facts, problem } = await readFacts(store, target.evidence, 'the evidence pack', parseEvidence);
  if (facts === undefined) return [problem];
  const problems = [
    ...prototypeProblems(target.channel, facts.pipeline),
    ...approvalProblems(target, votes, facts),
    ...(await statementProblems(store, facts.run.id, votes, trusted)),
  ];
  const vote = reviewOf(facts);
  if (vote !== undefined) {
    const review = await readFacts(store, vote.evidenceDigest, "the review's evidence pack", parseReview);
    problems.push(...(review.value === undefined ? [review.problem] : reviewProblems(facts, review.value)));
  }
  if (problems.length > 0) return problems;
  const index = evaluatedIndex(facts);
  const [bundle, evaluated, indexed] = await Promise.all([
    store.tree(target.bundle),
    store.tree(evaluatedModel(facts)),
    index === null ? null : store.tree(index),
  ]);
  return [
    ...prototypeProblems(target.channel, facts.pipeline, bundle),
    ...contentProblems(target.model, bundle, evaluated),
    ...indexProblems(bundle, indexed),
  ];
}

/** The facts of a pack of evidence, as they were written. Throws NotFound, or BadData for a pack without them. */
export async function evidenceFacts<T>(store: ArtifactStore, pack: Digest): Promise<T> {
  const facts = (await store.tree(pack)).entries.find(({ path }) => path === 'facts.json');
  if (facts !== undefined) return store.getJson<T>(facts.digest);
  throw new EspalierError('BadData', `the evidence pack ${pack} has no facts.json`, { where: pack });
}

async function readFacts<T>(
  store: ArtifactStore,
  pack: Digest,
  what: string,
  parse: (value: unknown) => Parsed<T>,
): Promise<Parsed<T>> {
  try {
    return parse(await evidenceFacts(store, pack));
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    if (error.kind === 'NotFound') return { problem: `${what} ${pack} is not in the store` };
    if (error.kind === 'BadData') return { problem: `${what}: ${error.message}` };
    throw error;
  }
}
