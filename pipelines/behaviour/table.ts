/**
 * Tables of behaviour tests, as people write them: CSV with a header, or a JSON object a line. Every mistake is told by its
 * line and field. The kinds are those of Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList"
 * (ACL 2020). No I/O: the definition's check and the step that stores the tests read by the same rules.
 */
import { CsvError, parse } from 'csv-parse/sync';
import { z } from 'zod';
import type { BehaviourKind } from '../definition/behaviour.ts';
import { decodeUtf8 } from '../licence/strangers-yaml.ts';

/** Each test is asked of the model in the evaluation: more of them are a data set. */
export const MOST_TESTS = 10_000;
export const MOST_TABLE_BYTES = 16 * 2 ** 20;
const MOST_TEXT_BYTES = 32_768;

const text = z
  .string()
  .refine((value) => /[^\s\p{C}]/u.test(value), 'is empty')
  .refine((value) => Buffer.byteLength(value) <= MOST_TEXT_BYTES, `has more than ${MOST_TEXT_BYTES} bytes`)
  .refine((value) => !/\p{Surrogate}/u.test(value), 'is not valid UTF-8');
const label = z
  .string()
  .transform((value) => value.normalize('NFC').trim())
  .refine((value) => value !== '', 'is empty');
/** In CSV everything is text. */
const share = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\s*\d*\.?\d+\s*$/)
      .transform(Number),
  ])
  .refine((value) => value >= 0 && value <= 1, 'must be a number from 0 to 1');

/** A row may have more columns, for people: they are not kept. */
const ROWS = {
  'minimum-functionality': z.object({ kind: z.literal('minimum-functionality'), text, label }),
  invariance: z.object({ kind: z.literal('invariance'), text, other: text }),
  directional: z.object({
    kind: z.literal('directional'),
    text,
    edited: text,
    label,
    /** What the probability of the label must not do from `text` to `edited`. */
    mustNot: z.enum(['fall', 'rise'], 'must be fall or rise'),
    /** What it may change all the same. */
    by: share,
  }),
} as const;

export type BehaviourTest = z.output<(typeof ROWS)[BehaviourKind]>;
export interface PlacedTest {
  readonly line: number;
  readonly test: BehaviourTest;
}
export interface TableProblem {
  /** 1 where it is the whole file's. */
  readonly line: number;
  /** Missing where it is the whole row's. */
  readonly field?: string;
  readonly message: string;
}
export interface BehaviourTable {
  readonly tests: readonly PlacedTest[];
  readonly problems: readonly TableProblem[];
}

/** Never throws: what is wrong with the file as a whole is a problem of its first line. */
export function readBehaviourTable(bytes: Uint8Array, kind: BehaviourKind, format: 'csv' | 'jsonl'): BehaviourTable {
  const whole = (message: string): BehaviourTable => ({ tests: [], problems: [{ line: 1, message }] });
  if (bytes.length > MOST_TABLE_BYTES) return whole(`the table is larger than ${MOST_TABLE_BYTES / 2 ** 20} MiB`);
  const content = decodeUtf8(bytes)?.replace(/^\uFEFF/, '');
  if (content === undefined) return whole('the table is not UTF-8');
  const read = format === 'csv' ? csvRows(content) : jsonRows(content);
  if (!Array.isArray(read)) return { tests: [], problems: [read] };
  if (read.length === 0) return whole('the table has no tests');
  if (read.length > MOST_TESTS) return whole(`the table has ${read.length} tests; at most ${MOST_TESTS} are asked`);
  const tests: PlacedTest[] = [];
  const problems: TableProblem[] = [];
  for (const { line, row } of read) {
    if (row === undefined) {
      problems.push({ line, message: 'is no JSON object' });
      continue;
    }
    const parsed = ROWS[kind].safeParse({ ...row, kind });
    if (parsed.success) tests.push({ line, test: parsed.data });
    else problems.push(...parsed.error.issues.map((issue) => problemOf(line, issue, row)));
  }
  return { tests, problems };
}

/** Tests that name a label which is not known; `complaint` says of it why. */
export function unknownLabels(
  tests: readonly PlacedTest[],
  known: ReadonlySet<unknown>,
  complaint: (name: string) => string,
): readonly TableProblem[] {
  return tests.flatMap(({ line, test }) =>
    !('label' in test) || known.has(test.label) ? [] : [{ line, field: 'label', message: complaint(test.label) }],
  );
}

/** The texts that a test asks the model. */
export function textsOf(test: BehaviourTest): readonly string[] {
  if (test.kind === 'invariance') return [test.text, test.other];
  return test.kind === 'directional' ? [test.text, test.edited] : [test.text];
}

/** The same test with other texts, in the order of `textsOf`. */
export function withTexts(test: BehaviourTest, [first = '', second = '']: readonly string[]): BehaviourTest {
  if (test.kind === 'invariance') return { ...test, text: first, other: second };
  return test.kind === 'directional' ? { ...test, text: first, edited: second } : { ...test, text: first };
}

type Row = Readonly<Record<string, unknown>>;
interface Read {
  readonly line: number;
  readonly row: Row | undefined;
}

function problemOf(line: number, issue: z.core.$ZodIssue, row: Row): TableProblem {
  const field = String(issue.path[0] ?? 'row');
  if (row[field] === undefined) return { line, field, message: 'is missing' };
  if (issue.code === 'invalid_type') return { line, field, message: `must be a ${issue.expected}` };
  if (issue.code === 'invalid_union') return { line, field, message: 'must be a number from 0 to 1' };
  return { line, field, message: issue.message };
}

function jsonRows(content: string): Read[] {
  return content.split('\n').flatMap((line, place): Read[] => {
    if (line.trim() === '') return [];
    return [{ line: place + 1, row: objectOf(line) }];
  });
}

function objectOf(json: string): Row | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Row) : undefined;
  } catch {
    return undefined;
  }
}

/** Lines are counted here: the parser counts a CRLF inside quotes twice. */
function csvRows(content: string): Read[] | TableProblem {
  let nextLine = 1;
  let emptyLines = 0;
  try {
    const records: { line: number; cells: string[] }[] = [];
    parse(content, {
      relax_column_count: true,
      skip_empty_lines: true,
      on_record(cells: string[], info) {
        const line = nextLine + info.empty_lines - emptyLines;
        emptyLines = info.empty_lines;
        nextLine = line + 1 + cells.reduce((feeds, cell) => feeds + cell.split('\n').length - 1, 0);
        records.push({ line, cells });
        return null;
      },
    });
    const [header, ...rows] = records;
    if (header === undefined) return [];
    const ragged = rows.find(({ cells }) => cells.length !== header.cells.length);
    if (ragged !== undefined) {
      const message = `has ${ragged.cells.length} cells where the header has ${header.cells.length}`;
      return { line: ragged.line, message };
    }
    const names = header.cells.map((name) => name.trim());
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    if (twice !== undefined) return { line: 1, field: twice, message: 'is the name of more than one column' };
    return rows.map(({ line, cells }) => ({
      line,
      row: Object.fromEntries(cells.map((cell, at) => [names[at] ?? '', cell])),
    }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { line: nextLine, message: 'is not CSV: put the cell in double quotes and double every quote inside it' };
  }
}
