/** Learning curves of the prototypes: what each rung measured, the fitted law, and what it says of all rows. */
import type { CandidateCurve, Prototyped } from '../../contract/prototype.ts';
import { intervalOf } from '../../selection/halving.ts';
import { accuracyAt } from '../../selection/learning-curve.ts';
import { count, percent } from '../format.ts';
import { html, type Html } from '../../../artifacts/html.ts';
import { apart, at, axes, drawing, line, linearScale, logScale } from '../svg.ts';

const FRAME = { width: 860, height: 340, left: 58, right: 170, top: 34, bottom: 52 };
/** Parts of a drawn curve: straight lines between them look like one. */
const PARTS = 24;

export function prototypesPlot({ curves, winner, fullRows }: Prototyped): Html {
  const measured = curves.flatMap(({ points }) => points.filter(({ accuracy }) => accuracy !== null));
  const [first] = measured;
  if (first === undefined) return html``;
  const fewest = Math.min(...measured.map(({ trainRows }) => trainRows));
  const values = [
    ...measured.flatMap((point) => [intervalOf(point).low, intervalOf(point).high]),
    ...curves.flatMap(({ predictedAccuracy: said }) => (said === null ? [] : [said.interval.low, said.interval.high])),
  ];
  const base = FRAME.height - FRAME.bottom;
  const x = logScale(fewest / 1.2, Math.max(fullRows, fewest) * 1.1, FRAME.left, FRAME.width - FRAME.right);
  const y = linearScale(
    Math.max(0, Math.min(...values) - 0.02),
    Math.min(1, Math.max(...values) + 0.02),
    base,
    FRAME.top,
  );
  const ends = curves.map((curve) => y(endOf(curve)));
  const labels = apart(ends, 30, FRAME.top + 10, base - 16);
  const drawn = curves.map((curve, index) => {
    const chosen = curve.candidate === winner;
    const dots = curve.points.flatMap((point) => {
      if (point.accuracy === null) return [];
      const { low, high } = intervalOf(point);
      const cx = at(x(point.trainRows));
      return [
        html`<path class="whisker" d="M${cx} ${at(y(low))}V${at(y(high))}" /><circle
            class="bubble ${chosen ? 'won' : 'lost'}"
            cx="${cx}"
            cy="${at(y(point.accuracy))}"
            r="5"
          />`,
      ];
    });
    const said = curve.predictedAccuracy;
    const end =
      said === null
        ? ''
        : html`<path
            class="whisker"
            d="M${at(x(fullRows))} ${at(y(said.interval.low))}V${at(y(said.interval.high))}"
          />`;
    return html`<g
      >${lawOf(curve, fullRows, fewest, x, y, chosen)}${dots}${end}<text
        class="strong"
        x="${at(FRAME.width - FRAME.right + 14)}"
        y="${at((labels[index] ?? 0) + 1)}"
        >${curve.candidate}${chosen ? ' ✓' : ''}</text
      ><text class="note" x="${at(FRAME.width - FRAME.right + 14)}" y="${at((labels[index] ?? 0) + 15)}"
        >${said === null ? 'not predicted' : `predicted ${percent(said.value)}`}</text
      ></g
    > `;
  });
  const words = curves
    .map(
      ({ candidate, points }) =>
        `${candidate}: ${points.map((one) => `${percent(one.accuracy)} at ${one.trainRows} rows`).join(', ')}`,
    )
    .join('; ');
  const grid = axes(FRAME, {
    x,
    y,
    xTitle: 'training rows (logarithmic)',
    yTitle: 'validation accuracy',
    showX: count,
    showY: (tick) => percent(tick, 0),
  });
  return html`<figure>
    ${drawing('prototypes-plot', FRAME, 'Prototypes: accuracy by training rows', words, [grid, drawn])}
    <figcaption>
      Dots were measured, with their intervals; the lines are the fitted law, and at the right, at ${count(fullRows)}
      rows, stands what it predicts.
    </figcaption>
  </figure>`;
}

/** Where a curve is named: at its prediction, else at its last dot. */
function endOf({ predictedAccuracy, points }: CandidateCurve): number {
  return predictedAccuracy?.value ?? points.findLast(({ accuracy }) => accuracy !== null)?.accuracy ?? 0;
}

function lawOf(
  { curve }: CandidateCurve,
  fullRows: number,
  fewest: number,
  x: (value: number) => number,
  y: (value: number) => number,
  chosen: boolean,
): Html {
  if (curve === null) return html``;
  const points = Array.from({ length: PARTS + 1 }, (_, part) => {
    const rows = fewest * (fullRows / fewest) ** (part / PARTS);
    return [x(rows), y(accuracyAt(curve, rows))] as const;
  });
  return line(points, chosen ? 'validation' : 'mean');
}
