/** Gate by gate the inputs that show what it means: a gate's link in the table of gates leads here. */
import { GATE_TABLE } from '../../../pipelines/gates/table.ts';
import type { GateRow } from '../../../pipelines/gates/row.ts';
import { GENERATION_GATE_TABLE } from '../../../pipelines/gates/generation.ts';
import { RETRIEVAL_GATE_TABLE } from '../../../pipelines/gates/retrieval.ts';
import { html } from '../../../artifacts/html.ts';
import { isOfPictures } from '../../privacy/policy-text.ts';
import type { ShownExample } from '../gate-examples.ts';
import type { ReportInput, Section } from '../page.ts';
import { table } from '../parts.ts';

type Row = Pick<GateRow, 'title' | 'examples'>;

/** Where on the page a gate's examples stand. */
export const examplesId = (gate: string): string => `examples-${gate}`;

export const gateExamplesSection: Section = {
  id: 'examples',
  title: 'Examples of what the gates say',
  // Of an evaluation that found nothing to show there is nothing missing.
  optional: true,
  body: (input) => {
    const { gateExamples, facts } = input;
    const rows: Readonly<Record<string, Row>> = tableOf(input);
    const shown = Object.entries(rows).flatMap(([gate, row]) => {
      const examples = gateExamples?.[gate] ?? [];
      if (examples.length === 0 || !('rows' in row.examples)) return [];
      return [{ gate, examples, caption: `${row.title}: ${row.examples.rows}` }];
    });
    if (shown.length === 0) return null;
    const pictures = isOfPictures(facts.pipeline.data);
    return html`<p>
        Up to five of each; placeholders stand for personal data, long texts are cut.
        ${pictures ? 'A picture lies under its row in the tar of its split in the dataset, and is not shown here.' : ''}
      </p>
      ${shown.map(
        ({ gate, examples, caption }) => html`<div id="${examplesId(gate)}">${examplesTable(caption, examples)}</div> `,
      )}`;
  },
};

function tableOf({ facts: { pipeline } }: ReportInput): Readonly<Record<string, Row>> {
  if (pipeline.task === 'text-generation') return GENERATION_GATE_TABLE;
  return pipeline.task === 'image-retrieval' ? RETRIEVAL_GATE_TABLE : GATE_TABLE;
}

function examplesTable(caption: string, examples: readonly ShownExample[]) {
  const texts = {
    title: 'Text',
    cell: ({ text }: ShownExample) => html`<span class="text">${text ?? 'not kept'}</span>`,
  };
  return table(
    caption,
    [
      { title: 'Row', cell: ({ id }: ShownExample) => html`<code>${id}</code>` },
      { title: 'What came of it', cell: ({ note }) => html`<span class="text">${note}</span>` },
      ...(examples.some(({ text }) => text !== null) ? [texts] : []),
    ],
    examples,
  );
}
