/** What can be wrong with the tables of behaviour tests before anything runs: names, files, and every row of a local one. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Problem } from '../check.ts';
import { addressProblem, isFetched } from '../data-sources.ts';
import { BehaviourSchema, type BehaviourSpec } from '../definition/behaviour.ts';
import { GATE_NAMES } from '../gates/table.ts';
import { GENERATION_GATE_NAMES } from '../gates/generation.ts';
import type { GuidelineCheck } from '../guidelines/checks.ts';
import { readGuidelines } from '../guidelines/guidelines.ts';
import { MEMORISATION_GATE_TABLE } from '../gates/memorisation.ts';
import { RETRIEVAL_GATE_NAMES } from '../gates/retrieval.ts';
import { pictureProblems } from './pictures.ts';
import { checkProblems, readPromptTable } from './prompt-table.ts';
import type { TableProblem } from './rows.ts';
import { ImageDataSchema, TextDataSchema } from '../definition/data.ts';
import { MOST_TABLE_BYTES, readBehaviourTable, unknownLabels, type Tested } from './table.ts';

const SHOWN_ROWS = 10;

/** Looks only at what parses by itself. Without `folder` no file is read; what is elsewhere is read by the worker. */
export function behaviourProblems(
  { task, behaviour, customGates, data, guidelines }: Readonly<Record<string, unknown>>,
  folder: string | undefined,
): readonly Problem[] {
  const parsed = BehaviourSchema.safeParse(behaviour);
  if (!parsed.success) return [];
  const taken: readonly string[] = [...gateNames(task), ...Object.keys(record(customGates))];
  const declared = record(data)['labels'];
  const labels = Array.isArray(declared) ? new Set<unknown>(declared) : undefined;
  const finds = task === 'image-retrieval';
  const asked: Asked =
    task === 'text-generation'
      ? { labels: undefined, generates: { checks: checksOf(guidelines, folder) } }
      : finds || task === 'image-classification'
        ? { labels, ...ofPictures(data), ...(finds ? { finds } : {}) }
        : { labels, ...ofTexts(data) };
  const files = new Map<string, string>();
  return Object.entries(parsed.data).flatMap(([name, table]): readonly Problem[] => {
    const path = `behaviour.${name}`;
    const problems: Problem[] = [];
    if (taken.includes(name)) {
      problems.push({ path, message: 'is the name of another gate', fix: 'give the table a name of its own' });
    }
    const other = files.get(table.file);
    if (other !== undefined) {
      const message = `names '${table.file}' again (also behaviour.${other}.file)`;
      problems.push({ path: `${path}.file`, message, fix: 'name each file once' });
    }
    files.set(table.file, name);
    return [...problems, ...fileProblems(table, `${path}.file`, asked, folder)];
  });
}

/** What all tables of a definition are read by. */
interface Asked extends Tested {
  readonly labels: ReadonlySet<unknown> | undefined;
  /** Of pictures only. */
  readonly maxImageBytes?: number;
  /** Of generated text only; the checks are missing where the guidelines cannot be read, which is told by itself. */
  readonly generates?: { readonly checks: readonly GuidelineCheck[] | undefined };
}

function gateNames(task: unknown): readonly string[] {
  if (task === 'text-generation') return [...GENERATION_GATE_NAMES, ...Object.keys(MEMORISATION_GATE_TABLE)];
  return task === 'image-retrieval' ? RETRIEVAL_GATE_NAMES : GATE_NAMES;
}

function checksOf(file: unknown, folder: string | undefined): readonly GuidelineCheck[] | undefined {
  if (typeof file !== 'string' || folder === undefined) return undefined;
  try {
    return readGuidelines(file, folder).checks;
  } catch (error) {
    if (error instanceof EspalierError) return undefined;
    throw error;
  }
}

function ofTexts(data: unknown): Tested {
  const { multiLabel, pair } = record(data);
  return {
    ...TextDataSchema.shape.multiLabel.safeParse(multiLabel).data,
    ...(pair === undefined ? {} : { pairs: true }),
  };
}

function ofPictures(data: unknown): Pick<Asked, 'input' | 'maxImageBytes'> {
  const { data: maxImageBytes } = ImageDataSchema.shape.maxImageBytes.safeParse(record(data)['maxImageBytes']);
  return { input: 'image', ...(maxImageBytes === undefined ? {} : { maxImageBytes }) };
}

/** By the ending of its name. */
export function tableFormat(file: string): 'csv' | 'jsonl' | undefined {
  const ending = /\.(csv|jsonl)$/i.exec(file)?.[1]?.toLowerCase();
  return ending === 'csv' || ending === 'jsonl' ? ending : undefined;
}

function fileProblems(
  { file, kind }: BehaviourSpec[string],
  path: string,
  asked: Asked,
  folder: string | undefined,
): readonly Problem[] {
  const format = tableFormat(file);
  if (format === undefined) {
    const message = `the format of '${file}' cannot be told by its ending`;
    return [{ path, message, fix: 'rename it to .csv or .jsonl' }];
  }
  if (asked.generates !== undefined && format !== 'jsonl') {
    const message = `'${file}' is CSV, and what is expected of generated text are lists`;
    return [{ path, message, fix: 'write JSONL: a JSON object a line (docs/gates.md)' }];
  }
  const elsewhere = addressProblem(file);
  if (elsewhere !== undefined) return [{ path, ...elsewhere }];
  const isRemote = isFetched(file);
  if (isRemote && asked.input === 'image') {
    const message = `'${file}' names pictures beside it, and these are read from this machine`;
    return [{ path, message, fix: "put the table and its pictures into a folder below the definition's" }];
  }
  if (isRemote || folder === undefined) return [];
  const home = resolve(folder, file);
  const found = statSync(home, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    const message = `there is no file '${file}' in ${folder}`;
    return [{ path, message, fix: "paths are relative to the definition's folder" }];
  }
  if (found.size > MOST_TABLE_BYTES) {
    return [{ path, message: `'${file}' has ${found.size} bytes; at most ${MOST_TABLE_BYTES} are read` }];
  }
  const all = rowProblems(home, kind, format, asked).toSorted((one, other) => one.line - other.line);
  const more =
    all.length > SHOWN_ROWS ? [{ path, message: `${all.length - SHOWN_ROWS} more are wrong in '${file}'` }] : [];
  return [
    ...all.slice(0, SHOWN_ROWS).map(({ line, field, message }) => ({
      path,
      message: `${file}:${line}: ${field ?? 'the row'} ${message}`,
      fix: 'correct the row (docs/gates.md says what each kind of test needs)',
    })),
    ...more,
  ];
}

/** `home`: where the table is. */
function rowProblems(
  home: string,
  kind: BehaviourSpec[string]['kind'],
  format: 'csv' | 'jsonl',
  { labels, maxImageBytes, generates, ...tested }: Asked,
): readonly TableProblem[] {
  const bytes = readFileSync(home);
  if (generates !== undefined) {
    const { tests, problems } = readPromptTable(bytes, kind);
    return [...problems, ...(generates.checks === undefined ? [] : checkProblems(tests, generates.checks))];
  }
  const { tests, problems } = readBehaviourTable(bytes, kind, format, tested);
  const complaint = (name: string) => `is '${name.slice(0, 60)}', which is not in data.labels`;
  const unknown = labels === undefined ? [] : unknownLabels(tests, labels, complaint);
  const missing = maxImageBytes === undefined ? [] : pictureProblems(tests, home, maxImageBytes);
  return [...problems, ...unknown, ...missing];
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
