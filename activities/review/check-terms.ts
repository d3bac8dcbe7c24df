/** The gate before a release: the licence judged again, with what is known of the bundle by now. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { EspalierError } from '../../artifacts/errors.ts';
import type { TreeManifest } from '../../artifacts/reference.ts';
import type { UseFacts } from '../../pipelines/licence/use.ts';
import type { CheckTermsInput, TermsVerdict } from '../contract/review.ts';
import type { StepCall } from '../contract.ts';
import { heart } from '../heartbeat.ts';
import { toFailure } from '../attempt-failures.ts';
import type { ActivityServices } from '../step.ts';
import { judgeTerms, type TermsContext } from './judge-terms.ts';

export function checkTermsActivity(
  services: ActivityServices,
): (call: StepCall<CheckTermsInput>) => Promise<TermsVerdict> {
  return (call) => judgingTerms(services, call.stepId, (context) => checkTerms(call.input, context));
}

/** Around an activity that judges terms: a folder of its own, gone afterwards, heartbeats, and failures with their type. */
export async function judgingTerms<Verdict>(
  services: ActivityServices,
  stepId: string,
  judge: (context: ActivityServices & TermsContext) => Promise<Verdict>,
): Promise<Verdict> {
  const context = Context.current();
  const beat = heart(context);
  const workDir = await mkdtemp(join(services.workRoot ?? tmpdir(), 'espalier-terms-'));
  try {
    beat.progress({ phase: 'judging the licence again' });
    return await judge({ ...services, signal: context.cancellationSignal, workDir });
  } catch (error) {
    throw toFailure(error, stepId);
  } finally {
    beat.stop();
    await rm(workDir, { recursive: true, force: true });
  }
}

/** Throws LicenceDenied with what would help: nothing that a text or a rule forbids reaches the approvers. */
export async function checkTerms(input: CheckTermsInput, context: TermsContext): Promise<TermsVerdict> {
  const { candidate, resolved, imported, pipeline } = input;
  const [bundle, base] = await Promise.all([context.store.tree(input.bundle), context.store.tree(imported.model)]);
  const files = new Set(bundle.entries.map(({ path }) => path));
  const verdict = await judgeTerms(
    {
      model: candidate.model,
      resolved,
      use: useAsBundled(input, files),
      sizeBytes: servedBytes(bundle, pipeline.deploy.model),
      pipeline: pipeline.name,
      own: pipeline.review?.policy !== undefined,
      snapshot: input.policy,
      kept: new Map(base.entries.map(({ path, digest }) => [path, digest])),
    },
    context,
  );
  if (verdict.verdict !== 'deny') return verdict;
  throw new EspalierError('LicenceDenied', `the licence forbids this release: ${verdict.reasons.join('; ')}`, {
    where: `candidates.${candidate.id}, by the policy ${verdict.policyFrom}`,
    fix: `${verdict.howToFix.join('; ')}; then retry this step`,
  });
}

/** Of what a device has to hold: a model may have been shortened since it was fetched. */
export function servedBytes({ entries }: TreeManifest, model: string): number {
  return entries.filter(({ path }) => path.startsWith(`${model}/1/`)).reduce((sum, { size }) => sum + size, 0);
}

/** The stated use, with what the bundle really holds: a duty that no file of it does is not done. */
export function useAsBundled(
  { pipeline, duties }: Pick<CheckTermsInput, 'pipeline' | 'duties'>,
  files: ReadonlySet<string>,
): UseFacts {
  const { intendedUse, deploy } = pipeline;
  const undone = (wanted: string): boolean =>
    duties.some(({ duty, state, file }) => duty === wanted && (state !== 'done' || file === null || !files.has(file)));
  const done = (field: 'noticesRetained' | 'changesStated' | 'builtWithDisplayed'): boolean =>
    intendedUse[field] !== false && !undone(field);
  const { licenseCopyIncluded } = intendedUse;
  return {
    ...intendedUse,
    derivedName: deploy.model,
    noticesRetained: done('noticesRetained'),
    changesStated: done('changesStated'),
    builtWithDisplayed: done('builtWithDisplayed'),
    // Somebody may have promised a text that no source brings.
    licenseCopyIncluded: licenseCopyIncluded ?? !undone('licenseCopyIncluded'),
  };
}
