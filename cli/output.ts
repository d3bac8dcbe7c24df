/** What commands print: data on stdout (a table, or JSON with --json), everything else on stderr. */
import { EspalierError, type ErrorKind } from '../artifacts/errors.ts';

/** Documented exit codes (docs/operating.md). */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  waitingForApproval: 3,
  conflict: 4,
  notFound: 5,
  needsConfirmation: 6,
  parked: 7,
  interrupted: 130,
} as const;

const EXIT_BY_KIND: Partial<Record<ErrorKind, number>> = {
  BadDefinition: EXIT.usage,
  BadConfig: EXIT.usage,
  NotFound: EXIT.notFound,
  Conflict: EXIT.conflict,
  ApprovalRefused: EXIT.conflict,
};

export function exitCodeOf(error: unknown): number {
  return error instanceof EspalierError ? (EXIT_BY_KIND[error.kind] ?? EXIT.failed) : EXIT.failed;
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Left-aligned columns, two spaces apart; numbers are the caller's to format. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  process.stdout.write(
    `${[process.stdout.isTTY ? style.bold(line(header)) : line(header), ...rows.map(line)].join('\n')}\n`,
  );
}

/** One line for people, on stderr. */
export function say(line = ''): void {
  process.stderr.write(`${line}\n`);
}

export function printError(error: unknown, json: boolean): void {
  const record =
    error instanceof EspalierError
      ? error.toRecord()
      : { kind: 'Internal', message: error instanceof Error ? error.message : String(error), retryable: false };
  if (json) printJson({ error: record });
  say(`${style.red('error')} ${record.kind}: ${record.message}`);
  if ('where' in record && record.where !== undefined) say(`  where: ${record.where}`);
  if ('fix' in record && record.fix !== undefined) say(`  fix:   ${record.fix}`);
  if (!(error instanceof EspalierError) && process.env['ESPALIER_DEBUG'] && error instanceof Error)
    say(error.stack ?? '');
}

const coloured =
  !process.env['NO_COLOR'] && (process.env['FORCE_COLOR'] ? process.env['FORCE_COLOR'] !== '0' : process.stderr.isTTY);
const paint =
  (code: number) =>
  (text: string): string =>
    coloured ? `\u001b[${code}m${text}\u001b[0m` : text;
export const style = {
  bold: paint(1),
  dim: paint(2),
  red: paint(31),
  green: paint(32),
  yellow: paint(33),
  cyan: paint(36),
};

/** '1 h 2 min', '3 min 4 s', '5 s', '0.4 s'. */
export function seconds(value: number): string {
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 60) return `${Math.round(value)} s`;
  const minutes = Math.round(value / 60);
  if (minutes < 60) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
