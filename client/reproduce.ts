/** Making a released model again from its record alone, and saying whether the bytes are the same. */
import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import type { RunFacts } from '../activities/contract/evidence.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { OpenStore } from '../artifacts/open.ts';
import type { TreeManifest } from '../artifacts/reference.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';
import type { ReproductionInput } from '../workflows/reproduce-model.ts';
import type { Comparison, Reproduction } from '../workflows/reproduction/again.ts';
import { differences, type Difference } from '../artifacts/differences.ts';
import { asRunError } from './run-errors.ts';

export interface ReproductionVerdict extends Reproduction {
  readonly equal: boolean;
  /** The first that was made otherwise; null when all is equal. */
  readonly firstDifference: Comparison | null;
  /** Where the rebuild ran otherwise than the record: other versions, another device. */
  readonly environmentDifferences: readonly Difference[];
  /** Of a bundle that differs: the files that do. */
  readonly files: readonly string[];
}

/** @throws EspalierError Conflict when a workflow with this id runs */
export async function startReproduction(client: Client, input: ReproductionInput, workflowId: string): Promise<void> {
  try {
    await client.workflow.start('reproduceModel', {
      workflowId,
      taskQueue: TASK_QUEUES.orchestration,
      args: [input],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `${input.facts.pipeline.deploy.model}, made again`,
    });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      throw new EspalierError('Conflict', `a workflow with the id ${workflowId} is under way`, {
        where: workflowId,
        fix: `wait for its end, or stop it with \`temporal workflow cancel --workflow-id ${workflowId}\`, then reproduce the release again`,
        cause: error,
      });
    }
    throw asRunError(client, error, workflowId);
  }
}

/** Waits for the end; hears of each comparison as it is made. */
export async function reproductionOutcome(
  client: Client,
  workflowId: string,
  onCompared: (comparison: Comparison) => void,
): Promise<Reproduction> {
  const handle = client.workflow.getHandle(workflowId);
  let heard = 0;
  const tell = (compared: readonly Comparison[]) => {
    for (const comparison of compared.slice(heard)) onCompared(comparison);
    heard = Math.max(heard, compared.length);
  };
  // What cannot be told meanwhile is told at the end.
  const timer = setInterval(() => void handle.query<readonly Comparison[]>('compared').then(tell, () => {}), 1000);
  try {
    const outcome = (await handle.result()) as Reproduction;
    tell(outcome.compared);
    return outcome;
  } catch (error) {
    throw asRunError(client, error, workflowId);
  } finally {
    clearInterval(timer);
  }
}

export async function reproductionVerdict(
  { store }: Pick<OpenStore, 'store'>,
  facts: Pick<RunFacts, 'training' | 'bundle'>,
  outcome: Reproduction,
): Promise<ReproductionVerdict> {
  const firstDifference = outcome.compared.find(({ recorded, rebuilt }) => recorded !== rebuilt) ?? null;
  const recorded = facts.training?.environment;
  return {
    ...outcome,
    equal: firstDifference === null && outcome.bundle !== undefined && outcome.bundle.digest === facts.bundle?.digest,
    firstDifference,
    environmentDifferences: outcome.environment === undefined ? [] : differences(recorded, outcome.environment),
    files:
      outcome.bundle === undefined || facts.bundle === undefined
        ? []
        : changedFiles(await store.tree(facts.bundle), await store.tree(outcome.bundle)),
  };
}

/** Paths that only one of them has, or that hold other bytes. */
export function changedFiles(recorded: TreeManifest, rebuilt: TreeManifest): readonly string[] {
  const digests = ({ entries }: TreeManifest) => new Map(entries.map(({ path, digest }) => [path, digest]));
  const [before, after] = [digests(recorded), digests(rebuilt)];
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path) !== after.get(path)).toSorted();
}
