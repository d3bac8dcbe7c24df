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
      ${left.length === 0 ? '' : list(left.map((one) => html`${one.candidate}: ${one.reason}`))} ${worth(prototyped)}`;
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

function timeText({ predictedSeconds, points }: CandidateCurve, { prices }: Cost): Content {
  if (predictedSeconds === null) return 'not known';
  const perHour = prices?.perHour['espalier-gpu'];
  const bound = points.filter((one) => one.seconds !== null).length < 2 ? 'at most ' : 'about ';
  const cost =
    perHour === undefined || prices === undefined
      ? ''
      : `, ${money((predictedSeconds * perHour) / 3600, prices.currency)}`;
  return `${bound}${seconds(predictedSeconds)}${cost}`;
}

/** Whether tuning on all rows is worth it, beside what a small part has brought already. */
function worth({ curves, winner, fullRows }: Prototyped): Content {
  const chosen = curves.find(({ candidate }) => candidate === winner);
  const last = chosen?.points.findLast(({ accuracy }) => accuracy !== null);
  const said = chosen?.predictedAccuracy;
  if (said == null || last?.accuracy == null) return '';
  const gain = said.value - last.accuracy;
  const sure =
    said.interval.low > last.accuracy
      ? 'beyond the noise of the rungs'
      : 'within the noise of the rungs: it may be nothing';
  return html`<p>
    From ${count(last.trainRows)} to ${count(fullRows)} training rows the curve predicts ${(gain * 100).toFixed(1)}
    points more, ${sure}.
  </p>`;
}
