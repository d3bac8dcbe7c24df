/** Each gate: what was measured, against what, and the verdict with its reason. */
import type { BehaviourFailure, BehaviourResult, GateResult } from '../../contract/validation.ts';
import type { Pipeline } from '../../../pipelines/definition.ts';
import { GATE_TABLE, type GateRow } from '../../../pipelines/gate-table.ts';
import { RETRIEVAL_GATE_TABLE } from '../../../pipelines/retrieval-gate-table.ts';
import { count, megabytes, milliseconds, percent, points, score, significant } from '../format.ts';
import { html, type Html } from '../../../artifacts/html.ts';
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
function shownAs(
  name: string,
  task: Pipeline['task'],
  tables: readonly BehaviourResult[] = [],
): {
  readonly title: string;
  readonly show: (value: number | null | undefined) => string;
} {
  if (tables.some((one) => one.name === name)) return { title: name, show: SHOWN.share };
  const rows: Readonly<Record<string, Pick<GateRow, 'title' | 'unit'>>> =
    task === 'image-retrieval' ? RETRIEVAL_GATE_TABLE : GATE_TABLE;
  const row = Object.entries(rows).find(([known]) => known === name)?.[1];
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
    const tables = run.evaluation?.behaviour ?? [];
    const show = (gate: GateResult<string>) => shownAs(gate.name, run.pipeline.task, tables).show;
    return html`<p>
        ${badge(VERDICTS[gates.verdict], gates.verdict)} Where a measure has an interval, an end of it is judged: the
        worse one where the model must show that it is good, the better one where a defect must be shown. What could not
        be measured fails.
      </p>
      ${table(
        'Gates, measured through onnxruntime on the test split',
        [
          { title: 'Gate', cell: (gate: GateResult<string>) => shownAs(gate.name, run.pipeline.task).title },
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
      )}${tables.map(failures)}`;
  },
};

/** The tests of a table that do not hold, by where they were written: their texts are in the evaluation's details. */
function failures({ name, kind, score: { rows }, failures: listed }: BehaviourResult): Html {
  if (listed.length === 0) return html``;
  return table(
    `${name}: tests of ${kind} that do not hold, the first ${listed.length} (${count(rows)} were asked)`,
    [
      { title: 'Test', cell: ({ file, line }: BehaviourFailure) => html`<code>${file}:${line}</code>` },
      { title: 'Answer', cell: ({ problem }) => problem },
    ],
    listed,
  );
}
