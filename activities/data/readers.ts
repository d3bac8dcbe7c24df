/**
 * Rows of CSV (RFC 4180) and JSONL files, streamed, each with the line it starts on. Bytes that are not UTF-8 and
 * values that are not strings are told a row, so that a policy can drop the row; what makes the rest of a file
 * unreadable (an unclosed quote, a missing column) throws BadData.
 */
import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { EspalierError } from '../../artifacts/errors.ts';
import { quoted } from './checks.ts';

/** A record beyond this is an unclosed quote or a missing line end, not a message; it bounds the memory. */
export const MAX_RECORD_BYTES = 16 * 2 ** 20;
const SHOWN_COLUMNS = 50;

export interface SourceFile {
  /** Where the bytes are. */
  readonly path: string;
  /** What people call it. */
  readonly name: string;
  readonly format: 'csv' | 'jsonl';
}
export interface Columns {
  readonly text: string;
  readonly pair?: string | undefined;
  readonly label: string;
  /** A row has a list of labels: of JSONL an array, of CSV parted by the separator. */
  readonly multiLabel?: { readonly separator: string } | undefined;
  /** Columns of groups; a row may have nothing there. */
  readonly groups?: readonly string[] | undefined;
}
export interface RowProblem {
  readonly reason: 'not-utf8' | 'ragged' | 'not-json' | 'not-a-string' | 'not-a-list' | 'missing-value';
  readonly message: string;
}
/** Value by column; a column without one is left out. */
export type Groups = Readonly<Record<string, string>>;
export type SourceRow =
  | {
      readonly line: number;
      readonly text: string;
      readonly pair?: string;
      readonly label: string;
      /** Where a row has a list of them, as they are written; `label` is then ''. */
      readonly labels?: readonly string[];
      readonly groups?: Groups;
    }
  | { readonly line: number; readonly problem: RowProblem };

/** A column that is read. */
export interface Column {
  readonly name: string;
  /** A row, and a file, may have nothing there: it is '' then. */
  readonly optional?: true;
  /** In JSONL it may be a list of strings: they are joined by line feeds. */
  readonly list?: true;
  /** A list of strings: of JSONL an array, of CSV parted by this. The value is its JSON. */
  readonly listBy?: string;
  /** Of JSONL: anything. The value is its JSON; whoever reads it says what is wrong with it. */
  readonly json?: true;
}
export type ValuesRow =
  | { readonly line: number; readonly values: Readonly<Record<string, string>> }
  | { readonly line: number; readonly problem: RowProblem };

/** Labelled texts in file order; lines count from 1. Throws BadData naming file and line. */
export async function* readRows(file: SourceFile, columns: Columns, signal?: AbortSignal): AsyncGenerator<SourceRow> {
  const { multiLabel } = columns;
  const text: Column = { name: columns.text };
  const label: Column = {
    name: columns.label,
    ...(multiLabel === undefined ? {} : { listBy: multiLabel.separator }),
  };
  const pair = columns.pair === undefined ? [] : [{ name: columns.pair }];
  const { groups } = columns;
  for await (const row of readValues(file, [text, ...pair, label, ...groupColumns(groups)], signal)) {
    if ('problem' in row) yield row;
    else {
      const given = row.values[label.name] ?? '';
      const values = {
        text: row.values[text.name] ?? '',
        ...(multiLabel === undefined ? { label: given } : { label: '', labels: JSON.parse(given) as string[] }),
      };
      const second = pair.map(({ name }) => ({ pair: row.values[name] ?? '' }))[0];
      yield {
        line: row.line,
        ...values,
        ...second,
        ...(groups === undefined ? {} : { groups: groupsOf(row.values, groups) }),
      };
    }
  }
}

/** A row may have nothing there. */
export function groupColumns(names: readonly string[] = []): readonly Column[] {
  return names.map((name) => ({ name, optional: true }));
}

/** What stands in columns of groups: NFC, without white space around it. */
export function groupsOf(values: Readonly<Record<string, string>>, columns: readonly string[]): Groups {
  const named = columns.map((name) => [name, (values[name] ?? '').normalize('NFC').trim()] as const);
  return Object.fromEntries(named.filter(([, value]) => value !== ''));
}

/** These columns of the rows in file order, by name; lines count from 1. Throws BadData naming file and line. */
export async function* readValues(
  file: SourceFile,
  columns: readonly Column[],
  signal?: AbortSignal,
): AsyncGenerator<ValuesRow> {
  const bytes = readBytes(file, signal);
  let rows = 0;
  for await (const row of file.format === 'csv' ? readCsv(bytes, file, columns) : readJsonl(bytes, file, columns)) {
    rows += 1;
    yield row;
  }
  if (rows === 0) {
    throw badFile(file, `${file.name} has no rows`, 'give a file with at least one row, or remove it from data.files');
  }
}

/** The file's bytes without a UTF-8 byte order mark. */
async function* readBytes(file: SourceFile, signal?: AbortSignal): AsyncGenerator<Buffer> {
  let started = false;
  for await (const chunk of createReadStream(file.path, { highWaterMark: 1 << 18, signal })) {
    let bytes = chunk as Buffer;
    if (!started) {
      started = true;
      const mark = bytes.subarray(0, 3).toString('hex');
      if (mark.startsWith('fffe') || mark.startsWith('feff')) {
        throw badFile(file, `${file.name} is UTF-16, not UTF-8`, 'save it as UTF-8');
      }
      if (mark === 'efbbbf') bytes = bytes.subarray(3);
    }
    yield bytes;
  }
  if (!started) throw badFile(file, `${file.name} is empty`, 'give a file with rows, or remove it from data.files');
}

// ────────────────────────────── CSV ─────────────────────────────

interface CsvRecord {
  readonly line: number;
  readonly cells: readonly Buffer[];
}

async function* readCsv(
  bytes: AsyncIterable<Buffer>,
  file: SourceFile,
  columns: readonly Column[],
): AsyncGenerator<ValuesRow> {
  let header: readonly string[] | undefined;
  let places: readonly number[] = [];
  for await (const { line, cells } of csvRecords(bytes, file)) {
    if (header === undefined) {
      header = cells.map((cell) => decodeUtf8(cell)?.trim() ?? '');
      const known = header;
      places = columns.map((column) => columnIndex(known, column, file));
    } else if (cells.length !== header.length) {
      yield problem(line, 'ragged', `${cells.length} cells where the header has ${header.length}`);
    } else {
      const values = columns.map(({ name, listBy }, index) => {
        const cell = cells[places[index] ?? -1];
        const value = cell === undefined ? '' : decodeUtf8(cell);
        return [name, listBy === undefined || value === undefined ? value : listOf(value, listBy)] as const;
      });
      const broken = values.find(([, value]) => value === undefined);
      if (broken !== undefined) yield notUtf8(line, broken[0]);
      else yield { line, values: Object.fromEntries(values.map(([name, value]) => [name, value ?? ''])) };
    }
  }
}

/** A cell as the JSON of its parts; an empty cell has none. */
function listOf(cell: string, separator: string): string {
  return JSON.stringify(cell.trim() === '' ? [] : cell.split(separator));
}

/**
 * Cells stay bytes until they are known to be UTF-8: the parser's own decoding would put U+FFFD in their place. Lines
 * are counted here, because the parser counts a CRLF inside quotes twice.
 */
async function* csvRecords(bytes: AsyncIterable<Buffer>, file: SourceFile): AsyncGenerator<CsvRecord> {
  let nextLine = 1;
  let emptyLines = 0;
  const parser = parse({
    encoding: null,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
    // The types know neither cells of bytes nor records of another shape.
    on_record(record, info) {
      const cells = record as unknown as Buffer[];
      const line = nextLine + info.empty_lines - emptyLines;
      emptyLines = info.empty_lines;
      nextLine = line + 1;
      for (const cell of cells) nextLine += countLineFeeds(cell);
      return { line, cells } as unknown as string[];
    },
  });
  try {
    // `pipeline` ends the parser with the source's error, and the source when the reader stops early.
    for await (const record of pipeline(Readable.from(bytes), parser, () => undefined)) yield record;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const skipped = (error as { empty_lines?: number }).empty_lines ?? emptyLines;
    const where = { ...file, line: nextLine + skipped - emptyLines };
    throw badFile(
      where,
      `the row at ${file.name}:${where.line} is not CSV: ${CSV_FAULTS[error.code] ?? error.code}`,
      'put the cell in double quotes and double every quote inside it (RFC 4180)',
    );
  }
}

const CSV_FAULTS: Readonly<Record<string, string>> = {
  INVALID_OPENING_QUOTE: 'a double quote in the middle of an unquoted cell',
  CSV_INVALID_CLOSING_QUOTE: 'text after the closing quote of a cell',
  CSV_QUOTE_NOT_CLOSED: 'a quote that is never closed',
  CSV_MAX_RECORD_SIZE: `more than ${MAX_RECORD_BYTES / 2 ** 20} MiB, so a quote is probably not closed`,
};

function countLineFeeds(cell: Buffer): number {
  let count = 0;
  for (let at = cell.indexOf(10); at !== -1; at = cell.indexOf(10, at + 1)) count += 1;
  return count;
}

/** -1 where an optional column is not there. */
function columnIndex(header: readonly string[], { name: column, optional }: Column, file: SourceFile): number {
  const index = header.indexOf(column);
  if (index === -1 && optional !== true) throw unknownColumn(file, column, header);
  if (header.includes(column, index + 1)) {
    throw badFile(file, `${file.name} has more than one column '${column}'`, 'rename all but one');
  }
  return index;
}

// ───────────────────────────── JSONL ────────────────────────────

async function* readJsonl(
  bytes: AsyncIterable<Buffer>,
  file: SourceFile,
  columns: readonly Column[],
): AsyncGenerator<ValuesRow> {
  const keys = new Set<string>();
  let objects = 0;
  for await (const { line, bytes: lineBytes } of splitLines(bytes, file)) {
    const json = decodeUtf8(lineBytes);
    if (json === undefined) {
      yield notUtf8(line);
      continue;
    }
    if (json.trim() === '') continue;
    const row = parseObject(json);
    if (row === undefined) {
      yield problem(line, 'not-json', 'not a JSON object');
      continue;
    }
    objects += 1;
    for (const key of Object.keys(row)) if (keys.size < SHOWN_COLUMNS) keys.add(key);
    for (const { name } of columns) if (Object.hasOwn(row, name)) keys.add(name);
    yield jsonRow(line, row, columns);
  }
  if (objects === 0) return;
  for (const { name, optional } of columns)
    if (optional !== true && !keys.has(name)) throw unknownColumn(file, name, [...keys]);
}

function jsonRow(line: number, row: Readonly<Record<string, unknown>>, columns: readonly Column[]): ValuesRow {
  const values: Record<string, string> = {};
  for (const { name, optional, list, listBy, json } of columns) {
    const found = Object.hasOwn(row, name) ? row[name] : undefined;
    const given = found ?? (optional === true ? '' : undefined);
    if (given === undefined) return problem(line, 'missing-value', `no value for '${name}'`);
    if (json === true) {
      values[name] = JSON.stringify(given);
      continue;
    }
    const items = stringsOf(given);
    if (listBy !== undefined) {
      if (items === undefined) return problem(line, 'not-a-list', `'${name}' is no list of strings`);
      if (items.some((item) => /\p{Surrogate}/u.test(item))) return notUtf8(line, name);
      values[name] = JSON.stringify(items);
      continue;
    }
    const value = list === true && items !== undefined ? items.join('\n') : given;
    if (typeof value !== 'string') {
      const type = Array.isArray(value) ? 'array' : typeof value;
      return problem(line, 'not-a-string', `'${name}' is of type ${type}, not a string`);
    }
    // JSON can escape half a surrogate pair, which no UTF-8 file can hold.
    if (/\p{Surrogate}/u.test(value)) return notUtf8(line, name);
    values[name] = value;
  }
  return { line, values };
}

function stringsOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items: readonly unknown[] = value;
  return items.every((item) => typeof item === 'string') ? items : undefined;
}

function parseObject(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  file: SourceFile,
): AsyncGenerator<{ line: number; bytes: Buffer }> {
  let line = 1;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      yield { line, bytes: Buffer.concat([...pending, chunk.subarray(from, end)]) };
      pending = [];
      pendingBytes = 0;
      line += 1;
      from = end + 1;
    }
    if (from === chunk.length) continue;
    pending.push(chunk.subarray(from));
    pendingBytes += chunk.length - from;
    if (pendingBytes > MAX_RECORD_BYTES) {
      const size = `${MAX_RECORD_BYTES / 2 ** 20} MiB`;
      throw badFile(
        { ...file, line },
        `the line ${file.name}:${line} is longer than ${size}`,
        'write one JSON object a line',
      );
    }
  }
  if (pendingBytes > 0) yield { line, bytes: Buffer.concat(pending) };
}

// ───────────────────────────── shared ───────────────────────────

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function notUtf8(line: number, column?: string): Exclude<ValuesRow, { values: unknown }> {
  return problem(line, 'not-utf8', `${column === undefined ? 'the line' : `'${column}'`} is not valid UTF-8`);
}

function problem(line: number, reason: RowProblem['reason'], message: string): Exclude<ValuesRow, { values: unknown }> {
  return { line, problem: { reason, message } };
}

function unknownColumn(file: SourceFile, column: string, columns: readonly string[]): EspalierError {
  const known = columns.slice(0, SHOWN_COLUMNS).map(quoted);
  return badFile(
    file,
    `${file.name} has no column '${column}'; it has ${known.join(', ')}${columns.length > SHOWN_COLUMNS ? ', …' : ''}`,
    'name one of these in the definition (data.text, data.pair and data.label, or data.prompt or data.messages)',
  );
}

function badFile(at: SourceFile & { readonly line?: number }, message: string, fix: string): EspalierError {
  return new EspalierError('BadData', message, {
    where: at.line === undefined ? at.name : `${at.name}:${at.line}`,
    fix,
  });
}
