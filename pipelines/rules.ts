/**
 * The rules between fields, which a schema of single fields cannot say. Each rule looks only at sections that parse on
 * their own, so that one mistake does not hide another.
 */
import { statSync, type Stats } from 'node:fs';
import { join, resolve } from 'node:path';
import { INDEX_FOLDER } from '../artifacts/bundle.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { attackProblems } from './attack-rules.ts';
import { corruptionProblems } from './behaviour/corruption-rules.ts';
import { behaviourProblems } from './behaviour/rules.ts';
import type { Problem } from './check.ts';
import { conversationProblems } from './conversation-rules.ts';
import { CandidateSchema } from './definition/candidates.ts';
import { ImageDataSchema, PromptDataSchema, TextDataSchema, type ImageData } from './definition/data.ts';
import { MonitorSchema } from './definition/monitor.ts';
import { ApprovalsSchema } from './definition/approvals.ts';
import type { Pipeline } from './definition.ts';
import { customGateProblems, gateProblems } from './gate-rules.ts';
import { readGuidelines } from './guidelines/guidelines.ts';
import { checkLicences } from './licence/check.ts';
import { addressNotes, addressProblem, canChange, isFetched } from './data-sources.ts';
import { imageDataProblems } from './image-data-rules.ts';
import { memorisationProblems } from './memorisation-rules.ts';
import { searchProblems } from './search.ts';
import { parseModelSource } from './sources.ts';
import { splitProblems } from './split-rules.ts';

type Data = Pipeline['data'];
/** Of texts. */
type RowsData = Exclude<Data, ImageData>;

/** Problems and notes of a definition, parsed or not; local files are looked for when its folder is given. */
export function crossProblems(
  value: unknown,
  folder: string | undefined,
): { readonly problems: readonly Problem[]; readonly notes: readonly Problem[] } {
  const raw: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : {};
  const problems: Problem[] = [];
  const notes: Problem[] = [];
  const data = (raw['task'] === 'text-generation' ? PromptDataSchema : TextDataSchema).safeParse(raw['data']);
  if (data.success) problems.push(...dataProblems(data.data), ...fileProblems(data.data, folder));
  const ofPictures = String(raw['task']).startsWith('image-');
  const pictures = ImageDataSchema.safeParse(ofPictures ? raw['data'] : undefined);
  if (ofPictures) problems.push(...imageDataProblems(raw, folder), ...recordTextProblems(raw['deploy']));
  const known: Data | undefined = data.data ?? pictures.data;
  if (known !== undefined) {
    problems.push(...consentProblems(known));
    notes.push(
      ...namedFiles(known.files).flatMap(({ path, file }) => addressNotes(file).map((note) => ({ path, ...note }))),
    );
  }
  if (Array.isArray(raw['candidates'])) {
    const checked = candidateProblems(raw['candidates'], folder, ofPictures);
    problems.push(...checked.problems);
    notes.push(...checked.notes);
  }
  problems.push(
    ...prototypeProductionProblems(raw),
    ...modelNameProblems(raw['deploy']),
    ...searchProblems(raw),
    ...attackProblems(raw, folder),
    ...memorisationProblems(raw),
  );
  if (typeof raw['guidelines'] === 'string' && folder !== undefined)
    problems.push(...guidelineProblems(raw['guidelines'], folder));
  if (typeof raw['corruptions'] === 'string' && folder !== undefined)
    problems.push(...corruptionProblems(raw['corruptions'], folder));
  const licences = checkLicences(raw, folder);
  problems.push(
    ...licences.problems,
    ...gateProblems(raw['gates'], raw['task']),
    ...customGateProblems(raw),
    ...behaviourProblems(raw, folder),
  );
  notes.push(...licences.notes);
  const monitor = MonitorSchema.safeParse(raw['monitor'] ?? {});
  if (monitor.success && monitor.data.windowRows < monitor.data.minRows) {
    problems.push({
      path: 'monitor.windowRows',
      message: `${monitor.data.windowRows} rows are fewer than minRows (${monitor.data.minRows}): no check would ever decide`,
      fix: 'raise windowRows or lower minRows',
    });
  }
  if (known !== undefined && monitor.success && monitor.data.onDrift === 'start-run' && !readsAnew(known)) {
    problems.push({
      path: 'monitor.onDrift',
      message: "'start-run' would train on the same bytes again: every data file is a snapshot of a local file",
      fix: "put the data that grows into S3 ('s3://BUCKET/KEY' is read anew by each run, and so is a branch on the hub), or write 'report'",
    });
  }
  const approvals = ApprovalsSchema.safeParse(raw['approvals']);
  for (const [name, rule] of Object.entries(approvals.data ?? {})) {
    const roles = rule.seats.map(({ role }) => role);
    problems.push(...repeated(roles, `approvals.${name}.seats`, 'role'));
  }
  return { problems, notes };
}

/** The chain that deployment and server follow refuses it as well: here it is said before anything is trained. */
function prototypeProductionProblems({ prototype, deploy }: Record<string, unknown>): readonly Problem[] {
  const channel = typeof deploy === 'object' && deploy !== null && 'channel' in deploy ? deploy.channel : 'production';
  if (prototype === undefined || channel !== 'production') return [];
  const message = "is 'production', and a prototype is never deployed there: it has seen a small part of the data";
  return [{ path: 'deploy.channel', message, fix: "write channel: 'staging', or leave out `prototype`" }];
}

/** A bundle keeps the model in a folder of its name, beside the index of a model that finds pictures. */
function modelNameProblems(deploy: unknown): readonly Problem[] {
  if (typeof deploy !== 'object' || deploy === null || !('model' in deploy)) return [];
  if (`${String(deploy.model)}/` !== INDEX_FOLDER) return [];
  const message = `is '${String(deploy.model)}', and a bundle keeps under that name what a model that finds pictures is searched in`;
  return [{ path: 'deploy.model', message, fix: "choose another name, such as 'catalogue'" }];
}

function guidelineProblems(file: string, folder: string): readonly Problem[] {
  try {
    readGuidelines(file, folder);
    return [];
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    return [{ path: 'guidelines', message: error.message, ...(error.fix === undefined ? {} : { fix: error.fix }) }];
  }
}

/** A prediction keeps a picture's embedding and what was answered, never the picture. */
function recordTextProblems(deploy: unknown): readonly Problem[] {
  if (typeof deploy !== 'object' || deploy === null || !('recordText' in deploy) || deploy.recordText !== true)
    return [];
  return [{ path: 'deploy.recordText', message: 'is of texts: pictures are not recorded', fix: 'leave it out' }];
}

function dataProblems(data: RowsData): readonly Problem[] {
  const problems: Problem[] = 'label' in data ? repeated(data.labels ?? [], 'data.labels', 'label') : [];
  const columns =
    'label' in data
      ? ['text', 'pair', 'label']
      : data.messages === undefined
        ? ['prompt', 'completion', 'facts']
        : ['messages', 'facts'];
  const named: Readonly<Record<string, unknown>> = data;
  for (const [index, column] of columns.entries()) {
    const same = columns.slice(0, index).find((other) => named[column] !== undefined && named[other] === named[column]);
    if (same === undefined) continue;
    problems.push({
      path: `data.${column}`,
      message: `is the same column as data.${same} ('${String(named[column])}')`,
      fix: `name the column of the ${column}`,
    });
  }
  if ('prompt' in data) problems.push(...conversationProblems(data, namedFiles(data.files)));
  problems.push(...splitProblems(data));
  return problems;
}

function consentProblems({ consent, legalBasis }: Data): readonly Problem[] {
  if (consent === undefined || legalBasis === 'consent') return [];
  return [
    {
      path: 'data.consent',
      message: `is given, but data.legalBasis is ${legalBasis === undefined ? 'missing' : `'${legalBasis}'`}`,
      fix: "write legalBasis: 'consent', or leave data.consent out",
    },
  ];
}

/** Data files by path, with where the definition names them. */
function namedFiles(files: Data['files']): readonly { readonly path: string; readonly file: string }[] {
  const of = (list: readonly string[], at: string) => list.map((file, index) => ({ path: `${at}[${index}]`, file }));
  if (Array.isArray(files)) return of(files, 'data.files');
  return (['train', 'validation', 'test'] as const).flatMap((split) => of(files[split] ?? [], `data.files.${split}`));
}

/** Whether a run that nobody starts by hand could see other data than the one before it. */
function readsAnew(data: Data): boolean {
  return namedFiles(data.files).some(({ file }) => canChange(file));
}

/** Files that are no rows. */
const UNTABLED = new Set(['data.croissant', 'data.generalText']);

function fileProblems(data: RowsData, folder: string | undefined): readonly Problem[] {
  const seen = new Map<string, string>();
  const evaluation = (data.evaluationFiles ?? []).map((file, index) => ({
    path: `data.evaluationFiles[${index}]`,
    file,
  }));
  const shifted = ('shiftedFiles' in data ? (data.shiftedFiles ?? []) : []).map((file, index) => ({
    path: `data.shiftedFiles[${index}]`,
    file,
  }));
  const description = data.croissant === undefined ? [] : [{ path: 'data.croissant', file: data.croissant }];
  const general =
    'generalText' in data && data.generalText !== undefined
      ? [{ path: 'data.generalText', file: data.generalText }]
      : [];
  return [...namedFiles(data.files), ...evaluation, ...shifted, ...description, ...general].flatMap(
    ({ path, file }): readonly Problem[] => {
      const problems: Problem[] = [];
      const earlier = seen.get(file);
      if (earlier !== undefined)
        problems.push({ path, message: `names '${file}' again (also ${earlier})`, fix: 'name each file once' });
      seen.set(file, path);
      if (data.format === undefined && !UNTABLED.has(path) && !/\.(csv|jsonl)$/i.test(file)) {
        problems.push({
          path,
          message: `the format of '${file}' cannot be told by its ending`,
          fix: 'rename it to .csv or .jsonl, or set data.format',
        });
      }
      const elsewhere = addressProblem(file);
      if (elsewhere !== undefined) {
        problems.push({ path, ...elsewhere });
      } else if (folder !== undefined && !isFetched(file)) {
        const found = look(resolve(folder, file));
        if (found === undefined)
          problems.push({
            path,
            message: `there is no file '${file}' in ${folder}`,
            fix: "paths are relative to the definition's folder",
          });
        else if (!found.isFile())
          problems.push({ path, message: `'${file}' is not a file`, fix: 'name the files one by one' });
        else if (found.size === 0) problems.push({ path, message: `'${file}' is empty` });
      }
      return problems;
    },
  );
}

function candidateProblems(candidates: readonly unknown[], folder: string | undefined, ofPictures: boolean) {
  const problems: Problem[] = [];
  const notes: Problem[] = [];
  const ids = new Map<string, number>();
  for (const [index, raw] of candidates.entries()) {
    const at = `candidates[${index}]`;
    const { id, model } = (typeof raw === 'object' && raw !== null ? raw : {}) as { id?: unknown; model?: unknown };
    if (typeof id === 'string') {
      const earlier = ids.get(id);
      if (earlier !== undefined)
        problems.push({
          path: `${at}.id`,
          message: `'${id}' is already the id of candidates[${earlier}]`,
          fix: 'give every candidate its own id',
        });
      ids.set(id, earlier ?? index);
    }
    if (!CandidateSchema.shape.model.safeParse(model).success) continue;
    const checked = modelProblem(model as string, folder, ofPictures);
    if (checked.problem !== undefined) problems.push({ path: `${at}.model`, ...checked.problem });
    notes.push(...(checked.notes ?? []).map((note) => ({ path: `${at}.model`, ...note })));
  }
  return { problems, notes };
}

type Finding = Omit<Problem, 'path'>;

function modelProblem(
  uri: string,
  folder: string | undefined,
  ofPictures: boolean,
): { readonly problem?: Finding; readonly notes?: readonly Finding[] } {
  try {
    const source = parseModelSource(uri);
    if (source.kind === 'hf') {
      const moves = `'${source.revision}' can move: each new run resolves it to a commit and records that`;
      return {
        notes: [
          ...(source.pinned ? [] : [{ message: moves, fix: 'write the commit to pin it' }]),
          {
            message: 'comes from the Hugging Face hub: a run must be able to reach it',
            fix: "without network, name a local folder ('./FOLDER'), or one in S3 ('s3://BUCKET/FOLDER')",
          },
        ],
      };
    }
    if (source.kind !== 'local' || folder === undefined) return {};
    const home = resolve(folder, source.path);
    if (look(home)?.isDirectory() !== true) {
      return {
        problem: {
          message: `there is no folder '${source.path}' in ${folder}`,
          fix: "paths are relative to the definition's folder",
        },
      };
    }
    const has = (name: string) => look(join(home, name))?.isFile() === true;
    const missing = neededFiles(ofPictures, has).filter((name) => !has(name));
    if (missing.length === 0) return {};
    return {
      problem: {
        message: `the folder '${source.path}' has no ${missing.join(' and no ')}`,
        fix: 'save the model in safetensors form',
      },
    };
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    return { problem: { message: error.message, ...(error.fix === undefined ? {} : { fix: error.fix }) } };
  }
}

/** A graph of pictures needs neither config nor weights: its features are used as they are. */
function neededFiles(ofPictures: boolean, has: (name: string) => boolean): readonly string[] {
  if (!ofPictures) return ['config.json', 'model.safetensors'];
  const isGraph = has('model.onnx') && !has('model.safetensors');
  return ['preprocessor_config.json', ...(isGraph ? [] : ['config.json', 'model.safetensors'])];
}

function repeated(values: readonly string[], path: string, noun: string): Problem[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) === index
      ? []
      : [{ path: `${path}[${index}]`, message: `the ${noun} '${value}' is there twice`, fix: 'remove one' }],
  );
}

function look(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined; // whatever hinders reading it, there is nothing there for a run either
  }
}
