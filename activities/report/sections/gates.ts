/** Each gate: what was measured, against what, and the verdict with its reason. */
import type { RunFacts } from '../../contract/evidence.ts';
import type { BehaviourFailure, BehaviourResult, GateResult } from '../../contract/validation.ts';
import { GATE_TABLE } from '../../../pipelines/gates/table.ts';
import type { GateRow } from '../../../pipelines/gates/row.ts';
import { GENERATION_GATE_TABLE } from '../../../pipelines/gates/generation.ts';
import { MEMORISATION_GATE_TABLE, type MemorisationGateRow } from '../../../pipelines/gates/memorisation.ts';
import { RETRIEVAL_GATE_TABLE } from '../../../pipelines/gates/retrieval.ts';
import { count, megabytes, milliseconds, percent, points, score, significant } from '../format.ts';
import { html, type Content, type Html } from '../../../artifacts/html.ts';
import { badge, list, table } from '../parts.ts';
import type { ReportMaterial } from '../material.ts';
import type { Section } from '../page.ts';
import { examplesId } from './gate-examples.ts';

/** By the unit; the smallest numbers keep their digits. */
const SHOWN: Readonly<Record<Described['unit'], (value: number | null | undefined) => string>> = {
  share: (value) => percent(value),
  points,
  ms: milliseconds,
  MB: megabytes,
  number: significant,
  bits: (value) => (Number.isFinite(value) ? `${significant(value)} bits` : significant(value)),
};

type Described = Pick<GateRow, 'title' | 'meaning' | 'falseAlarms' | 'examples'> & Pick<MemorisationGateRow, 'unit'>;

/** The gates of the tables that the run's task has; one of the run's own is in none. */
function described({ pipeline }: RunFacts): ReadonlyMap<string, Described> {
  if (pipeline.task === 'text-generation') {
    return new Map(Object.entries({ ...GENERATION_GATE_TABLE, ...MEMORISATION_GATE_TABLE }));
  }
  return new Map(Object.entries(pipeline.task === 'image-retrieval' ? RETRIEVAL_GATE_TABLE : GATE_TABLE));
}

/** What each gate says, and how often it accuses a model that has not the defect. */
function sentences(gates: readonly GateResult<string>[], known: ReadonlyMap<string, Described>): Content {
  const rows = gates.flatMap(({ name }) => known.get(name) ?? []);
  if (rows.length === 0) return '';
  return table(
    'What the gates say, and how often they accuse a model that is as it should be',
    [
      { title: 'Gate', cell: ({ title }: Described) => title },
      { title: 'What it says', cell: ({ meaning }) => html`<span class="text">${meaning}</span>` },
      { title: 'False alarms', cell: ({ falseAlarms }) => html`<span class="text">${falseAlarms}</span>` },
    ],
    rows,
  );
}

const VERDICTS = { pass: 'good', fail: 'bad', warn: 'care', off: 'neutral' } as const satisfies Record<
  GateResult['verdict'],
  string
>;

export const gatesSection: Section = {
  id: 'gates',
  title: 'Gates',
  body: ({ facts: run, gateExamples }) => {
    const { gates } = run;
    if (gates === undefined) return null;
    const evaluation = run.evaluation ?? run.retrieval ?? run.generation?.evaluation;
    const tables = evaluation?.behaviour ?? [];
    const known = described(run);
    const show = ({ name }: GateResult<string>) => {
      if (tables.some((one) => one.name === name)) return SHOWN.share;
      const row = known.get(name);
      return row === undefined ? significant : SHOWN[row.unit];
    };
    return html`<p>
        ${badge(VERDICTS[gates.verdict], gates.verdict)} Where a measure has an interval, an end of it is judged: the
        worse one where the model must show that it is good, the better one where a defect must be shown. What could not
        be measured fails.
      </p>
      ${ownModule(run)}
      ${table(
        'Gates, measured through onnxruntime on the test split',
        [
          { title: 'Gate', cell: (gate: GateResult<string>) => known.get(gate.name)?.title ?? gate.name },
          { title: 'Verdict', cell: (gate) => badge(VERDICTS[gate.verdict], gate.verdict) },
          { title: 'Measured, interval', numeric: true, cell: (gate) => score(gate.score, show(gate)) },
          { title: 'Judged', numeric: true, cell: (gate) => show(gate)(gate.measured) },
          {
            title: 'Threshold',
            numeric: true,
            cell: (gate) => `${gate.direction === 'min' ? 'at least' : 'at most'} ${show(gate)(gate.threshold)}`,
          },
          { title: 'Reason', cell: (gate) => html`<span class="text">${gate.reason}</span>` },
          { title: 'Examples', cell: (gate) => examplesLink(gate, known.get(gate.name), gateExamples) },
        ],
        gates.gates,
      )}${sentences(gates.gates, known)}${tables.map(failures)}`;
  },
};

/** To the part of the page that shows them; why there are none, of a gate that has no rows. */
function examplesLink(
  { name, measured, examples }: GateResult<string>,
  row: Described | undefined,
  shown: ReportMaterial['gateExamples'],
): Content {
  if (examples?.path === 'behaviour') return html`<a href="#${tableId(name)}">see ${count(examples.ids.length)}</a>`;
  if (row !== undefined && 'none' in row.examples) return html`<small class="brief">${row.examples.none}</small>`;
  const rows = shown?.[name] ?? [];
  if (examples !== undefined && rows.length > 0) {
    return html`<a href="#${examplesId(name)}">see ${count(rows.length)}</a>`;
  }
  return measured === null || row === undefined ? '' : html`<small class="brief">no row was kept</small>`;
}

const tableId = (name: string): string => `behaviour-${name}`;

/** Whoever approves has seen the verdicts of just this code. */
function ownModule({ customGates, pipeline }: RunFacts): Html {
  if (customGates === undefined) return html``;
  const names = Object.keys(pipeline.customGates ?? {}).join(', ');
  return html`<p>
    Of the organisation’s own: ${names}, from the module <code>${customGates.module}</code>. With other code they are
    another verdict, and other evidence.
  </p>`;
}

/** The tests of a table that do not hold, by where they were written: their texts are in the evaluation's details, their pictures in the dataset. */
function failures({ name, kind, score: { rows }, failures: listed }: BehaviourResult): Html {
  if (listed.length === 0) return html``;
  const pictures = {
    title: 'Pictures in the dataset',
    cell: ({ pictures: asked = [] }: BehaviourFailure) => list(asked.map((name) => html`<code>${name}</code>`)),
  };
  return html`<div id="${tableId(name)}">
    ${table(
      `${name}: tests of ${kind} that do not hold, the first ${listed.length} (${count(rows)} were asked)`,
      [
        { title: 'Test', cell: ({ file, line }: BehaviourFailure) => html`<code>${file}:${line}</code>` },
        { title: 'Answer', cell: ({ problem }) => problem },
        ...(listed.some(({ pictures: asked }) => asked !== undefined) ? [pictures] : []),
      ],
      listed,
    )}
  </div>`;
}
