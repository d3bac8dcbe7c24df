/**
 * Moves a channel's pointer to an approved bundle, and back if the model server refuses it. Not cached by step key: it
 * changes the world. Idempotent by the release record instead: a run that finds its own release under the pointer has
 * deployed already.
 */
import { Context } from '@temporalio/activity';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { chainProblems, evidenceFacts } from '../../artifacts/release-chain.ts';
import { signRelease } from '../../artifacts/signed-release.ts';
import { winnerOf } from '../../pipelines/winner.ts';
import type { DeployModelInput, Deployment } from '../contract/deployment.ts';
import type { Progress, StepCall } from '../contract.ts';
import type { RunFacts } from '../contract/evidence.ts';
import { heart } from '../heartbeat.ts';
import { toFailure } from '../attempt-failures.ts';
import type { ActivityServices } from '../step.ts';
import { checkServing } from './check-serving.ts';
import { movePointer, takeBack, type Move } from './move-pointer.ts';
import { slsaProvenance } from './slsa-provenance.ts';

export interface DeployContext {
  readonly signal: AbortSignal;
  progress(progress: Progress): void;
  /** How long the model server may take to load the bundle. */
  readonly servingTimeoutMs?: number;
}

export function deployModelActivity(
  services: ActivityServices,
): (call: StepCall<DeployModelInput>) => Promise<Deployment> {
  return async (call) => {
    const context = Context.current();
    const beat = heart(context);
    try {
      return await deployModel(call, services, { signal: context.cancellationSignal, progress: beat.progress });
    } catch (error) {
      throw toFailure(error, call.stepId);
    } finally {
      beat.stop();
    }
  };
}

/**
 * Signs the bundle and moves the channel to it. Throws ApprovalRefused unless people with the right roles approved the
 * review and exactly this bundle's evidence, Conflict where a later release stands, BadModel where the server answers
 * otherwise than the evaluation did, and BadConfig where it does not understand what it is asked.
 */
export async function deployModel(
  { runId, input }: StepCall<DeployModelInput>,
  services: ActivityServices,
  context: DeployContext,
): Promise<Deployment> {
  context.progress({ phase: 'checking approvals' });
  await checkApproved(input, services);
  context.progress({ phase: 'signing' });
  const signed = await sign(runId, input, services);
  context.progress({ phase: 'moving the pointer' });
  const move = await movePointer(runId, input, signed, services, context.signal);
  const url = services.servingUrl;
  return {
    model: input.model,
    channel: input.channel,
    bundle: input.bundle,
    release: move.pointer.release,
    revision: move.pointer.revision,
    previousBundle: move.release.previousBundle,
    deployedAt: move.pointer.updatedAt,
    serving: url === undefined ? null : await serve(url, move, services, context),
  };
}

async function checkApproved(input: DeployModelInput, { store, trusted }: ActivityServices): Promise<void> {
  if (trusted === undefined) throw keyless('to hold votes to', 'ESPALIER_TRUSTED_KEYS');
  const { model, channel, bundle, evidence, approvals } = input;
  const target = { model, channel, bundle: bundle.digest, evidence: evidence.digest };
  const problems = await chainProblems(store, target, approvals, trusted);
  if (problems.length === 0) return;
  throw new EspalierError('ApprovalRefused', `${model}/${channel} stays as it is: ${problems.join('; ')}`, {
    where: bundle.digest,
    fix: "approve the review and the release of this very bundle, with roles the pipeline's approvals name",
  });
}

/** Only what was approved is signed: whoever finds the signature need not ask whether it was. */
async function sign(runId: string, input: DeployModelInput, { store, signer }: ActivityServices): Promise<ArtifactRef> {
  if (signer === undefined) throw keyless('to sign with', 'ESPALIER_SIGNING_KEY');
  const facts = await evidenceFacts<RunFacts>(store, input.evidence.digest);
  const base = winnerOf(facts)?.imported;
  if (base === undefined || facts.data === undefined) {
    throw new EspalierError('Corrupt', 'the evidence does not name its data and base model', {
      where: input.evidence.digest,
    });
  }
  const trees = { base: await store.tree(base.model), dataset: await store.tree(facts.data.dataset) };
  const { model, bundle } = input;
  const provenance = slsaProvenance(facts, model, bundle.digest, trees);
  return signRelease(store, { ...input, runId, bundle: bundle.digest }, provenance, signer);
}

function keyless(what: string, where: string): EspalierError {
  return new EspalierError('BadConfig', `this worker deploys and has no key ${what}`, {
    where,
    fix: 'give the workers of the deploy queue a signing key and the keys that they trust (docs/provenance.md)',
  });
}

/** What the server refuses for good gives way to what stood before; what may pass is retried where it stands. */
async function serve(
  url: string,
  move: Move,
  services: ActivityServices,
  context: DeployContext,
): Promise<Deployment['serving']> {
  try {
    return await checkServing(url, move.pointer, services, context);
  } catch (error) {
    if (!(error instanceof EspalierError) || error.retryable) throw error;
    context.progress({ phase: 'taking the pointer back' });
    const state = await takeBack(move, `${move.pointer.bundle.digest} was refused: ${error.message}`, services);
    throw new EspalierError(error.kind, `${error.message}; ${state}`, {
      ...(error.where === undefined ? {} : { where: error.where }),
      ...(error.fix === undefined ? {} : { fix: error.fix }),
      cause: error,
    });
  }
}
