/** One page on why this candidate: what was tried on small parts of the data, who left, and what all of it should bring. */
import type { CandidateCurve } from '../../contract/prototype.ts';
import { html, type Content } from '../../../artifacts/html.ts';
import { count, money, percent, seconds } from '../format.ts';
import { badge, list, table } from '../parts.ts';
import type { Section } from '../page.ts';
import { prototypesPlot } from '../plots/prototypes.ts';
import type { Expense, Worth } from '../worth.ts';

export const prototypesSection: Section = {
  id: 'prototypes',
  title: 'Prototypes',
  optional: true,
  body: ({ facts: { prototyped, pipeline, evaluation }, worth }) => {
    if (prototyped === undefined || worth === undefined) return null;
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
          {
            title: 'Time to train on all',
            numeric: true,
            cell: ({ candidate }) => timeText(worth.trainings[candidate] ?? null, worth),
          },
        ],
        curves,
      )}
      ${left.length === 0 ? '' : list(left.map((one) => html`${one.candidate}: ${one.reason}`))}
      <p>${verdictText(worth, fullRows)}</p>
      ${pipeline.prototype === undefined || evaluation === undefined ? '' : html`<p>${LATENCY_HOLDS}</p>`}`;
  },
};

/** Of `run --prototype`: rows change the weights' values alone. */
const LATENCY_HOLDS =
  'Latency, memory and size are not extrapolated: a model tuned on all rows has weights of the same shape, so what the gates measured here holds for the same candidate on the same machine.';

function pointText({
  trainRows,
  accuracy,
  accuracies,
  error,
  seconds: took,
}: CandidateCurve['points'][number]): Content {
  if (accuracy === null) return `${count(trainRows)} rows: failed (${error ?? 'no accuracy'})`;
  const seeds = accuracies === undefined ? '' : `, the mean of ${accuracies.map((one) => percent(one)).join(', ')}`;
  return `${count(trainRows)} rows: ${percent(accuracy)}${took === null ? '' : ` in ${seconds(took)}`}${seeds}`;
}

function predictedText({ predictedAccuracy: said, curve }: CandidateCurve): Content {
  if (said === null) return 'one rung is no curve';
  const note = curve?.assumed === true ? `, ${assumedText(curve)}` : '';
  return html`${percent(said.value)}<small
      >${percent(said.interval.low)} to ${percent(said.interval.high)}${note}</small
    >`;
}

/** What two rungs leave open is not taken alike by every version of the choice: the curve itself says which. */
function assumedText({ floor, scale }: NonNullable<CandidateCurve['curve']>): string {
  if (scale === 0) return 'by a level curve: the second rung brought no gain';
  return floor < NO_FLOOR
    ? 'by a curve without a floor: two rungs cannot show one'
    : 'by a curve with an assumed decay: two rungs cannot show it beside a floor';
}

/** What rounding leaves of a floor of 0. */
const NO_FLOOR = 1e-9;

function timeText(training: Expense | null, { currency }: Worth): Content {
  return training === null ? 'not known' : expenseText(training, currency);
}

export function expenseText({ seconds: taken, atMost, money: paid }: Expense, currency: string | null): string {
  const price = paid === null || currency === null ? '' : `, ${money(paid, currency)}`;
  return `${atMost ? 'at most' : 'about'} ${seconds(taken)}${price}`;
}

/** Whether tuning on all rows is worth it, beside what a small part has brought already: what a point costs, or why there is none. */
function verdictText({ gain, verdict, currency }: Worth, fullRows: number): string {
  const all = `Whether all ${count(fullRows)} training rows are worth their cost is not`;
  if (gain === null) {
    return verdict === 'no-curve'
      ? `${all} predicted: one rung is no curve.`
      : `${all} shown: more rows brought nothing from rung to rung.`;
  }
  const points = (share: number): string => (share * 100).toFixed(1);
  const predicted = `From ${count(gain.fromRows)} to ${count(fullRows)} training rows the curve predicts ${points(gain.value)} points more (${points(gain.low)} to ${points(gain.high)})`;
  if (verdict === 'too-little') {
    return `${predicted}. The whole run is not worth its cost: even at best it brings less than half a point.`;
  }
  return verdict === 'worth'
    ? `${predicted}. The whole run is worth its cost where a point is worth more than ${pointPrice(gain.aPoint, currency)}.`
    : `${predicted}. Whether the whole run is worth its cost is not shown: what it brings is within the noise of the rungs.`;
}

function pointPrice(aPoint: Expense | null, currency: string | null): string {
  if (aPoint === null) return 'a training on all rows';
  const price =
    aPoint.money === null || currency === null
      ? `${seconds(aPoint.seconds)} of training`
      : money(aPoint.money, currency);
  return aPoint.atMost ? `${price} (at most: one rung was timed)` : price;
}
