/** Starting a run: local files become artifacts first, so that the run depends on bytes and never on somebody's disk. */
import { randomBytes } from 'node:crypto';
import { basename, resolve } from 'node:path';
import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { canonicalJson } from '../artifacts/canonical-json.ts';
import { digestJson } from '../artifacts/digest.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { seatText } from '../artifacts/seats.ts';
import { electorateOf, unmeetableSeats } from '../artifacts/votes.ts';
import type { KnownApprover } from './approvals.ts';
import { authorsOf } from './authors.ts';
import { requireKind, snapshotDataFiles } from './data-files.ts';
import { asRunError } from './run-errors.ts';
import { onceAttributesAreKnown } from './search-attributes.ts';
import { shortDigest, type ArtifactRef, type Digest } from '../artifacts/reference.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { CandidateSource } from '../activities/contract/selection.ts';
import type { Candidate, Pipeline } from '../pipelines/definition.ts';
import { corruptionProblems } from '../pipelines/behaviour/corruption-rules.ts';
import { DATA_MEDIA_TYPES } from '../pipelines/data-media-types.ts';
import { dossierPath, parseDossierAnswers, readDossierFile, unanswered } from '../pipelines/dossier/answers.ts';
import { readGuidelines } from '../pipelines/guidelines/guidelines.ts';
import { readPolicyFile, policyPath } from '../pipelines/licence/policy-file.ts';
import { parsePolicy } from '../pipelines/licence/policy.ts';
import { parseModelSource } from '../pipelines/sources.ts';
import {
  PIPELINE_ATTRIBUTE,
  STATE_ATTRIBUTE,
  TASK_QUEUES,
  type Approver,
  type OnFailure,
  type RunInput,
} from '../workflows/messages.ts';

export interface RunOptions {
  readonly startedBy: string;
  readonly approvers: readonly (Approver & Partial<Pick<KnownApprover, 'emails'>>)[];
  /** The definition's file, to find its author. */
  readonly definitionPath?: string;
  /** false computes every step anew. @default true */
  readonly reuse?: boolean;
  /** @default 30 */
  readonly heartbeatSeconds?: number;
  /** What a failed step does: `park` waits for an operator, `fail` ends the run. @default 'park' */
  readonly onFailure?: OnFailure;
  /** Notifiers are configured where it is started. @default false */
  readonly notify?: boolean;
}

export interface PreparedRun {
  readonly input: RunInput;
  readonly inputRef: ArtifactRef;
  /** Of what decides the result (definition and data, not who starts it): the same again means the same steps. */
  readonly digest: Digest;
}

/**
 * Uploads what the definition names on this machine and builds the run's input.
 * @throws EspalierError NotFound for a missing file, before any work starts
 */
export async function prepareRun(
  pipeline: Pipeline,
  folder: string,
  store: ArtifactStore,
  options: RunOptions,
): Promise<PreparedRun> {
  const dataFiles = await snapshotDataFiles(pipeline, folder, store);
  const candidates = await Promise.all(pipeline.candidates.map((one) => snapshotCandidate(one, folder, store)));
  const policy = await snapshotPolicy(pipeline, folder, store);
  const dossier = await snapshotDossier(pipeline, folder, store);
  const guidelines = await snapshotGuidelines(pipeline, folder, store);
  const corruptions = await snapshotCorruptions(pipeline, folder, store);
  const { approvers } = options;
  const authors = await authorsOf(
    { 'definition-author': options.definitionPath, 'policy-editor': policyPath(pipeline.review?.policy, folder) },
    approvers,
  );
  return recordInput(store, {
    pipeline,
    dataFiles,
    candidates,
    ...(policy === undefined ? {} : { policy }),
    ...(dossier === undefined ? {} : { dossier }),
    ...(guidelines === undefined ? {} : { guidelines }),
    ...(corruptions === undefined ? {} : { corruptions }),
    startedBy: options.startedBy,
    trigger: 'user',
    approvers: approvers.map(({ name, roles, rolesFrom, breakGlass }) => ({
      name,
      roles,
      ...(rolesFrom === undefined ? {} : { rolesFrom }),
      ...(breakGlass === true ? { breakGlass } : {}),
    })),
    authors,
    reuse: options.reuse ?? true,
    heartbeatSeconds: options.heartbeatSeconds ?? 30,
    onFailure: options.onFailure ?? 'park',
    ...(options.notify === true ? { notify: true } : {}),
  });
}

/**
 * Keeps a run's definition and input as artifacts: what lineage and later runs point to.
 * @throws EspalierError BadDefinition when the approvers can never fill the seats of an approval
 */
export async function recordInput(store: ArtifactStore, input: Omit<RunInput, 'definition'>): Promise<PreparedRun> {
  const { pipeline, dataFiles, candidates, policy, dossier, guidelines, corruptions } = input;
  requireMeetable(input);
  const definition = await store.putJson(pipeline, `${pipeline.name}.pipeline.json`);
  const whole: RunInput = { ...input, definition };
  const inputRef = await store.putJson(JSON.parse(canonicalJson(whole)), `${pipeline.name}.run.json`);
  return {
    input: whole,
    inputRef,
    digest: digestJson({ pipeline, dataFiles, candidates, policy, dossier, guidelines, corruptions }),
  };
}

/** A run that nobody could ever approve would only waste the work before. */
function requireMeetable(input: Omit<RunInput, 'definition'>): void {
  const electorate = electorateOf(input);
  const problems = Object.entries(input.pipeline.approvals).flatMap(([name, rule]) => {
    const missing = unmeetableSeats(rule, electorate);
    const left = electorate.excluded.filter(({ because }) => !rule.liftedExclusions.includes(because));
    const without =
      left.length === 0 ? '' : ` (left out: ${left.map((one) => `${one.name}, ${one.because}`).join('; ')})`;
    return missing.length === 0 ? [] : [`approval '${name}' lacks somebody for ${seatText(missing)}${without}`];
  });
  if (problems.length === 0) return;
  throw new EspalierError('BadDefinition', `the approvers can never fill every seat: ${problems.join('; ')}`, {
    where: 'approvals',
    fix: 'name people with these roles in the approvers file (ESPALIER_APPROVERS), or ask for other seats',
  });
}

/** A new run's id says what and when; the random end keeps two at the same second apart. */
export function newRunId(pipeline: string, now = new Date()): string {
  const stamp = now.toISOString().slice(0, 19).replaceAll('-', '').replace('T', '-').replaceAll(':', '');
  return `${pipeline}-${stamp}-${randomBytes(2).toString('hex')}`;
}

/** The id under which the same inputs are the same run (`npm start`). */
export function stableRunId(prepared: PreparedRun): string {
  return `${prepared.input.pipeline.name}-${shortDigest(prepared.digest)}`;
}

/**
 * @throws EspalierError Conflict when a run with this id exists and `attach` is off; BadConfig when there is no such namespace, or
 *   no worker ever started in it
 */
export async function startRun(
  client: Client,
  prepared: PreparedRun,
  options: { readonly runId: string; readonly attach?: boolean },
): Promise<void> {
  const { input, inputRef } = prepared;
  const { name } = input.pipeline;
  try {
    const start = () =>
      client.workflow.start('runPipeline', {
        workflowId: options.runId,
        taskQueue: TASK_QUEUES.orchestration,
        args: [input, inputRef],
        workflowIdConflictPolicy: options.attach === true ? 'USE_EXISTING' : 'FAIL',
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        typedSearchAttributes: [
          { key: PIPELINE_ATTRIBUTE, value: name },
          { key: STATE_ATTRIBUTE, value: 'running' },
        ],
        memo: { pipeline: name, startedBy: input.startedBy, trigger: input.trigger, state: 'running' },
        staticSummary: `${name}, started by ${input.startedBy}`,
      });
    await onceAttributesAreKnown(start, { namespace: client.options.namespace });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      throw new EspalierError('Conflict', `a run with the id ${options.runId} exists`, {
        where: options.runId,
        fix: `look at it with \`espalier runs show ${options.runId}\`, or start one with another id`,
      });
    }
    throw asRunError(client, error, options.runId);
  }
}

async function snapshotCandidate(candidate: Candidate, folder: string, store: ArtifactStore): Promise<CandidateSource> {
  const source = parseModelSource(candidate.model);
  if (source.kind !== 'local') return candidate;
  const path = resolve(folder, source.path);
  await requireKind(path, 'folder', `candidates.${candidate.id}.model`);
  return { ...candidate, tree: await store.putTree(path, basename(path)) };
}

/** Checked before it is stored: a run never begins under a policy that nobody can read. */
async function snapshotPolicy(
  pipeline: Pipeline,
  folder: string,
  store: ArtifactStore,
): Promise<ArtifactRef | undefined> {
  const path = policyPath(pipeline.review?.policy, folder);
  if (path === undefined) return undefined;
  const text = readPolicyFile(path);
  parsePolicy(text, path);
  return store.putBytes(text, { name: basename(path), mediaType: 'application/yaml' });
}

/**
 * What people have written for the dossier. Where it must be complete, what only they can write is missed now, and not
 * after hours of training.
 */
async function snapshotDossier(
  pipeline: Pipeline,
  folder: string,
  store: ArtifactStore,
): Promise<ArtifactRef | undefined> {
  const path = dossierPath(pipeline.review?.dossier, folder);
  const text = path === undefined ? undefined : readDossierFile(path);
  const answers = path === undefined || text === undefined ? undefined : parseDossierAnswers(text, path);
  const open = unanswered(answers);
  if ((pipeline.review?.requireDossier === true || answers?.requireComplete === true) && open.length > 0) {
    throw new EspalierError('BadConfig', `the dossier must be complete, and nobody has written ${open.join(', ')}`, {
      where: path ?? 'review.dossier',
      fix: 'write these fields into the file of answers (docs/privacy.md), or do not require a complete dossier',
    });
  }
  if (path === undefined || text === undefined) return undefined;
  return store.putBytes(text, { name: basename(path), mediaType: 'application/yaml' });
}

/** As it was written, so that its digest is that of the file. */
async function snapshotCorruptions(
  pipeline: Pipeline,
  folder: string,
  store: ArtifactStore,
): Promise<ArtifactRef | undefined> {
  if (!('corruptions' in pipeline) || pipeline.corruptions === undefined) return undefined;
  const [problem] = corruptionProblems(pipeline.corruptions, folder);
  if (problem !== undefined) {
    const { path: where, message, fix } = problem;
    throw new EspalierError('BadDefinition', message, { where, ...(fix === undefined ? {} : { fix }) });
  }
  const path = resolve(folder, pipeline.corruptions);
  return store.putFile(path, { name: basename(path), mediaType: DATA_MEDIA_TYPES.jsonl });
}

/** Checked before they are stored, and stored as JSON: what a comment in the file says is no guideline. */
async function snapshotGuidelines(
  pipeline: Pipeline,
  folder: string,
  store: ArtifactStore,
): Promise<ArtifactRef | undefined> {
  if (pipeline.task !== 'text-generation') return undefined;
  const guidelines = readGuidelines(pipeline.guidelines, folder);
  return store.putBytes(canonicalJson(guidelines), { name: 'guidelines.json', mediaType: 'application/json' });
}
