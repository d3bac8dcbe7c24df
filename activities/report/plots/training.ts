/** Training curves: loss by step with the validation loss of each epoch, and the validation accuracy. */
import type { TrainedModel, TrainingHistory } from '../../contract/training.ts';
import { decimal, percent, significant } from '../format.ts';
import { html, type Html } from '../../../artifacts/html.ts';
import { apart, at, axes, drawing, line, linearScale } from '../svg.ts';

const FRAME = { width: 460, height: 280, left: 52, right: 86, top: 34, bottom: 50 };
/** More points than this are averaged in groups: a line of 460 pixels shows no more. */
const MOST_POINTS = 400;

type Points = readonly (readonly [number, number])[];

/** Means of equal groups: `[x, y]` each. */
export function thin(points: Points, most = MOST_POINTS): Points {
  const group = Math.ceil(points.length / most);
  if (group <= 1) return points;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return Array.from({ length: Math.ceil(points.length / group) }, (_, index) => {
    const part = points.slice(index * group, (index + 1) * group);
    return [mean(part.map(([x]) => x)), mean(part.map(([, y]) => y))] as const;
  });
}

const finite = (points: Points): Points => points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));

export function trainingPlots(history: TrainingHistory, trained: TrainedModel): Html {
  const steps = thin(finite(history.steps.map((one) => [one.step, one.loss])));
  const trainLoss = finite(history.epochs.map((one) => [one.step, one.trainLoss]));
  const validationLoss = finite(history.epochs.map((one) => [one.step, one.validationLoss]));
  const accuracy = finite(history.epochs.map((one) => [one.step, one.validationAccuracy]));
  const last = Math.max(1, trained.steps, ...steps.map(([step]) => step), ...validationLoss.map(([step]) => step));
  const best = history.epochs.find((one) => one.epoch === trained.bestEpoch);
  const losses = [...steps, ...trainLoss, ...validationLoss].map(([, loss]) => loss);
  const resumed = trained.resumedAtSteps;
  return html`<figure>
    <div class="pair">
      ${plot(
        'loss-plot',
        'Loss',
        [
          { points: steps, className: 'train', name: 'training, each step' },
          {
            points: trainLoss,
            className: 'mean',
            name: 'training, mean of an epoch',
            label: 'training',
            dots: 'dot train-dot',
          },
          { points: validationLoss, className: 'validation', name: 'validation', label: 'validation', dots: 'dot' },
        ],
        { last, low: 0, high: Math.max(0.1, ...losses) * 1.05, show: significant, best: best?.step, resumed },
      )}
      ${plot(
        'accuracy-plot',
        'Validation accuracy',
        [{ points: accuracy, className: 'validation', name: 'validation', label: 'validation', dots: 'dot' }],
        {
          last,
          low: Math.max(0, Math.min(...accuracy.map(([, value]) => value), 1) - 0.1),
          high: 1,
          show: (value) => percent(value, 0),
          best: best?.step,
          resumed,
        },
      )}
    </div>
    <figcaption>
      Thin line: training loss of each step; dots: the mean of an epoch, and validation at its end. Dashed: the epoch
      whose weights were kept${resumed.length === 0 ? '' : '; “resumed”: a new attempt went on from a checkpoint'}.
    </figcaption>
  </figure>`;
}

interface Curve {
  readonly points: Points;
  readonly className: string;
  readonly name: string;
  readonly dots?: string;
  /** Written at the line's end: colour alone would not tell the lines apart. */
  readonly label?: string;
}

interface PlotOptions {
  readonly last: number;
  readonly low: number;
  readonly high: number;
  readonly show: (value: number) => string;
  readonly best: number | undefined;
  readonly resumed: readonly number[];
}

function plot(
  id: string,
  title: string,
  curves: readonly Curve[],
  { last, low, high, show, best, resumed }: PlotOptions,
): Html {
  const base = FRAME.height - FRAME.bottom;
  const x = linearScale(0, last, FRAME.left, FRAME.width - FRAME.right);
  const y = linearScale(low, high, base, FRAME.top);
  const drawn = curves.map(({ points, className, dots }) => {
    const placed = points.map(([step, value]) => [x(step), y(value)] as const);
    return html`${line(placed, className)}${dots === undefined ? '' : placed.map(([cx, cy]) => html`<circle class="${dots}" cx="${at(cx)}" cy="${at(cy)}" r="3.2" />`)}`;
  });
  const named = curves.filter((curve) => curve.label !== undefined && curve.points.length > 0);
  const heights = apart(
    named.map(({ points }) => y(points.at(-1)?.[1] ?? 0)),
    15,
    FRAME.top + 4,
    base - 4,
  );
  const labels = named.map(
    ({ label, points }, index) =>
      html`<text x="${at(x(points.at(-1)?.[0] ?? 0) + 9)}" y="${at((heights[index] ?? 0) + 4)}">${label}</text>`,
  );
  const upright = (step: number, word: string) => {
    const [side, anchor] = x(step) < FRAME.left + 60 ? [5, 'start'] : [-5, 'end'];
    return html`<path class="limit" d="M${at(x(step))} ${FRAME.top}V${base}" />
      <text class="note" x="${at(x(step) + side)}" y="${FRAME.top + 12}" text-anchor="${anchor}">${word}</text>`;
  };
  const words = curves
    .map(
      ({ name, points }) =>
        `${name}: ${points.length === 0 ? 'no values' : `from ${decimal(points[0]?.[1], 3)} to ${decimal(points.at(-1)?.[1], 3)}`}`,
    )
    .join('; ');
  const marks = [best === undefined ? '' : upright(best, 'kept'), resumed.map((step) => upright(step, 'resumed'))];
  return drawing(id, FRAME, title, words, [
    axes(FRAME, { x, y, xTitle: 'step', yTitle: title.toLowerCase(), showX: significant, showY: show }),
    marks,
    drawn,
    labels,
  ]);
}
