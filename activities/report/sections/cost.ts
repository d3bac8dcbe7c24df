/** What the run took so far: measured, never estimated; money only by prices that somebody gave. */
import { bytes, count, money, seconds } from '../format.ts';
import { html, type Content } from '../../../artifacts/html.ts';
import { facts, table } from '../parts.ts';
import type { Section } from '../page.ts';
import type { Cost, QueueCost } from '../cost.ts';

export const costSection: Section = {
  id: 'cost',
  title: 'What it took',
  body: ({ cost }) => {
    if (cost.queues.length === 0) return null;
    return html`${table(
        'By queue; steps whose result was there already took nothing',
        [
          { title: 'Queue', cell: (one: QueueCost) => html`<code>${one.queue}</code>` },
          { title: 'Steps computed', numeric: true, cell: (one) => count(one.computed) },
          { title: 'Reused', numeric: true, cell: (one) => count(one.reused) },
          { title: 'Attempts', numeric: true, cell: (one) => count(one.attempts) },
          { title: 'Ran', numeric: true, cell: (one) => seconds(one.ranSeconds) },
          { title: 'Begin to end', numeric: true, cell: (one) => seconds(one.elapsedSeconds) },
        ],
        cost.queues,
      )}
      <p class="quiet">
        Ran: seconds that a slot of the queue was held by the attempts that gave the results, by the workers' clocks.
        Begin to end: the same with queueing and failed attempts. ${trainedOn(cost)}
      </p>
      ${facts([...storedFacts(cost), ...moneyFacts(cost)])}`;
  },
};

function trainedOn({ device, devices }: Cost): string {
  if (device === null) return '';
  const times = devices === 1 ? '' : ` Its seconds count ${devices} times, once a device.`;
  return device === 'cpu'
    ? `The training ran on the CPU: the seconds of its queue are no GPU's.${times}`
    : `The training ran on ${device}.${times}`;
}

function storedFacts({ stored }: Cost): readonly (readonly [string, Content])[] {
  if (stored === null) return [];
  const gone = stored.gone === 0 ? '' : `; ${count(stored.gone)} more are in the store no more`;
  return [['In the store', `${bytes(stored.bytes)} in ${count(stored.artifacts)} artifacts, each file once${gone}`]];
}

function moneyFacts({ money: priced }: Cost): readonly (readonly [string, Content])[] {
  if (priced === null) return [['Money', 'no prices are configured (ESPALIER_PRICES)']];
  const { currency, computing, storageAMonth, source, unpriced } = priced;
  return [
    [
      'Computing',
      html`${money(computing.least, currency)} to ${money(computing.most, currency)}<small
          >what ran, to begin to end; prices:
          ${source}${unpriced.length === 0 ? '' : `; without a price: ${unpriced.join(', ')}`}</small
        >`,
    ],
    ...(storageAMonth === null ? [] : ([['Keeping it, a month', money(storageAMonth, currency)]] as const)),
  ];
}
