/** What worse pictures cost, and whose table says how they are made worse. */
import { html, type Html } from '../../../artifacts/html.ts';
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import type { CorruptionCost } from '../../contract/validation.ts';
import { digest, points, score } from '../format.ts';
import { table } from '../parts.ts';

/** Nothing of no rows. `measure`: what is lost, as a heading. `own`: the definition's table; undefined where it is the package's. */
export function corruptionTable(rows: readonly CorruptionCost[], measure: string, own: ArtifactRef | undefined): Html {
  if (rows.length === 0) return html``;
  const whose =
    own === undefined
      ? html``
      : html`<p>
          Kinds and strengths are those of the definition’s own table ${own.name} (${digest(own.digest)}). The rate of
          false alarms that is documented was measured with the table of the package.
        </p>`;
  return html`${whose}${table(
    `${measure} lost on worse pictures; the interval holds for all kinds of a strength at once`,
    [
      { title: 'Corruption', cell: (row: CorruptionCost) => row.name },
      { title: 'Strength', cell: (row) => `${row.severity}: ${row.says}` },
      { title: `${measure} lost`, numeric: true, cell: (row) => score(row.drop, points) },
    ],
    rows,
  )}`;
}
