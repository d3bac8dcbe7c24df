/** What making a model again has in common, whatever the task: every step anew, and a comparison of what it made. */
import type { Activities, StepCall } from '../../activities/contract.ts';
import type { DataFile, DatasetSummary } from '../../activities/contract/data.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { Pipeline } from '../../pipelines/definition.ts';
import type { StepProxies } from '../proxies.ts';
import { partOf, trialInput } from '../step-inputs.ts';

/** One thing that was made again. */
export interface Comparison {
  readonly what: string;
  readonly recorded: Digest;
  readonly rebuilt: Digest;
}

export interface Reproduction {
  /** In the order in which they were made; the last is the first that differs, or the bundle. */
  readonly compared: readonly Comparison[];
  /** What it was trained in this time. */
  readonly environment?: Required<RunFacts>['training']['environment'];
  readonly bundle?: ArtifactRef;
}

/** What the record of a release says of any model; nothing is asked of where it once came from. */
export interface Recorded<Task extends Pipeline['task']> {
  readonly task: Task;
  readonly facts: { readonly pipeline: Extract<Pipeline, { readonly task: Task }> } & Pick<RunFacts, 'definition'> &
    Required<Pick<RunFacts, 'data' | 'gates' | 'bundle'>> &
    Partial<Pick<RunFacts, 'privacy' | 'selection' | 'dossier'>>;
  readonly dataFiles: readonly DataFile[];
  readonly heartbeatSeconds: number;
}

/** A difference ends the rebuild: whatever is made of other bytes differs, too. */
export class Differs extends Error {}

export class Again {
  readonly made: { -readonly [K in keyof Reproduction]: Reproduction[K] } = { compared: [] };
  readonly #proxies: StepProxies;
  readonly #runId: string;

  constructor(proxies: StepProxies, runId: string) {
    this.#proxies = proxies;
    this.#runId = runId;
  }

  activities(promise: keyof StepProxies, id: string): Activities {
    return this.#proxies[promise](id, `${id}, again`);
  }

  call<Input>(stepId: string, input: Input): StepCall<Input> {
    return { runId: this.#runId, stepId, input, reuse: false };
  }

  /** @throws Differs where the bytes are others */
  same(what: string, recorded: ArtifactRef, rebuilt: ArtifactRef): void {
    const comparison = { what, recorded: recorded.digest, rebuilt: rebuilt.digest };
    this.made.compared = [...this.made.compared, comparison];
    if (recorded.digest !== rebuilt.digest) throw new Differs(what);
  }

  /** Of a run that was a prototype: the same small part of the data. */
  async smallPart(whole: DatasetSummary, { prototype }: Pick<Pipeline, 'prototype'>): Promise<DatasetSummary> {
    if (prototype === undefined) return whole;
    const call = this.call('subset', trialInput(whole, prototype));
    return partOf(whole, (await this.activities('light', 'subset').subsetData(call)).output);
  }
}
