/** What a search for the open settings tried, how far each trial came, and why the chosen ones. */
import type { MeasuredTrial } from '../../contract/search.ts';
import { html, type Content } from '../../../artifacts/html.ts';
import { count, percent, seconds, significant } from '../format.ts';
import { badge, list, table } from '../parts.ts';
import type { Section } from '../page.ts';

export const searchSection: Section = {
  id: 'search',
  title: 'Search for settings',
  optional: true,
  body: ({ facts: { searched } }) => {
    if (searched === undefined) return null;
    const { trials, reason, rule, stopped, chosen } = searched;
    return html`<p><strong>${reason}</strong></p>
      ${stopped === undefined ? '' : html`<p>${badge('care', 'stopped')} It ended early: ${stopped}.</p>`}
      <p>${rule}</p>
      ${table(
        'Trials: the first is the recommended settings, the others are drawn at random around them',
        [
          {
            title: 'Trial',
            cell: ({ id }: MeasuredTrial) =>
              html`${id}${id === chosen ? html`<small>${badge('good', 'chosen')}</small>` : ''}`,
          },
          { title: 'Settings', cell: settingsText },
          { title: 'Validation accuracy', cell: ({ rungs }) => list(rungs.map(rungText)) },
          { title: 'Trained for', numeric: true, cell: ({ rungs }) => seconds(sum(rungs.map((one) => one.seconds))) },
          { title: 'Left', cell: ({ left }) => left ?? '' },
        ],
        trials,
      )}`;
  },
};

function settingsText({ settings }: MeasuredTrial): Content {
  return list(Object.entries(settings).map(([name, value]) => html`<code>${name}</code> ${significant(value)}`));
}

function rungText({ trainRows, accuracy, accuracies, cut }: MeasuredTrial['rungs'][number]): Content {
  if (accuracy === null) return `${count(trainRows)} rows: ${cut === true ? 'ended by the budget' : 'failed'}`;
  const seeds =
    accuracies.length < 2 ? '' : ` (${accuracies.length} seeds: ${accuracies.map((one) => percent(one)).join(', ')})`;
  return `${count(trainRows)} rows: ${percent(accuracy)}${seeds}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
