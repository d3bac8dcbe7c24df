/** What worse pictures cost. */
import { html, type Html } from '../../../artifacts/html.ts';
import type { CorruptionCost } from '../../contract/validation.ts';
import { points, score } from '../format.ts';
import { table } from '../parts.ts';

/** Nothing of no rows. `measure`: what is lost, as a heading. */
export function corruptionTable(rows: readonly CorruptionCost[], measure: string): Html {
  if (rows.length === 0) return html``;
  return table(
    `${measure} lost on worse pictures; the interval holds for all kinds of a strength at once`,
    [
      { title: 'Corruption', cell: (row: CorruptionCost) => row.name },
      { title: 'Strength', cell: (row) => `${row.severity}: ${row.says}` },
      { title: `${measure} lost`, numeric: true, cell: (row) => score(row.drop, points) },
    ],
    rows,
  );
}
