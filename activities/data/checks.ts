/** What must hold of labelled texts before anything is trained on them. Pure. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { DataFile, DataFinding, RowSplit, Split } from '../contract/data.ts';
import { compareText, countLabels, groupBy, labelsOf, type WithLabels } from './group.ts';
import { maskPersonalData } from '../privacy/scan.ts';
import type { Groups } from './readers.ts';
import { isBlank, type TextIdentity } from './normalise.ts';

/** A readable row with everything that is compared about it worked out once. */
export interface CheckedRow extends TextIdentity {
  readonly file: string;
  readonly line: number;
  readonly split: RowSplit;
  readonly text: string;
  /** The second text, where the data are of pairs. */
  readonly pair?: string;
  readonly label: string;
  /** Where a row has none, one or several: `label` is then what stands for the set (row-labels.ts). */
  readonly labels?: readonly string[];
  readonly groups?: Groups;
}

export interface BadRow {
  readonly reason: string;
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface RowRules {
  readonly maxTextBytes: number;
  readonly labels?: readonly string[] | undefined;
}

/** What is wrong with one row by itself. */
export function checkRow(
  row: WithLabels & { readonly text: string; readonly pair?: string | undefined },
  rules: RowRules,
): { readonly reason: string; readonly message: string } | undefined {
  if (isBlank(row.text)) return { reason: 'empty-text', message: 'the text is empty' };
  if (row.pair !== undefined && isBlank(row.pair)) return { reason: 'empty-text', message: 'the second text is empty' };
  const labels = labelsOf(row);
  if (labels.some(isBlank)) {
    const message = row.labels === undefined ? 'the label is empty' : 'one of its labels is empty';
    return { reason: 'empty-label', message };
  }
  const twice = labels.find((label, place) => labels.indexOf(label) < place);
  if (twice !== undefined) return { reason: 'repeated-label', message: `the label ${quoted(twice)} is given twice` };
  const [bytes, pairBytes] = [Buffer.byteLength(row.text), Buffer.byteLength(row.pair ?? '')];
  if (Math.max(bytes, pairBytes) > rules.maxTextBytes) {
    const which = bytes >= pairBytes ? 'the text' : 'the second text';
    return {
      reason: 'too-long',
      message: `${which} has ${Math.max(bytes, pairBytes)} bytes, more than data.maxTextBytes (${rules.maxTextBytes})`,
    };
  }
  const unknown = labels.find((label) => rules.labels?.includes(label) === false);
  if (unknown !== undefined) {
    return { reason: 'unknown-label', message: `the label ${quoted(unknown)} is not in data.labels` };
  }
  return undefined;
}

/** Rows to evaluate on whose label the training rows never show: no model could learn it. Only for declared splits. */
export function unseenLabels(rows: readonly CheckedRow[]): readonly BadRow[] {
  const seen = new Set(rows.filter(({ split }) => !isHeldOut(split)).flatMap(labelsOf));
  return rows.flatMap((row) => {
    const { file, line, split } = row;
    const unseen = isHeldOut(split) ? labelsOf(row).find((label) => !seen.has(label)) : undefined;
    if (unseen === undefined) return [];
    const message = `the label ${quoted(unseen)} is in ${split} but never in train`;
    return [{ reason: 'unknown-label', file, line, message }];
  });
}

/** Bad rows that an error names; all are counted. */
export const SHOWN_BAD_ROWS = 10;

/** Which side keeps a text that several sides have: the smaller ones, so that what is measured stays whole. */
const KEEPS: Readonly<Record<RowSplit, number>> = { test: 0, validation: 1, train: 2, all: 3 };

/** Whether a file holds rows to be split; the others describe them, or are read for themselves. */
export function holdsRows(split: DataFile['split']): split is RowSplit {
  return Object.hasOwn(KEEPS, split);
}

export interface Deduplicated<Row> {
  readonly kept: readonly Row[];
  /** Same text, same label. */
  readonly duplicates: readonly BadRow[];
  /** Same text, different labels: which one is right cannot be known, so none of them is kept. */
  readonly conflicts: readonly BadRow[];
}

/**
 * Leaves one row a normalised text. Of equal rows the held-out side's is kept, and among those the one whose text
 * sorts first, so that the order of the rows in a file does not matter.
 */
export function deduplicate<Row extends CheckedRow>(
  rows: readonly Row[],
  thing = 'text',
  identityOf: (row: Row) => string = ({ normalised }) => normalised,
): Deduplicated<Row> {
  const groups = groupBy(rows, identityOf);
  const kept: Row[] = [];
  const duplicates: BadRow[] = [];
  const conflicts: BadRow[] = [];
  for (const group of groups.values()) {
    const [best, ...rest] = group.length === 1 ? group : group.toSorted(byKeeping);
    if (best === undefined) continue;
    const other = rest.find(({ label }) => label !== best.label);
    if (other === undefined) {
      kept.push(best);
      for (const { file, line } of rest) {
        duplicates.push({ reason: 'duplicate', file, line, message: `the same ${thing} and label as ${place(best)}` });
      }
    } else {
      for (const row of group) {
        const against = row.label === best.label ? other : best;
        const message = `the same ${thing} as ${place(against)}, which has the ${row.labels === undefined ? 'label' : 'labels'} ${quoted(against.label)} instead of ${quoted(row.label)}`;
        conflicts.push({ reason: 'conflicting-duplicate', file: row.file, line: row.line, message });
      }
    }
  }
  return { kept, duplicates, conflicts };
}

function byKeeping(left: CheckedRow, right: CheckedRow): number {
  return (
    KEEPS[left.split] - KEEPS[right.split] ||
    compareText(left.text, right.text) ||
    compareText(left.pair ?? '', right.pair ?? '') ||
    compareText(left.label, right.label)
  );
}

/**
 * Why these rows cannot be trained on, as a sentence for each reason: fewer than two labels, or too few rows of one.
 * `labels` are those that must be there.
 */
export function classProblems(
  rows: readonly WithLabels[],
  labels: readonly string[],
  minRowsPerLabel: number,
): readonly string[] {
  if (labels.length < 2) {
    const only = labels.map(quoted).join('');
    return [
      `there ${rows.length === 1 ? 'is 1 row' : `are ${rows.length} rows`} of ${only === '' ? 'no label' : `one label, ${only}`}; a classifier needs at least two labels`,
    ];
  }
  const counts = countLabels(rows);
  const short = labels.filter((label) => (counts.get(label) ?? 0) < minRowsPerLabel);
  const everywhere = labels.find((label) => rows.length - (counts.get(label) ?? 0) < minRowsPerLabel);
  if (short.length === 0 && everywhere !== undefined && rows.some((row) => row.labels !== undefined)) {
    const without = rows.length - (counts.get(everywhere) ?? 0);
    return [
      `only ${without} of ${rows.length} usable rows are without ${quoted(everywhere)}: at least ${minRowsPerLabel} (data.minRowsPerLabel) are needed to tell where it does not apply`,
    ];
  }
  if (short.length === 0) return [];
  const shown = short.slice(0, 10).map((label) => `${quoted(label)} has ${counts.get(label) ?? 0}`);
  const more = short.length > shown.length ? ` and ${short.length - shown.length} more labels` : '';
  return [
    `${rows.length} usable rows are too few: every label needs at least ${minRowsPerLabel} (data.minRowsPerLabel), but ${shown.join(', ')}${more}`,
  ];
}

/** The largest label has at least this many times the rows of the smallest: accuracy hides how the small one does. */
const IMBALANCE_RATIO = 10;

export function imbalance(rows: readonly WithLabels[]): DataFinding | undefined {
  const sorted = [...countLabels(rows)].toSorted(([, left], [, right]) => left - right);
  const [least, most] = [sorted.at(0), sorted.at(-1)];
  if (least === undefined || most === undefined || most[1] < IMBALANCE_RATIO * least[1]) return undefined;
  return {
    severity: 'warning',
    reason: 'imbalance',
    message: `${quoted(most[0])} has ${most[1]} rows, ${quoted(least[0])} only ${least[1]}: look at macro-F1, and consider training.classWeights`,
  };
}

/** The first bad rows by file and line. */
export function badData(bad: readonly BadRow[]): EspalierError {
  const shown = bad
    .slice(0, SHOWN_BAD_ROWS)
    .map(({ file, line, reason, message }) => `  ${file}:${line}: ${message} (${reason})`);
  const more = bad.length > shown.length ? [`  … and ${bad.length - shown.length} more`] : [];
  const count = bad.length === 1 ? '1 row is bad' : `${bad.length} rows are bad`;
  return new EspalierError('BadData', [`${count}:`, ...shown, ...more].join('\n'), {
    where: `${bad[0]?.file}:${bad[0]?.line}`,
    fix: "correct these rows, or set data.onBadRow to 'drop' to leave them out and have them counted in the report",
  });
}

/** A label or text for a message: quoted, cut, and without control characters or personal data. */
export function quoted(text: string): string {
  const clean = maskPersonalData(text).replaceAll(/\p{C}/gu, '\u{FFFD}');
  return `'${clean.length > 60 ? `${clean.slice(0, 60)}…` : clean}'`;
}

function isHeldOut(split: RowSplit): split is Exclude<Split, 'train'> {
  return split === 'validation' || split === 'test';
}

function place(row: { readonly file: string; readonly line: number }): string {
  return `${row.file}:${row.line}`;
}
