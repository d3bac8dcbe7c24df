/** Each gate: what was measured, against what, and the verdict with its reason. */
import type { GateResult } from '../../contract/validation.ts';
import type { GateName } from '../../../pipelines/definition.ts';
import { megabytes, milliseconds, percent, points, score, significant } from '../format.ts';
import { html } from '../../../artifacts/html.ts';
import { badge, table } from '../parts.ts';
import type { Section } from '../page.ts';

const GATES: Readonly<
  Record<GateName, { readonly title: string; readonly show: (value: number | null | undefined) => string }>
> = {
  accuracy: { title: 'Accuracy', show: (value) => percent(value) },
  macroF1: { title: 'Macro F1', show: (value) => percent(value) },
  worstLabelF1: { title: 'F1 of the worst label', show: (value) => percent(value) },
  gainOverProbe: { title: 'Gain over the frozen probe', show: points },
  trainValidationGap: { title: 'Training minus validation accuracy', show: points },
  latencyP95Ms: { title: 'Latency p95', show: milliseconds },
  sizeMb: { title: 'Size', show: megabytes },
  edgeInputs: { title: 'Edge inputs answered', show: (value) => percent(value) },
  flipRate: { title: 'Labels flipped by harmless edits', show: (value) => percent(value) },
  exportParity: { title: 'Export parity, largest |Δ probability|', show: significant },
};

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
    const show = (gate: GateResult) => GATES[gate.name].show;
    return html`<p>
        ${badge(VERDICTS[gates.verdict], gates.verdict)} Where a measure has an interval, its worse end is judged. What
        could not be measured fails.
      </p>
      ${table(
        'Gates, measured through onnxruntime on the test split',
        [
          { title: 'Gate', cell: (gate: GateResult) => GATES[gate.name].title },
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
