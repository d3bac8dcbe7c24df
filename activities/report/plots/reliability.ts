/** How sure the model says it is against how often it is right: on the diagonal a probability means what it says. */
import type { Evaluation } from '../../contract/validation.ts';
import { html, type Html } from '../../../artifacts/html.ts';
import { count, percent, significant } from '../format.ts';
import { at, axes, drawing, line, linearScale } from '../svg.ts';

const FRAME = { width: 460, height: 300, left: 52, right: 30, top: 34, bottom: 50 };
/** Pixels of the dot of a bin that holds every row: area grows with rows. */
const LARGEST = 14;

/** `several`: of every label of every row, where a row may have several. */
export function reliabilityPlot({ bins }: NonNullable<Evaluation['calibration']>, several = false): Html {
  const base = FRAME.height - FRAME.bottom;
  const x = linearScale(0, 1, FRAME.left, FRAME.width - FRAME.right);
  const y = linearScale(0, 1, base, FRAME.top);
  const all = bins.reduce((sum, { rows }) => sum + rows, 0);
  const filled = bins.flatMap(({ rows, confidence, accuracy }) =>
    confidence === null || accuracy === null ? [] : [{ rows, confidence, accuracy }],
  );
  const words = filled.map(
    ({ rows, confidence, accuracy }) =>
      `${percent(confidence, 0)} sure, ${percent(accuracy, 0)} right (${count(rows)} rows)`,
  );
  const body = [
    axes(FRAME, {
      x,
      y,
      xTitle: several ? 'probability of a label' : 'probability of the predicted label',
      yTitle: several ? 'share of rows that have it' : 'accuracy',
      showX: significant,
      showY: (value) => percent(value, 0),
    }),
    html`<path class="limit" d="M${at(x(0))} ${at(y(0))}L${at(x(1))} ${at(y(1))}" />`,
    line(
      filled.map(({ confidence, accuracy }) => [x(confidence), y(accuracy)] as const),
      'validation',
    ),
    filled.map(
      ({ rows, confidence, accuracy }) =>
        html`<circle
          class="dot"
          cx="${at(x(confidence))}"
          cy="${at(y(accuracy))}"
          r="${at(Math.max(2.5, LARGEST * Math.sqrt(rows / all)))}"
        />`,
    ),
  ];
  return html`<figure>
    ${drawing('reliability-plot', FRAME, 'Reliability', words.join('; '), body)}
    <figcaption>
      ${several ? 'Every label of every test row, in bins by its probability' : 'Test rows in bins by the probability of their predicted label'};
      a dot's area is its share of them. Under the dashed line the model is surer than it is right.
    </figcaption>
  </figure>`;
}
