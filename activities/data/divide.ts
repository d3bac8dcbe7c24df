/** From checked rows to train, validation and test: sides that were declared, the others split off. Pure. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { DataFile, PrepareDataInput, Split } from '../contract/data.ts';
import { quoted, type CheckedRow } from './checks.ts';
import type { Sides } from './contamination.ts';
import { compareText } from './group.ts';
import { splitRows, type Shares } from './split.ts';

/** Declared sides stay; what is not declared is split off from the rest. Each side is sorted by row id. `alike`: what rows of one `near` key are. */
export function divide<Row extends CheckedRow>(
  rows: readonly Row[],
  files: readonly DataFile[],
  { train, validation, test, seed }: PrepareDataInput['data']['split'],
  alike = 'nearly the same text (they differ only in digits, punctuation or case)',
): Sides<Row> {
  const declared = new Set(files.map(({ split }) => split));
  const shares: Shares = {
    train,
    ...(declared.has('validation') ? {} : { validation }),
    ...(declared.has('test') ? {} : { test }),
  };
  const { sides, unsplittable } = splitRows(
    rows.filter(({ split }) => split === 'train' || split === 'all'),
    shares,
    seed,
  );
  if (unsplittable.length > 0) {
    const names = unsplittable.slice(0, 10).map(quoted);
    throw new EspalierError(
      'BadData',
      `the rows of ${names.join(', ')} are ${alike}, so that no split can hold different ones`,
      { where: 'data.files', fix: 'add different ones for these labels, or declare the splits in data.files' },
    );
  }
  const side = (split: Split): Row[] => [
    ...sides[split],
    ...rows.filter((row) => split !== 'train' && row.split === split),
  ];
  return { train: byId(side('train')), validation: byId(side('validation')), test: byId(side('test')) };
}

function byId<Row extends CheckedRow>(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted((left, right) => compareText(left.id, right.id));
}
