/**
 * What of `data.shiftedFiles` is from elsewhere, of texts, pictures and prompts alike: a later export often still holds the earlier
 * year, and what was learnt, or is measured already, hides what the rest loses.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import type { BadRow } from './checks.ts';

interface Place {
  readonly file: string;
  readonly line: number;
}
export interface Elsewhere<Row> {
  readonly rows: readonly Row[];
  /** Bad rows that the definition lets be dropped. */
  readonly badRows: readonly BadRow[];
  /** Dropped for personal data, as duplicates, or since they are not from elsewhere. */
  readonly left: readonly BadRow[];
  /** A file each. */
  readonly rowsRead: Readonly<Record<string, number>>;
}

/** `rows`, each once, without those that a row of the splits is, too. Throws BadData where none is left; `bad` says why, where nothing else does. */
export function fromElsewhere<Row extends Place>(
  rows: readonly Row[],
  /** The row of the splits that is, or asks, the same. */
  knownAs: ReadonlyMap<Row, Place>,
  { thing, asks, bad }: { readonly thing: string; readonly asks: string; readonly bad: readonly BadRow[] },
): { readonly rows: readonly Row[]; readonly left: readonly BadRow[] } {
  const fresh = rows.filter((row) => !knownAs.has(row));
  if (fresh.length === 0) {
    const [first] = bad;
    const why =
      knownAs.size > 0
        ? `: ${knownAs.size} of them are among the ${thing}s of train, validation and test`
        : first === undefined
          ? ''
          : `: ${first.file}, ${first.line}: ${first.message}`;
    throw new EspalierError('BadData', `no ${thing} of data.shiftedFiles can be used${why}`, {
      where: 'data.shiftedFiles',
      fix: `name ${thing}s from elsewhere, correct them, or leave data.shiftedFiles out`,
    });
  }
  const left = [...knownAs].map(([{ file, line }, by]): BadRow => {
    const message = `${by.file}:${by.line}, a row of the splits, ${asks}, too: it is not from elsewhere`;
    return { reason: 'not-elsewhere', file, line, message };
  });
  return { rows: fresh, left };
}

/** Those of `rows` that are the same as a known one, with the first that is. */
export function sameAs<Row extends Known, Known extends { readonly normalised: string }>(
  rows: readonly Row[],
  known: readonly Known[],
): ReadonlyMap<Row, Known> {
  const first = new Map(known.toReversed().map((row) => [row.normalised, row]));
  return new Map(
    rows.flatMap((row) => {
      const by = first.get(row.normalised);
      return by === undefined ? [] : [[row, by] as const];
    }),
  );
}
