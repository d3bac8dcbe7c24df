/**
 * Whether the licence decision on a model in production still stands: is the text at the source the same, has a
 * conclusion ended, does the policy of now decide the same? What has changed reopens the review, once a state; the model
 * stays in service until people decide otherwise.
 */
import { Context } from '@temporalio/activity';
import { digestJson } from '../../artifacts/digest.ts';
import { termsKey, type ReopenedReview, type TermsPointer } from '../../artifacts/model-terms.ts';
import { evidenceFacts } from '../../artifacts/release-chain.ts';
import { shortDigest, type ArtifactRef } from '../../artifacts/reference.ts';
import { SEVERITY } from '../../pipelines/licence/evaluate.ts';
import { winnerOf } from '../../pipelines/winner.ts';
import type { CandidateSource } from '../contract/selection.ts';
import type { CheckModelTermsInput, SettleTermsInput, TermsReport } from '../contract/monitoring.ts';
import type { RunFacts } from '../contract/evidence.ts';
import type { StepCall } from '../contract.ts';
import type { TermsVerdict } from '../contract/review.ts';
import { judgingTerms, servedBytes, useAsBundled } from '../review/check-terms.ts';
import { judgeTerms, type TermsContext } from '../review/judge-terms.ts';
import { toFailure } from '../attempt-failures.ts';
import type { ActivityServices } from '../step.ts';
import { checkFailed, readRelease, type ChannelRelease } from './check-drift.ts';

export interface TermsWatch extends TermsContext {
  /** Whether the check with this id ended without doing its work: it has not started the run that it claimed. */
  failed(check: string): Promise<boolean>;
}

export function checkModelTermsActivity(
  services: ActivityServices,
): (call: StepCall<CheckModelTermsInput>) => Promise<TermsReport> {
  return (call) =>
    judgingTerms(services, call.stepId, (context) => {
      const { client } = Context.current();
      return checkModelTerms(call, { ...context, failed: (check) => checkFailed(client, check) });
    });
}

/** Throws NotFound when nothing is deployed in the channel, BadConfig for a policy that cannot be read. */
export async function checkModelTerms(
  { runId: check, input }: StepCall<CheckModelTermsInput>,
  watch: TermsWatch,
): Promise<TermsReport> {
  const found = await readRelease(watch, input.model, input.channel);
  const facts = await evidenceFacts<RunFacts>(watch.store, found.release.evidence.digest);
  const runInput = await watch.store.getJson<RecordedInput>(found.release.runInput);
  const verdict = await judgeAgain(found, facts, runInput, watch);
  const reasons = verdict === null ? [] : whatChanged(facts, verdict);
  const state = digestJson({ release: found.ref.digest, reasons, changes: verdict?.changes ?? [] });
  const name = `terms-${input.model}-${input.channel}.json`;
  const report = await watch.store.putJson({ version: 1, ...input, release: found.ref.digest, verdict, reasons }, name);
  const checkedAt = verdict?.checkedAt ?? new Date().toISOString();
  const summary = {
    ...input,
    checkedAt,
    verdict: verdict === null ? 'not-known' : reasons.length === 0 ? 'same' : 'changed',
    source: verdict === null ? 'what was decided on is not on record' : `${verdict.source.state}: ${verdict.source.at}`,
    report,
  } as const;
  if (verdict === null || reasons.length === 0) {
    return { ...(await record(watch, { version: 1, ...summary, reopened: null })), startRun: null };
  }
  const reopened = {
    state,
    release: found.ref.digest,
    runId: `${facts.run.pipeline}-terms-${shortDigest(state)}`,
    by: check,
    since: checkedAt,
    reasons,
    outcome: null,
  };
  const again = await inputAgain(watch, found, facts, runInput, { verdict, reopened });
  return reopen(watch, { version: 1, ...summary, reopened }, again);
}

interface RecordedInput {
  readonly candidates: readonly CandidateSource[];
  readonly policy?: ArtifactRef;
}

/** Null where the release was made before the decisions kept what they were made from. */
async function judgeAgain(
  { bundle }: ChannelRelease,
  facts: RunFacts,
  { candidates, policy }: RecordedInput,
  watch: TermsWatch,
): Promise<TermsVerdict | null> {
  const winner = winnerOf(facts);
  const candidate = candidates.find(({ id }) => id === winner?.id);
  if (!candidate || !winner?.resolved?.licence.terms || !winner.imported) return null;
  const { pipeline, duties = [], terms: accepted } = facts;
  const { resolved, imported } = winner;
  const [files, base] = await Promise.all([watch.store.tree(bundle), watch.store.tree(imported.model)]);
  return judgeTerms(
    {
      model: candidate.model,
      resolved,
      use: useAsBundled({ pipeline, duties }, new Set(files.entries.map(({ path }) => path))),
      sizeBytes: servedBytes(files, pipeline.deploy.model),
      pipeline: pipeline.name,
      own: pipeline.review?.policy !== undefined,
      snapshot: accepted?.policy ?? policy,
      shown: accepted?.source,
      kept: new Map(base.entries.map(({ path, digest }) => [path, digest])),
    },
    watch,
  );
}

/** What people did not see when they approved the release; empty while the decision stands. A looser verdict is no change. */
function whatChanged(facts: RunFacts, now: TermsVerdict): readonly string[] {
  const accepted = facts.terms ?? winnerOf(facts)?.resolved?.licence;
  if (accepted === undefined) return [];
  const ended =
    accepted.conclusion !== undefined && now.conclusion === undefined
      ? [`the conclusion that ${accepted.conclusion.by} drew until ${accepted.conclusion.expires} no longer holds`]
      : [];
  const known = new Set(accepted.reasons);
  const added = now.verdict === 'allow' ? [] : now.reasons.filter((reason) => !known.has(reason));
  const worse =
    SEVERITY[now.verdict] > SEVERITY[accepted.verdict]
      ? [`it was ${accepted.verdict} and is ${now.verdict} by now`]
      : [];
  return [...worse, ...ended, ...added];
}

/** The run's own input once more, under the policy of now, with what has changed as evidence. */
async function inputAgain(
  { store }: TermsWatch,
  { release }: ChannelRelease,
  { changes = [] }: RunFacts,
  runInput: RecordedInput,
  { verdict, reopened }: { readonly verdict: TermsVerdict; readonly reopened: ReopenedReview },
): Promise<ArtifactRef> {
  const { policy, ...rest } = runInput;
  const now = verdict.policy ?? policy;
  return store.putJson(
    {
      ...rest,
      reuse: true,
      ...(now === undefined ? {} : { policy: now }),
      ...(changes.length === 0 ? {} : { changes: changes.map((change) => ({ run: release.runId, ...change })) }),
      reopened: { runId: reopened.runId, reasons: reopened.reasons, terms: verdict },
    },
    release.runInput.name,
  );
}

async function record({ pointers }: TermsWatch, wanted: TermsPointer): Promise<TermsPointer> {
  const key = termsKey(wanted.model, wanted.channel);
  for (;;) {
    const latest = await pointers.read<TermsPointer>(key);
    if (await pointers.replace(key, wanted, latest?.version)) return wanted;
  }
}

/** One state starts one run: the check that first claims it, or one after it has failed without starting the run. */
async function reopen(watch: TermsWatch, wanted: TermsPointer, startRun: ArtifactRef): Promise<TermsReport> {
  const key = termsKey(wanted.model, wanted.channel);
  for (;;) {
    const latest = await watch.pointers.read<TermsPointer>(key);
    const { reopened } = wanted;
    const before = latest?.value.reopened ?? null;
    const claimed = before?.state === reopened?.state ? before : null;
    const mine = claimed === null || claimed.by === reopened?.by || (await watch.failed(claimed.by));
    const kept =
      claimed === null || reopened === null ? reopened : { ...claimed, ...(mine ? { by: reopened.by } : {}) };
    const pointer: TermsPointer = { ...wanted, reopened: kept };
    if (!(await watch.pointers.replace(key, pointer, latest?.version))) continue;
    return { ...pointer, startRun: mine ? startRun : null };
  }
}

export function settleTermsActivity(
  services: Pick<ActivityServices, 'pointers'>,
): (call: StepCall<SettleTermsInput>) => Promise<void> {
  return async (call) => {
    try {
      await settleTerms(call, services);
    } catch (error) {
      throw toFailure(error, call.stepId);
    }
  };
}

/** Writes down how the run that a reopened review started has ended; another run's question is left alone. */
export async function settleTerms(
  { runId, input }: StepCall<SettleTermsInput>,
  { pointers }: Pick<ActivityServices, 'pointers'>,
): Promise<void> {
  const { model, channel, state, reason, at } = input;
  const key = termsKey(model, channel);
  for (;;) {
    const latest = await pointers.read<TermsPointer>(key);
    const reopened = latest?.value.reopened;
    if (latest === undefined || reopened == null || reopened.runId !== runId) return;
    const outcome = { state, reason, at };
    if (await pointers.replace(key, { ...latest.value, reopened: { ...reopened, outcome } }, latest.version)) return;
  }
}
