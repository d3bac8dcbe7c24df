/**
 * A step: a function that runs at most once for the same inputs. `stepActivity` turns it into a Temporal activity that
 * looks its key up first, heartbeats, keeps its result's record in the store, and speaks typed errors.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import { digestJson } from '../artifacts/digest.ts';
import { limiter } from '../artifacts/concurrency.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import { isArtifactRef, type Digest } from '../artifacts/reference.ts';
import type { Signer, TrustedKeys } from '../artifacts/signing-keys.ts';
import { stepRecordKey } from '../artifacts/step-records.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { errorDelay, isCancelled, toFailure, workerLost } from './attempt-failures.ts';
import type { Progress, StepCall, StepResult } from './contract.ts';
import type { Devices } from './devices.ts';
import { heart, toldBefore, type Told } from './heartbeat.ts';
import type { CustomGatesModule } from './validation/custom-gates/module.ts';
import type { Prices } from './report/prices.ts';
import type { Notifying } from './notification/deliver.ts';
import { BegunTeller } from './tell-begun.ts';
import type { Launcher } from './training/launchers/launcher.ts';

/** What every activity may use. Made once a worker. */
export interface ActivityServices {
  readonly store: ArtifactStore;
  readonly pointers: Pointers;
  /** The Python of the trainer's environment, and the folder that holds its packages. */
  readonly python: { readonly executable: string; readonly packages: string };
  /** Signs releases, on a worker that deploys. */
  readonly signer?: Signer;
  /** The keys that votes and releases are held to, on the same worker. */
  readonly trusted?: TrustedKeys;
  /** Gates of the organisation's own, on a worker that was given some. */
  readonly customGates?: CustomGatesModule;
  /** What machines cost, where the organisation says so. */
  readonly prices?: Prices;
  /** Base URL of a model server that follows the registry, if there is one. */
  readonly servingUrl?: string;
  /** Whom to tell of events, on a worker that tells. */
  readonly notifying?: Notifying;
  /** The accelerators of a worker that trains. */
  readonly devices?: Devices;
  /** Starts training processes; as children of this one when missing. */
  readonly launcher?: Launcher;
  /** Where steps make their folders; the system's temporary folder otherwise. */
  readonly workRoot?: string;
}

export interface StepContext extends ActivityServices {
  readonly runId: string;
  readonly stepId: string;
  /** Temporal's attempt number, from 1: also the fence of a checkpoint's lease. */
  readonly attempt: number;
  readonly key: Digest;
  /** How long earlier attempts ran, by their last heartbeats: 0 where there were none. */
  readonly earlierSeconds: number;
  /** What `environment` said when the key was made: a step that pins something moving pins this, not what it finds later. */
  readonly environment: unknown;
  /** Aborted on cancellation, time-out and worker shutdown (`signal.reason.message` names which). */
  readonly signal: AbortSignal;
  /** An empty folder of this attempt, removed when the step ends. */
  readonly workDir: string;
  /** false: what other runs computed, finished or not, must not be used. */
  readonly reuse: boolean;
  progress(progress: Progress): void;
}

export interface StepDefinition<Input, Output> {
  /** Stable name, e.g. `data.prepare`: part of the key. */
  readonly type: string;
  /** Raised whenever the code would give another result for the same input. */
  readonly version: number;
  /** What of the input decides the result, where that is not all of it: only this is in the key. */
  identity?(input: Input): unknown;
  /** What else decides the result: the hardware of a latency measurement, the commit that a branch stands at. */
  environment?(input: Input, services: ActivityServices): Promise<unknown>;
  /** The part of `environment` that is the same wherever this package stands: digests of its own tables that the step reads. */
  tables?(home?: string): Readonly<Record<string, unknown>>;
  /**
   * How many tries it has, of lost workers too, where its retry policy leaves room for machines that refuse it
   * (`WrongHardware`): a refusal is no try. The policy's own limit when missing.
   */
  readonly tries?: number;
  /**
   * Whether other runs may take this result for the same inputs; all when missing. One that the clock cut short is this run's own.
   * Asked of a recorded one, too: what of the input is not in the key may want a better one.
   */
  keeps?(output: Output, input: Input): boolean;
  run(input: Input, context: StepContext): Promise<Output>;
}

/** What of a step's code decides what it computes. */
export type StepNow = Pick<StepDefinition<never, unknown>, 'version' | 'tables'>;

/** A finished step, at `stepRecordKey`. Written once. */
export interface StepRecord<Output> extends Omit<StepResult<Output>, 'reused'> {
  readonly version: 1;
  readonly type: string;
  readonly codeVersion: number;
  readonly stepId: string;
  /** The key's parts, so that a difference can be explained. */
  readonly input: unknown;
  readonly environment: unknown;
}

/** A result larger than this would bloat the history: it belongs into an artifact. */
export const MAX_RESULT_BYTES = 256 * 1024;

/** References stand by their digest alone: names are for people. */
export function keyParts(value: unknown): unknown {
  if (isArtifactRef(value)) return value.digest;
  if (Array.isArray(value)) return value.map(keyParts);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, keyParts(part)]));
  }
  return value;
}

/** The step key: digest of (type, code version, resolved config and input digests, environment). */
export function stepKey(type: string, version: number, input: unknown, environment: unknown): Digest {
  return digestJson({ type, version, input: keyParts(input), environment: environment ?? null });
}

/** A few look-ups at a time: the first steps of a wide fan-out are done and reported while the last are looked up. */
const lookUp = limiter(8);

/** The part of a step's input that its key is made of. */
export function stepIdentity<Input>(step: Pick<StepDefinition<Input, unknown>, 'identity'>, input: Input): unknown {
  return step.identity === undefined ? input : step.identity(input);
}

/** An activity that gives a step's result where it is known already, else null: nothing is computed. */
export function findActivity<Input, Output>(
  step: StepDefinition<Input, Output>,
  services: ActivityServices,
): (call: StepCall<Input>) => Promise<StepResult<Output> | null> {
  return async (call) => {
    try {
      const { key } = await identify(step, call.input, services);
      return (await recorded(step, call, key, services)) ?? null;
    } catch (error) {
      throw toFailure(error, call.stepId, Context.current().info.attempt);
    }
  };
}

export function stepActivity<Input, Output>(
  step: StepDefinition<Input, Output>,
  services: ActivityServices,
): (call: StepCall<Input>) => Promise<StepResult<Output>> {
  return async (call) => {
    const context = Context.current();
    const {
      ranSeconds: earlierSeconds,
      refusals,
      refusedSinceMs,
      begunTold,
    } = toldBefore(context.info.heartbeatDetails);
    let beganAtMs: number | undefined;
    const ranSeconds = (): number => earlierSeconds + (beganAtMs === undefined ? 0 : (Date.now() - beganAtMs) / 1000);
    const refused = refusals > 0 ? { refusals, refusedSinceMs } : {};
    const teller = new BegunTeller(context, call, begunTold, () => beat.again());
    const told = (): Told => ({ ranSeconds: ranSeconds(), ...refused, ...(teller.told ? { begunTold: true } : {}) });
    const tellBegun = (): void => {
      if (beganAtMs !== undefined) teller.beat(ranSeconds());
    };
    const beat = heart(context, told, tellBegun);
    const tries = context.info.attempt - refusals;
    try {
      if (step.tries !== undefined && tries > step.tries) throw workerLost(call.stepId, step.tries);
      const { environment, identity, key } = await identify(step, call.input, services);
      const recordKey = stepRecordKey(key);
      const found = await recorded(step, call, key, services);
      if (found !== undefined) return found;
      beganAtMs = Date.now();
      tellBegun();
      const startedAt = new Date(beganAtMs).toISOString();
      const folder = lazyFolder(services.workRoot);
      try {
        const output = await step.run(call.input, {
          ...services,
          runId: call.runId,
          stepId: call.stepId,
          attempt: context.info.attempt,
          earlierSeconds,
          key,
          environment,
          signal: context.cancellationSignal,
          get workDir() {
            return folder.path();
          },
          reuse: call.reuse,
          progress: beat.progress,
        });
        const record: StepRecord<Output> = {
          version: 1,
          type: step.type,
          codeVersion: step.version,
          stepId: call.stepId,
          key,
          input: keyParts(identity),
          environment,
          output,
          computedBy: call.runId,
          attempt: context.info.attempt,
          startedAt,
          finishedAt: new Date().toISOString(),
        };
        const earlier = {
          ...(earlierSeconds > 0 ? { earlierSeconds } : {}),
          ...(refusedSinceMs > 0 ? { refusedSince: new Date(refusedSinceMs).toISOString() } : {}),
        };
        const keeps = (one: Output): boolean => step.keeps?.(one, call.input) !== false;
        if (!keeps(output)) return { ...asResult(record, false), ...earlier };
        return { ...(await keep(services.pointers, recordKey, record, { reuse: call.reuse, keeps })), ...earlier };
      } finally {
        await folder.remove();
      }
    } catch (error) {
      if (context.cancellationSignal.aborted && isCancelled(error)) {
        throw new CancelledFailure(error.message, [{ ranSeconds: ranSeconds() }], error);
      }
      await teller.settled();
      const constant = context.info.retryPolicy?.backoffCoefficient === 1;
      const refuses = error instanceof EspalierError && error.kind === 'WrongHardware';
      const refusal = { refusals: refusals + 1, refusedSinceMs: refusedSinceMs || Date.now() };
      if (refuses) {
        const waits = { phase: 'waiting for a machine of its class', note: error.message };
        context.heartbeat({ ...waits, ...told(), ...refusal });
      }
      throw toFailure(error, call.stepId, tries, {
        ...(refuses ? refusal : {}),
        ...(step.tries === undefined ? {} : { most: step.tries }),
        ...(constant ? { nextRetryDelay: errorDelay(context.info.attempt) } : {}),
        ...(beganAtMs === undefined ? {} : { ranSeconds: ranSeconds() }),
      });
    } finally {
      beat.stop();
    }
  };
}

async function identify<Input, Output>(
  step: StepDefinition<Input, Output>,
  input: Input,
  services: ActivityServices,
): Promise<{ environment: unknown; identity: unknown; key: Digest }> {
  const environment = (await step.environment?.(input, services)) ?? null;
  const identity = stepIdentity(step, input);
  return { environment, identity, key: stepKey(step.type, step.version, identity, environment) };
}

async function recorded<Input, Output>(
  step: Pick<StepDefinition<Input, Output>, 'keeps'>,
  { runId, reuse, input }: StepCall<Input>,
  key: Digest,
  { pointers }: ActivityServices,
): Promise<StepResult<Output> | undefined> {
  if (!reuse) return undefined;
  const found = await lookUp(() => pointers.read<StepRecord<Output>>(stepRecordKey(key)));
  if (found === undefined || step.keeps?.(found.value.output, input) === false) return undefined;
  return asResult(found.value, found.value.computedBy !== runId);
}

/** The first result with this key is the result: a slower twin adopts it. */
async function keep<Output>(
  pointers: Pointers,
  recordKey: string,
  record: StepRecord<Output>,
  { reuse, keeps }: { readonly reuse: boolean; readonly keeps: (output: Output) => boolean },
): Promise<StepResult<Output>> {
  const size = Buffer.byteLength(JSON.stringify(record.output));
  if (size > MAX_RESULT_BYTES) {
    throw new EspalierError(
      'Internal',
      `the result of ${record.type} has ${size} bytes, more than ${MAX_RESULT_BYTES}`,
      {
        where: record.stepId,
        fix: 'put the large part into an artifact and return its reference',
        retryable: false, // the same result would be as large again
      },
    );
  }
  if (await pointers.create(recordKey, record)) return asResult(record, false);
  if (!reuse) return asResult(record, false);
  const first = await pointers.read<StepRecord<Output>>(recordKey);
  return first === undefined || !keeps(first.value.output)
    ? asResult(record, false)
    : asResult(first.value, first.value.computedBy !== record.computedBy);
}

function asResult<Output>(record: StepRecord<Output>, reused: boolean): StepResult<Output> {
  const { key, output, computedBy, attempt, startedAt, finishedAt } = record;
  return { key, reused, output, computedBy, attempt, startedAt, finishedAt };
}

/** A folder made when first asked for: most small steps never do. */
function lazyFolder(root = tmpdir()): { path(): string; remove(): Promise<void> } {
  let made: string | undefined;
  return {
    path: () => (made ??= mkdtempSync(join(root, 'espalier-step-'))),
    async remove() {
      if (made !== undefined) await rm(made, { recursive: true, force: true });
    },
  };
}
