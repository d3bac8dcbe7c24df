/**
 * Moves a channel's pointer to an approved bundle. Not cached by step key: it changes the world. Idempotent by the
 * release record instead: a run that finds its own release under the pointer has deployed already.
 */
import { Context } from '@temporalio/activity';
import { channelKey, type ChannelPointer, type ReleaseRecord } from '../../artifacts/bundle.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Pointer } from '../../artifacts/pointers.ts';
import { approvalProblems, contentProblems, parseEvidence, parsePointer } from '../../artifacts/release.ts';
import type { DeployModelInput, Deployment, Progress, StepCall } from '../contract.ts';
import { toFailure, type ActivityServices } from '../step.ts';
import { checkServing } from './check-serving.ts';

/** Others move a channel rarely; losing this often means that something moves it in a loop. */
const MAX_MOVES = 10;

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
    let last: Progress = { phase: 'starting' };
    const timer = setInterval(() => context.heartbeat(last), 5000);
    try {
      return await deployModel(call, services, {
        signal: context.cancellationSignal,
        progress(progress) {
          last = progress;
          context.heartbeat(progress);
        },
      });
    } catch (error) {
      throw toFailure(error, call.stepId);
    } finally {
      clearInterval(timer);
    }
  };
}

/** Throws ApprovalRefused unless a person with the right role approved exactly this bundle's evidence. */
export async function deployModel(
  { runId, input }: StepCall<DeployModelInput>,
  services: ActivityServices,
  context: DeployContext,
): Promise<Deployment> {
  context.progress({ phase: 'checking approvals' });
  await checkApproved(input, services);
  context.progress({ phase: 'moving the pointer' });
  const { pointer, previousBundle } = await movePointer(runId, input, services, context.signal);
  const deployment = {
    model: input.model,
    channel: input.channel,
    bundle: input.bundle,
    release: pointer.release,
    revision: pointer.revision,
    previousBundle,
    deployedAt: pointer.updatedAt,
  };
  if (services.servingUrl === undefined) return { ...deployment, serving: null };
  return { ...deployment, serving: await checkServing(services.servingUrl, input, services, context) };
}

async function checkApproved(input: DeployModelInput, { store }: ActivityServices): Promise<void> {
  const { model, channel, bundle, evidence, approvals } = input;
  const facts = (await store.tree(evidence)).entries.find(({ path }) => path === 'facts.json');
  const parsed =
    facts === undefined
      ? { problem: 'the evidence pack has no facts.json' }
      : parseEvidence(await store.getJson(facts.digest));
  const problems =
    parsed.value === undefined
      ? [parsed.problem]
      : [
          ...approvalProblems(
            { model, channel, bundle: bundle.digest, evidence: evidence.digest },
            approvals,
            parsed.value,
          ),
          ...contentProblems(model, await store.tree(bundle), await store.tree(parsed.value.exported.classifier)),
        ];
  if (problems.length === 0) return;
  throw new EspalierError('ApprovalRefused', `${model}/${channel} stays as it is: ${problems.join('; ')}`, {
    where: bundle.digest,
    fix: "approve the release of this very bundle, with a role the pipeline's approvals name",
  });
}

async function movePointer(
  runId: string,
  input: DeployModelInput,
  { store, pointers }: ActivityServices,
  signal: AbortSignal,
): Promise<{ readonly pointer: ChannelPointer; readonly previousBundle: ReleaseRecord['previousBundle'] }> {
  const { model, channel, bundle, evidence, approvals, monitor, recordText, runInput } = input;
  const key = channelKey(model, channel);
  for (let attempt = 0; attempt < MAX_MOVES; attempt++) {
    signal.throwIfAborted();
    const current = await pointers.read<unknown>(key);
    const before = current === undefined ? undefined : parsed(current, key);
    if (before?.bundle.digest === bundle.digest) {
      const { previousBundle, ...release } = await store.getJson<ReleaseRecord>(before.release);
      if (release.runId === runId && release.evidence.digest === evidence.digest)
        return { pointer: before, previousBundle };
    }
    const previousBundle = before?.bundle.digest ?? null;
    const release: ReleaseRecord = {
      version: 1,
      model,
      channel,
      runId,
      bundle: bundle.digest,
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
      release: await store.putJson(release, `release-${model}-${channel}`),
      revision: (before?.revision ?? 0) + 1,
      updatedAt: new Date().toISOString(),
    };
    if (await pointers.replace(key, pointer, current?.version)) return { pointer, previousBundle };
  }
  throw new EspalierError('Conflict', `${key} was moved by somebody else ${MAX_MOVES} times in a row`, {
    where: key,
    fix: 'see which runs deploy to this channel (espalier models show), then retry the step',
  });
}

function parsed(current: Pointer<unknown>, key: string): ChannelPointer {
  const { value, problem } = parsePointer(current.value);
  if (value !== undefined) return value;
  throw new EspalierError('Corrupt', problem, { where: key, fix: 'restore the pointer from an earlier version' });
}
