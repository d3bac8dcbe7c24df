/** Making a released model again from its record alone, and saying whether the bytes are the same. */
import type { Client } from '@temporalio/client';
import type { DataFile } from '../activities/contract/data.ts';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { StepRecord } from '../activities/step.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { OpenStore } from '../artifacts/open.ts';
import type { Digest, TreeManifest } from '../artifacts/reference.ts';
import { stepRecordKey } from '../artifacts/step-records.ts';
import { blobKey } from '../artifacts/store.ts';
import { winnerOf } from '../pipelines/winner.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';
import type { Comparison, Reproduction, ReproductionInput } from '../workflows/reproduce-model.ts';
import { differences, type Difference } from '../artifacts/differences.ts';
import type { FoundRelease } from './releases.ts';
import { asRunError } from './runs.ts';

export interface ReproductionVerdict extends Reproduction {
  readonly equal: boolean;
  /** The first that was made otherwise; null when all is equal. */
  readonly firstDifference: Comparison | null;
  /** Where the rebuild ran otherwise than the record: other versions, another device. */
  readonly environmentDifferences: readonly Difference[];
  /** Of a bundle that differs: the files that do. */
  readonly files: readonly string[];
}

const HEARTBEAT_SECONDS = 30;

/** Throws NotFound, naming what the record no longer holds: collected as garbage, or never written. */
export async function reproductionInput(
  { pointers, objects }: Pick<OpenStore, 'pointers' | 'objects'>,
  { facts }: FoundRelease,
): Promise<ReproductionInput> {
  const { pipeline } = facts;
  if (pipeline.task !== 'text-classification') {
    throw new EspalierError(
      'BadConfig',
      `a model of the task ${pipeline.task} cannot be made again by this command yet`,
      {
        where: facts.run.id,
        fix: 'start a run of the same definition with --no-reuse and compare the digests',
      },
    );
  }
  const outcome = winnerOf(facts);
  const candidate = pipeline.candidates.find(({ id }) => id === outcome?.id);
  const { data, training, exported, evaluation, gates, bundle } = facts;
  if (!candidate || !outcome?.resolved || !outcome.imported || !outcome.exported || !outcome.probe) {
    throw incomplete('the winning candidate');
  }
  if (!data || !training || !exported || !('classifier' in exported) || !evaluation || !gates || !bundle)
    throw incomplete('every step of the run');
  const { resolved, imported, exported: encoder, probe } = outcome;
  const recordKey = facts.steps.find(({ id }) => id === 'data')?.key;
  const record = recordKey && (await pointers.read<StepRecord<unknown>>(stepRecordKey(recordKey)))?.value;
  if (!record) throw incomplete('the record of the step that prepared the data');
  const { files } = record.input as { readonly files: readonly RecordedFile[] };
  return {
    facts: {
      pipeline,
      definition: facts.definition,
      data,
      training,
      exported,
      evaluation,
      gates,
      bundle,
      ...(facts.privacy === undefined ? {} : { privacy: facts.privacy }),
      ...(facts.selection === undefined ? {} : { selection: facts.selection }),
      ...(facts.dossier === undefined ? {} : { dossier: facts.dossier }),
    },
    winner: { candidate, resolved, imported, exported: encoder, probe },
    dataFiles: await Promise.all(files.map((file) => restored(objects, file))),
    heartbeatSeconds: HEARTBEAT_SECONDS,
  };
}

/** A step's record keeps of a reference what its key was made of. */
type RecordedFile = Omit<DataFile, 'ref'> & { readonly ref: Digest };

async function restored(objects: OpenStore['objects'], { ref: digest, ...file }: RecordedFile): Promise<DataFile> {
  const size = (await objects.head(blobKey(digest)))?.size;
  if (size === undefined) throw incomplete(`the data file ${file.path} (${digest})`);
  return { ...file, ref: { digest, size, mediaType: 'application/octet-stream', name: file.path } };
}

function incomplete(what: string): EspalierError {
  return new EspalierError('NotFound', `the model cannot be made again: the record does not hold ${what}`, {
    fix: 'only releases whose steps are still in the store can be reproduced',
  });
}

/** @throws EspalierError Conflict when there is a workflow with this id */
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
    throw asRunError(error, workflowId);
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
    throw asRunError(error, workflowId);
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
