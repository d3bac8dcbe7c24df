/** The numbers of the training that the definition left open, and why they are what they are. */
import type { RunFacts } from '../../contract/evidence.ts';
import { html } from '../../../artifacts/html.ts';
import { significant } from '../format.ts';
import { table } from '../parts.ts';
import type { Section } from '../page.ts';

export const recipeSection: Section = {
  id: 'recipe',
  title: 'Settings that were left open',
  optional: true,
  body: ({ facts: { recipe = [] } }) =>
    recipe.length === 0
      ? null
      : table(
          'Chosen by model and rows, or found by a search; a definition that names one keeps its own',
          [
            {
              title: 'Setting',
              cell: ({ path }: NonNullable<RunFacts['recipe']>[number]) => html`<code>${path}</code>`,
            },
            { title: 'Value', numeric: true, cell: ({ value }) => significant(value) },
            { title: 'Why', cell: ({ reason }) => reason },
          ],
          recipe,
        ),
};
