/** What making a released model again needs, out of the record of its release alone. */
import type { DataFile } from '../activities/contract/data.ts';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { StepRecord } from '../activities/step.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { OpenStore } from '../artifacts/open.ts';
import type { Digest } from '../artifacts/reference.ts';
import { stepRecordKey } from '../artifacts/step-records.ts';
import { blobKey } from '../artifacts/store.ts';
import type { Classification, ImageRetrieval, TextGeneration } from '../pipelines/definition.ts';
import { winnerOf } from '../pipelines/winner.ts';
import type { ReproductionInput } from '../workflows/reproduce-model.ts';
import type { RecordedClassifier } from '../workflows/reproduction/classifier.ts';
import type { RecordedGenerator, RecordedTuning } from '../workflows/reproduction/generator.ts';
import type { RecordedRetriever } from '../workflows/reproduction/retriever.ts';
import type { FoundRelease } from './releases.ts';

const HEARTBEAT_SECONDS = 30;

/** Throws NotFound, naming what the record no longer holds: collected as garbage, or never written. */
export async function reproductionInput(
  opened: Pick<OpenStore, 'pointers' | 'objects'>,
  { facts }: FoundRelease,
): Promise<ReproductionInput> {
  const { pipeline } = facts;
  const recorded = recordOf(facts, pipeline);
  return { ...recorded, dataFiles: await dataFilesOf(opened, facts), heartbeatSeconds: HEARTBEAT_SECONDS };
}

function recordOf(facts: RunFacts, pipeline: RunFacts['pipeline']) {
  switch (pipeline.task) {
    case 'text-generation':
      return recordedGenerator(facts, pipeline);
    case 'image-retrieval':
      return recordedRetriever(facts, pipeline);
    case 'text-classification':
    case 'image-classification':
      return recordedClassifier(facts, pipeline);
  }
}

type WithoutFiles<Recorded> = Omit<Recorded, 'dataFiles' | 'heartbeatSeconds'>;

function recordedClassifier(facts: RunFacts, pipeline: Classification): WithoutFiles<RecordedClassifier> {
  const outcome = winnerOf(facts);
  const candidate = pipeline.candidates.find(({ id }) => id === outcome?.id);
  if (!candidate || !outcome?.resolved || !outcome.imported || !outcome.exported || !outcome.probe) {
    throw incomplete('the winning candidate');
  }
  const { training, exported, evaluation } = facts;
  if (!training || !exported || !('classifier' in exported) || !evaluation) throw incomplete('every step of the run');
  const { resolved, imported, exported: encoder, probe } = outcome;
  return {
    task: pipeline.task,
    facts: { ...common(facts), pipeline, training, exported, evaluation },
    winner: { candidate, resolved, imported, exported: encoder, probe },
  };
}

function recordedRetriever(facts: RunFacts, pipeline: ImageRetrieval): WithoutFiles<RecordedRetriever> {
  const { resolved, imported, exported: encoder } = winnerOf(facts) ?? {};
  if (!resolved || !imported || !encoder) throw incomplete('the winning candidate');
  const { exported, retrieval, training } = facts;
  if (!exported || !('embedder' in exported) || !retrieval) throw incomplete('every step of the run');
  if (pipeline.training !== null && !training) throw incomplete('the training of the model that is served');
  return {
    task: pipeline.task,
    facts: { ...common(facts), pipeline, exported, retrieval, ...(training === undefined ? {} : { training }) },
    winner: { resolved, imported, exported: encoder },
  };
}

function recordedGenerator(facts: RunFacts, pipeline: TextGeneration): WithoutFiles<RecordedGenerator> {
  const { resolved, imported, generator } = winnerOf(facts) ?? {};
  if (!resolved || !imported || !generator?.search) throw incomplete('the winning candidate');
  const { exported, generation } = facts;
  if (!exported || !('road' in exported) || !generation?.evaluation) throw incomplete('every step of the run');
  const { guidelines, evaluation, memorisation } = generation;
  return {
    task: 'text-generation',
    facts: {
      ...common(facts),
      pipeline,
      exported,
      generation: { guidelines, evaluation, ...(memorisation === undefined ? {} : { memorisation }) },
    },
    winner: { resolved, imported, exported: generator.exported, search: generator.search },
    tuned: exported.road === 'tuned' ? recordedTuning(facts) : null,
  };
}

function recordedTuning({ training, generation }: RunFacts): RecordedTuning {
  const { learnt, tuned } = generation ?? {};
  if (!training || !learnt || !tuned) throw incomplete('the training of the model that is served');
  return { learnt, training, ...tuned };
}

/** What the record of any task has. */
function common({ definition, data, gates, bundle, privacy, selection, dossier }: RunFacts) {
  if (!data || !gates || !bundle) throw incomplete('every step of the run');
  return {
    definition,
    data,
    gates,
    bundle,
    ...(privacy === undefined ? {} : { privacy }),
    ...(selection === undefined ? {} : { selection }),
    ...(dossier === undefined ? {} : { dossier }),
  };
}

async function dataFilesOf(
  { pointers, objects }: Pick<OpenStore, 'pointers' | 'objects'>,
  { steps }: RunFacts,
): Promise<readonly DataFile[]> {
  const key = steps.find(({ id }) => id === 'data')?.key;
  const record = key && (await pointers.read<StepRecord<unknown>>(stepRecordKey(key)))?.value;
  if (!record) throw incomplete('the record of the step that prepared the data');
  const { files } = record.input as { readonly files: readonly RecordedFile[] };
  return Promise.all(files.map((file) => restored(objects, file)));
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
