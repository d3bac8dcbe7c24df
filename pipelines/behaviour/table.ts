/**
 * Tables of behaviour tests, as people write them: CSV with a header, or a JSON object a line. Every mistake is told by its
 * line and field. The kinds are those of Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList"
 * (ACL 2020). No I/O: the definition's check and the step that stores the tests read by the same rules.
 */
import { z } from 'zod';
import type { BehaviourKind } from '../definition/behaviour.ts';
import { decodeUtf8 } from '../licence/strangers-yaml.ts';
import { by, label, labels, mustNot, share, text } from './cells.ts';
import { MISSING_OF_PAIRS, ROWS_OF_PAIRS, ROWS_OF_SEVERAL_PAIRS } from './pair-rows.ts';
import { csvRows, jsonRows, type Row, type TableProblem } from './rows.ts';

/** Each test is asked of the model in the evaluation: more of them are a data set. */
export const MOST_TESTS = 10_000;
export const MOST_TABLE_BYTES = 16 * 2 ** 20;
const MOST_PATH_BYTES = 1024;
/** Of these a mistake is shown, where it is short: what is longer is a text in the wrong column, and whose it is unknown. */
const SHOWN_FIELDS = new Set(['mustNot', 'by', 'overlap']);
const MOST_SHOWN = 8;
/** The name of the packed list itself begins with a dot, as what finders and archivers leave behind. */
const LEADS_OUT = /^\/|^[a-z]:|(?:^|[/\\])\.|[\0\p{Surrogate}]/iu;

const ALIKE = 'is the same as';

/** A row may have more columns, for people: they are not kept. */
const ROWS = {
  'minimum-functionality': z.object({ kind: z.literal('minimum-functionality'), text, label }),
  invariance: z.object({ kind: z.literal('invariance'), text, other: text }),
  directional: z.object({ kind: z.literal('directional'), text, edited: text, label, mustNot, by }),
} as const;
/** Where a text may have several labels, or none, a test says all that it has; of one label's probability it names that label. */
const ROWS_OF_SEVERAL = {
  ...ROWS,
  'minimum-functionality': z.object({ kind: z.literal('minimum-functionality'), text, labels }),
} as const;

/** A path below the table's folder, as `pack-pictures.ts` packs it. */
const picture = z
  .string()
  .transform((value) => value.replace(/^(?:\.\/)+/, ''))
  .refine((value) => value.trim() !== '', 'is empty')
  .refine((value) => Buffer.byteLength(value) <= MOST_PATH_BYTES, `has more than ${MOST_PATH_BYTES} bytes`)
  .refine(
    (value) => !LEADS_OUT.test(value),
    "is no path inside the table's folder: relative, and no part of it begins with a dot",
  );

const ROWS_OF_PICTURES = {
  'minimum-functionality': ROWS['minimum-functionality'].omit({ text: true }).extend({ image: picture }),
  invariance: ROWS.invariance.omit({ text: true }).extend({ image: picture, other: picture }),
  directional: ROWS.directional.omit({ text: true }).extend({ image: picture, edited: picture }),
} as const;

/** What is asked of a finder is what it finds: two pictures the same one first, or so much the same among the first k. */
const OVERLAP = 'must be a number above 0, at most 1: none is always the same';
const overlap = share((value) => value > 0 && value <= 1, OVERLAP);
const ROWS_OF_QUERIES = {
  ...ROWS_OF_PICTURES,
  invariance: ROWS_OF_PICTURES.invariance.extend({
    overlap: z.union([z.literal('').transform(() => undefined), overlap], OVERLAP).optional(),
  }),
} as const;

/** In place of a label the very picture that must be among the first k: one of the gallery, by a copy beside the table. */
const ROW_OF_NEIGHBOUR = ROWS_OF_PICTURES['minimum-functionality'].omit({ label: true }).extend({ neighbour: picture });

type RowsOfTexts = typeof ROWS | typeof ROWS_OF_SEVERAL | typeof ROWS_OF_PAIRS | typeof ROWS_OF_SEVERAL_PAIRS;
type Rows = RowsOfTexts | typeof ROWS_OF_PICTURES | typeof ROWS_OF_QUERIES;
export type BehaviourTest = z.output<Rows[BehaviourKind] | typeof ROW_OF_NEIGHBOUR>;
/** What a model is asked at once: a text, two that belong together, or a picture by its name. */
export type TestInput = string | readonly [text: string, pair: string];
/** What the tests of a table are of; one label a text where nothing is said. */
export interface Tested {
  /** Pictures, by their paths beside the table. */
  readonly input?: 'image' | undefined;
  /** Of pictures: the model finds others, and gives no label. */
  readonly finds?: true | undefined;
  /** A text may have several labels (`data.multiLabel`): in a cell of CSV they are parted by this. */
  readonly separator?: string | undefined;
  /** The model takes two texts (`data.pair`). */
  readonly pairs?: true | undefined;
}
export interface PlacedTest {
  readonly line: number;
  readonly test: BehaviourTest;
}
export interface BehaviourTable {
  readonly tests: readonly PlacedTest[];
  readonly problems: readonly TableProblem[];
}

/** Never throws: what is wrong with the file as a whole is a problem of its first line. */
export function readBehaviourTable(
  bytes: Uint8Array,
  kind: BehaviourKind,
  format: 'csv' | 'jsonl',
  tested: Tested = {},
): BehaviourTable {
  const whole = (message: string): BehaviourTable => ({ tests: [], problems: [{ line: 1, message }] });
  if (bytes.length > MOST_TABLE_BYTES) return whole(`the table is larger than ${MOST_TABLE_BYTES / 2 ** 20} MiB`);
  const content = decodeUtf8(bytes)?.replace(/^\uFEFF/, '');
  if (content === undefined) return whole('the table is not UTF-8');
  const read = format === 'csv' ? csvRows(content) : jsonRows(content);
  const { finds, separator, pairs } = tested;
  const rows = rowsOf(tested);
  const missing = pairs === true ? MISSING_OF_PAIRS : {};
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
    const listed = separator === undefined || format === 'jsonl' ? row : withList(row, separator);
    const namesNeighbour = finds === true && kind === 'minimum-functionality' && isFilled(row['neighbour']);
    const parsed = (namesNeighbour ? ROW_OF_NEIGHBOUR : rows[kind]).safeParse({ ...listed, kind });
    if (parsed.success) {
      tests.push({ line, test: parsed.data });
      problems.push(...comparedWithItself(line, parsed.data, ALIKE));
    } else problems.push(...parsed.error.issues.map((issue) => problemOf(line, issue, row, missing)));
  }
  return { tests, problems };
}

function rowsOf({ input, finds, separator, pairs }: Tested): Rows {
  if (input === 'image') return finds === true ? ROWS_OF_QUERIES : ROWS_OF_PICTURES;
  if (pairs === true) return separator === undefined ? ROWS_OF_PAIRS : ROWS_OF_SEVERAL_PAIRS;
  return separator === undefined ? ROWS : ROWS_OF_SEVERAL;
}

/** Tests that name a label which is not known; `complaint` says of it why. */
export function unknownLabels(
  tests: readonly PlacedTest[],
  known: ReadonlySet<unknown>,
  complaint: (name: string) => string,
): readonly TableProblem[] {
  return tests.flatMap(({ line, test }) => {
    const field = 'labels' in test ? 'labels' : 'label';
    return labelsNamed(test).flatMap((name) => (known.has(name) ? [] : [{ line, field, message: complaint(name) }]));
  });
}

/** The labels that a test asks for. */
export function labelsNamed(test: BehaviourTest): readonly string[] {
  if ('labels' in test) return test.labels;
  return 'label' in test ? [test.label] : [];
}

/** The texts, each alone or with the other of its pair, or the pictures by name, that a test asks the model. */
export function inputsOf(test: BehaviourTest): readonly TestInput[] {
  if ('image' in test) return picturesAsked(test);
  const first = 'pair' in test ? ([test.text, test.pair] as const) : test.text;
  if (test.kind === 'invariance') return [first, 'pair' in test ? [test.other, test.otherPair] : test.other];
  if (test.kind === 'directional') return [first, 'pair' in test ? [test.edited, test.editedPair] : test.edited];
  return [first];
}

/** The pictures, by name, that a test asks the model; none where it is of texts. */
export function picturesAsked(test: BehaviourTest): readonly string[] {
  if (!('image' in test)) return [];
  if (test.kind === 'invariance') return [test.image, test.other];
  return test.kind === 'directional' ? [test.image, test.edited] : [test.image];
}

/** A test of two inputs that are one holds whatever the model is; `complaint` says how they are. */
export function comparedWithItself(line: number, test: BehaviourTest, complaint: string): readonly TableProblem[] {
  const [first, second] = inputsOf(test).map((input) =>
    'image' in test ? partsOf(input) : partsOf(input).map(asRead),
  );
  if (first === undefined || second?.every((part, place) => part === first[place]) !== true) return [];
  const field = test.kind === 'invariance' ? 'other' : 'edited';
  const name = 'image' in test ? 'image' : 'text';
  const more = 'pair' in test ? `, and ${field}Pair as pair` : '';
  return [{ line, field, message: `${complaint} ${name}${more}, so that the test always holds` }];
}

function partsOf(input: TestInput): readonly string[] {
  return typeof input === 'string' ? [input] : input;
}

/** White space is not seen, nor of what characters a letter is made up. Case is: some models read it. */
function asRead(input: string): string {
  return input.normalize('NFC').replaceAll(/\s+/gu, ' ').trim();
}

/** Every picture that a test names, with its column: those that are asked, and one that must be found. */
export function picturesOf(test: BehaviourTest): readonly { readonly field: string; readonly name: string }[] {
  if (!('image' in test)) return [];
  const second = test.kind === 'invariance' ? 'other' : 'edited';
  const asked = picturesAsked(test).map((name, place) => ({ field: place === 0 ? 'image' : second, name }));
  return 'neighbour' in test ? [...asked, { field: 'neighbour', name: test.neighbour }] : asked;
}

/** The same test with every picture called otherwise. */
export function withPictures(test: BehaviourTest, called: (name: string) => string): BehaviourTest {
  if (!('image' in test)) return test;
  const renamed = withInputs(test, picturesAsked(test).map(called));
  return 'neighbour' in renamed ? { ...renamed, neighbour: called(renamed.neighbour) } : renamed;
}

/** The same test of others, in the order of `inputsOf`. */
export function withInputs(test: BehaviourTest, inputs: readonly TestInput[]): BehaviourTest {
  const [[first = '', firstPair = ''] = [], [second = '', secondPair = ''] = []] = inputs.map(partsOf);
  if ('pair' in test) {
    const asked = { ...test, text: first, pair: firstPair };
    if (asked.kind === 'invariance') return { ...asked, other: second, otherPair: secondPair };
    return asked.kind === 'directional' ? { ...asked, edited: second, editedPair: secondPair } : asked;
  }
  const asked = 'image' in test ? { ...test, image: first } : { ...test, text: first };
  if (asked.kind === 'invariance') return { ...asked, other: second };
  return asked.kind === 'directional' ? { ...asked, edited: second } : asked;
}

function isFilled(cell: unknown): boolean {
  return cell !== undefined && cell !== '';
}

/** An empty cell names no label. */
function withList(row: Row, separator: string): Row {
  const { labels: cell } = row;
  if (typeof cell !== 'string') return row;
  return { ...row, labels: cell.trim() === '' ? [] : cell.split(separator) };
}

function problemOf(
  line: number,
  issue: z.core.$ZodIssue,
  row: Row,
  missing: Readonly<Record<string, string>>,
): TableProblem {
  const field = String(issue.path[0] ?? 'row');
  if (row[field] === undefined) return { line, field, message: missing[field] ?? 'is missing' };
  if (issue.code === 'invalid_type' && field !== 'labels')
    return { line, field, message: `must be a ${issue.expected}` };
  return { line, field, message: `${valueShown(field, row[field])}${issue.message}` };
}

function valueShown(field: string, value: unknown): string {
  if (!SHOWN_FIELDS.has(field) || (typeof value !== 'string' && typeof value !== 'number')) return '';
  const shown = String(value);
  return shown === '' || shown.length > MOST_SHOWN ? '' : `is '${shown}', and `;
}
