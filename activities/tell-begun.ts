/** A step that is worked on elsewhere than in its run's workflow tells its run when a worker has begun: nobody else says so. */
import type { Context } from '@temporalio/activity';
import { defaultPayloadConverter } from '@temporalio/common';
import type { StepCall } from './contract.ts';

/** How long one call may take. */
const CALL_MS = 5_000;

/** After calls that failed: a second, then twice as long each time, and a minute at most. */
const pauseMs = (failed: number): number => 1000 * Math.min(60, 2 ** Math.min(failed - 1, 6));

/**
 * Signals the run by the name that the call has, if it has one, and with how long the step's attempts have run by then. Temporal says of
 * an activity only how it ended, and of one that was terminated, or cancelled before or between its attempts, not even whether a
 * worker ever had it. The work does not wait for it, and a call that fails is made again at a later beat.
 *
 * It is told once: `told` goes on to the attempts after this one, and those that do not get it, because their worker was lost before it
 * could say so, make the same request again, of which Temporal keeps the first. Each signal costs the run a part of its history, and a
 * training's attempts are unbounded.
 */
export class BegunTeller {
  readonly #context: Context;
  readonly #call: StepCall<unknown>;
  readonly #note: () => void;
  #told: boolean;
  #calling: Promise<void> | undefined;
  #failed = 0;
  #notBeforeMs = 0;

  /** `told`: by an attempt before this one. `note` is called when the run has been told. */
  constructor(context: Context, call: StepCall<unknown>, told: boolean, note: () => void) {
    this.#context = context;
    this.#call = call;
    this.#told = told;
    this.#note = note;
  }

  get told(): boolean {
    return this.#told;
  }

  /** At every beat since the work began: makes a call where one is due, and returns at once. */
  beat(ranSeconds: number): void {
    const { begun } = this.#call;
    if (begun === undefined || this.#told || this.#calling !== undefined) return;
    if (this.#context.cancellationSignal.aborted || Date.now() < this.#notBeforeMs) return;
    this.#calling = this.#tell(begun, ranSeconds).finally(() => (this.#calling = undefined));
  }

  /** Before an attempt fails, which may have been too short for its first call: until the one that is out has come back, some seconds at most. */
  async settled(): Promise<void> {
    if (!this.#context.cancellationSignal.aborted) await this.#calling;
  }

  async #tell(signalName: string, ranSeconds: number): Promise<void> {
    try {
      await this.#signal(signalName, ranSeconds);
      this.#told = true;
      this.#note();
    } catch {
      this.#failed += 1;
      this.#notBeforeMs = Date.now() + pauseMs(this.#failed);
    }
  }

  async #signal(signalName: string, ranSeconds: number): Promise<void> {
    const { client, info } = this.#context;
    await client.withDeadline(Date.now() + CALL_MS, () =>
      client.workflowService.signalWorkflowExecution({
        namespace: client.options.namespace,
        identity: client.options.identity,
        workflowExecution: { workflowId: this.#call.runId },
        signalName,
        input: { payloads: [defaultPayloadConverter.toPayload(ranSeconds)] },
        // The same for all attempts, and another one where the step is begun anew.
        requestId: `${info.workflowExecution?.runId ?? ''} ${signalName}`,
      }),
    );
  }
}
