/** What odd inputs do to a model. */
import { html, type Html } from '../../../artifacts/html.ts';
import type { Evaluation } from '../../contract/validation.ts';
import { badge, facts, table } from '../parts.ts';

/** Row by row only what is not usable: what passes is the rule, and told in a sentence. `by`: what a usable answer has. */
export function edgeTable(edgeInputs: Evaluation['edgeInputs'], by: string): Html {
  if (edgeInputs.length === 0) return html``;
  const names = edgeInputs.filter(({ ok }) => ok).map(({ name }) => name);
  const wrong = edgeInputs.filter(({ ok }) => !ok);
  const answered = `${names.length} of ${edgeInputs.length} answered with ${by}`;
  return html`${facts([['Edge inputs', names.length === 0 ? answered : `${answered}: ${names.join(', ')}`]])}
  ${
    wrong.length === 0
      ? html``
      : table(
          'Edge inputs without a usable answer',
          [
            { title: 'Input', cell: (row: Evaluation['edgeInputs'][number]) => row.name },
            { title: 'Answer', cell: () => badge('bad', 'not usable') },
            { title: 'Detail', cell: (row) => row.detail },
          ],
          wrong,
        )
  }`;
}
