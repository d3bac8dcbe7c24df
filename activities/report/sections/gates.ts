/** Each gate: what was measured, against what, and the verdict with its reason. */
import type { GateResult } from '../../contract/validation.ts';
import { GATE_TABLE, type GateRow } from '../../../pipelines/gate-table.ts';
import { megabytes, milliseconds, percent, points, score, significant } from '../format.ts';
import { html } from '../../../artifacts/html.ts';
import { badge, table } from '../parts.ts';
import type { Section } from '../page.ts';

/** By the unit; the smallest numbers keep their digits. */
const SHOWN: Readonly<Record<GateRow['unit'], (value: number | null | undefined) => string>> = {
  share: (value) => percent(value),
  points,
  ms: milliseconds,
  MB: megabytes,
  number: significant,
};

/** A gate of the table, or one that a run has of its own. */
function shownAs(name: string): {
  readonly title: string;
  readonly show: (value: number | null | undefined) => string;
} {
  const row = Object.entries(GATE_TABLE).find(([known]) => known === name)?.[1];
  return row === undefined ? { title: name, show: significant } : { title: row.title, show: SHOWN[row.unit] };
}

const VERDICTS = { pass: 'good', fail: 'bad', warn: 'care', off: 'neutral' } as const satisfies Record<
  GateResult['verdict'],
  string
>;

export const gatesSection: Section = {
  id: 'gates',
  title: 'Gates',
  body: ({ facts: run }) => {
    const { gates } = run;
    if (gates === undefined) return null;
    const show = (gate: GateResult<string>) => shownAs(gate.name).show;
    return html`<p>
        ${badge(VERDICTS[gates.verdict], gates.verdict)} Where a measure has an interval, an end of it is judged: the
        worse one where the model must show that it is good, the better one where a defect must be shown. What could not
        be measured fails.
      </p>
      ${table(
        'Gates, measured through onnxruntime on the test split',
        [
          { title: 'Gate', cell: (gate: GateResult<string>) => shownAs(gate.name).title },
          { title: 'Verdict', cell: (gate) => badge(VERDICTS[gate.verdict], gate.verdict) },
          { title: 'Measured, interval', numeric: true, cell: (gate) => score(gate.score, show(gate)) },
          { title: 'Judged', numeric: true, cell: (gate) => show(gate)(gate.measured) },
          {
            title: 'Threshold',
            numeric: true,
            cell: (gate) => `${gate.direction === 'min' ? 'at least' : 'at most'} ${show(gate)(gate.threshold)}`,
          },
          { title: 'Reason', cell: (gate) => html`<span class="text">${gate.reason}</span>` },
        ],
        gates.gates,
      )}`;
  },
};
