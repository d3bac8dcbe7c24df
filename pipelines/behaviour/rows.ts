/** The rows of a table of CSV or JSONL with the line that each begins on. No I/O. */
import { CsvError, parse } from 'csv-parse/sync';

export type Row = Readonly<Record<string, unknown>>;
export interface PlacedRow {
  readonly line: number;
  /** Missing where the line of JSONL is no object. */
  readonly row: Row | undefined;
}
export interface TableProblem {
  /** 1 where it is the whole file's. */
  readonly line: number;
  /** Missing where it is the whole row's. */
  readonly field?: string;
  readonly message: string;
}

export function jsonRows(content: string): PlacedRow[] {
  return content.split('\n').flatMap((line, place): PlacedRow[] => {
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
export function csvRows(content: string): PlacedRow[] | TableProblem {
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
    const twice = names.findIndex((name, at) => names.indexOf(name) !== at);
    // Not by its name: without a header it would be a text of the first row.
    const both = `${names.indexOf(names[twice] ?? '') + 1} and ${twice + 1}`;
    if (twice !== -1) return { line: 1, message: `has the same name for the columns ${both}` };
    return rows.map(({ line, cells }) => ({
      line,
      row: Object.fromEntries(cells.map((cell, at) => [names[at] ?? '', cell])),
    }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { line: nextLine, message: 'is not CSV: put the cell in double quotes and double every quote inside it' };
  }
}
