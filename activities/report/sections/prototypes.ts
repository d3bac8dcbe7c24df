/** One page on why this candidate: what was tried on small parts of the data, who left, and what all of it should bring. */
import type { CandidateCurve, Prototyped } from '../../contract/prototype.ts';
import { html, type Content } from '../../../artifacts/html.ts';
import type { Cost } from '../cost.ts';
import { count, money, percent, seconds } from '../format.ts';
import { badge, list, table } from '../parts.ts';
import type { Section } from '../page.ts';
import { prototypesPlot } from '../plots/prototypes.ts';

export const prototypesSection: Section = {
  id: 'prototypes',
  title: 'Prototypes',
  optional: true,
  body: ({ facts: { prototyped }, cost }) => {
    if (prototyped === undefined) return null;
    const { curves, left, fullRows, reason, rule, stopped, winner } = prototyped;
    return html`<p><strong>${reason}</strong></p>
      ${stopped === undefined ? '' : html`<p>${badge('care', 'stopped')} It ended early: ${stopped}.</p>`}
      <p>
        The best by frozen figures, and the largest, were fine-tuned on growing parts of the training rows: after each
        the better half went on. ${rule}
      </p>
      ${prototypesPlot(prototyped)}
      ${table(
        'What was measured, and what the curves say of all rows',
        [
          {
            title: 'Candidate',
            cell: (one: CandidateCurve) =>
              html`${one.candidate}${one.candidate === winner ? html`<small>${badge('good', 'chosen')}</small>` : ''}`,
          },
          { title: 'Measured', cell: ({ points }) => list(points.map(pointText)) },
          { title: `Predicted at ${count(fullRows)} rows`, cell: predictedText },
          { title: 'Time to train on all', numeric: true, cell: (one) => timeText(one, cost) },
        ],
        curves,
      )}
      ${left.length === 0 ? '' : list(left.map((one) => html`${one.candidate}: ${one.reason}`))}
      ${worth(prototyped, cost)}`;
  },
};

function pointText({ trainRows, accuracy, error, seconds: took }: CandidateCurve['points'][number]): Content {
  if (accuracy === null) return `${count(trainRows)} rows: failed (${error ?? 'no accuracy'})`;
  return `${count(trainRows)} rows: ${percent(accuracy)}${took === null ? '' : ` in ${seconds(took)}`}`;
}

function predictedText({ predictedAccuracy: said, curve }: CandidateCurve): Content {
  if (said === null) return 'one rung is no curve';
  const note = curve?.assumed === true ? ', with an assumed decay: two rungs cannot show it' : '';
  return html`${percent(said.value)}<small
      >${percent(said.interval.low)} to ${percent(said.interval.high)}${note}</small
    >`;
}

function timeText({ predictedSeconds, points }: CandidateCurve, cost: Cost): Content {
  if (predictedSeconds === null) return 'not known';
  const bound = timesOne(points) ? 'at most ' : 'about ';
  const price = priceOf(predictedSeconds, cost);
  return `${bound}${seconds(predictedSeconds)}${price === null ? '' : `, ${price.text}`}`;
}

/** One time is no line: what it says of all rows is an upper bound. */
function timesOne(points: CandidateCurve['points']): boolean {
  return points.filter((one) => one.seconds !== null).length < 2;
}

/** Of a training that holds all its devices for so long; null without prices. */
function priceOf(
  predictedSeconds: number,
  { prices, devices }: Cost,
): { readonly amount: number; readonly text: string } | null {
  const perHour = prices?.perHour['espalier-gpu'];
  if (perHour === undefined || prices === undefined) return null;
  const amount = (predictedSeconds * devices * perHour) / 3600;
  return { amount, text: money(amount, prices.currency) };
}

/** A gain below it is nothing that anybody pays for: half a point. */
const LEAST_GAIN = 0.005;

/** Whether tuning on all rows is worth it, beside what a small part has brought already: what a point costs, or why there is none. */
function worth({ curves, winner, fullRows }: Prototyped, cost: Cost): Content {
  const chosen = curves.find(({ candidate }) => candidate === winner);
  const last = chosen?.points.findLast(({ accuracy }) => accuracy !== null);
  const said = chosen?.predictedAccuracy;
  if (chosen === undefined || said == null || last?.accuracy == null) {
    return html`<p>
      Whether all ${count(fullRows)} training rows are worth their cost is not predicted: one rung is no curve.
    </p>`;
  }
  if (chosen.curve === null || chosen.curve.scale === 0) {
    return html`<p>
      Whether all ${count(fullRows)} training rows are worth their cost is not shown: more rows brought nothing from
      rung to rung.
    </p>`;
  }
  // Between two places of the curve: the last rung may lie below it by chance, which is no gain.
  const { floor, scale, decay } = chosen.curve;
  const from = 1 - floor - scale * last.trainRows ** -decay;
  const gain = said.value - from;
  const [least, most] = [said.interval.low - from, said.interval.high - from];
  const points = (share: number): string => (share * 100).toFixed(1);
  const predicted = `From ${count(last.trainRows)} to ${count(fullRows)} training rows the curve predicts ${points(gain)} points more (${points(least)} to ${points(most)})`;
  const verdict =
    most < LEAST_GAIN
      ? 'The whole run is not worth its cost: even at best it brings less than half a point.'
      : least > 0
        ? `The whole run is worth its cost where a point is worth more than ${pointPrice(chosen, gain, cost)}.`
        : 'Whether the whole run is worth its cost is not shown: what it brings is within the noise of the rungs.';
  return html`<p>${predicted}. ${verdict}</p>`;
}

function pointPrice({ predictedSeconds, points }: CandidateCurve, gain: number, cost: Cost): string {
  if (predictedSeconds === null) return 'a training on all rows';
  const aPoint = predictedSeconds / (gain * 100);
  const price = priceOf(aPoint, cost)?.text ?? `${seconds(aPoint)} of training`;
  return timesOne(points) ? `${price} (at most: one rung was timed)` : price;
}
