/** Quality × latency × size: each candidate a bubble; up and to the left is better. */
import type { CandidateOutcome } from '../../contract/selection.ts';
import type { RunFacts } from '../../contract/evidence.ts';
import { megabytes, milliseconds, percent, significant } from '../format.ts';
import { html, type Html } from '../../../artifacts/html.ts';
import { apart, at, axes, drawing, linearScale, logScale } from '../svg.ts';

const FRAME = { width: 860, height: 380, left: 58, right: 150, top: 34, bottom: 52 };
/** Pixels of the largest bubble's radius: area, not radius, grows with size. */
const LARGEST = 26;

interface Point {
  readonly id: string;
  readonly accuracy: number;
  readonly low: number;
  readonly high: number;
  readonly latencyMs: number;
  readonly sizeMb: number;
  readonly chosen: boolean;
}

/** Draws those that were measured; nothing when none was. */
export function candidatesPlot({ candidates = [], selection, pipeline }: RunFacts): Html {
  const points = candidates.flatMap((candidate) => toPoint(candidate, candidate.id === selection?.winner));
  if (points.length === 0) return html``;
  const limit = 'maxLatencyP95Ms' in pipeline.selection ? pipeline.selection.maxLatencyP95Ms : undefined;
  const latencies = [...points.map((point) => point.latencyMs), ...(limit === undefined ? [] : [limit])];
  const base = FRAME.height - FRAME.bottom;
  const x = logScale(Math.min(...latencies) / 1.6, Math.max(...latencies) * 1.6, FRAME.left, FRAME.width - FRAME.right);
  const low = Math.max(0, Math.min(...points.map((point) => point.low)) - 0.02);
  const high = Math.min(1, Math.max(...points.map((point) => point.high)) + 0.02);
  const y = linearScale(low, high, base, FRAME.top);
  const largest = Math.max(...points.map((point) => point.sizeMb));
  const labels = apart(
    points.map((point) => y(point.accuracy)),
    30,
    FRAME.top + 10,
    base - 16,
  );
  const marks = points.map((point, index) => {
    const [cx, cy, ly] = [x(point.latencyMs), y(point.accuracy), labels[index] ?? 0];
    const radius = Math.max(4, LARGEST * Math.sqrt(point.sizeMb / largest));
    const lx = cx + radius + 14;
    return html`<g
      ><path class="whisker" d="M${at(cx)} ${at(y(point.low))}V${at(y(point.high))}" /><circle
        class="bubble ${point.chosen ? 'won' : 'lost'}"
        cx="${at(cx)}"
        cy="${at(cy)}"
        r="${at(radius)}"
      /><path class="leader" d="M${at(cx + radius)} ${at(cy)}L${at(lx - 3)} ${at(ly)}" /><text
        class="strong"
        x="${at(lx)}"
        y="${at(ly + 1)}"
        >${point.id}${point.chosen ? ' ✓' : ''}</text
      ><text class="note" x="${at(lx)}" y="${at(ly + 15)}"
        >${percent(point.accuracy)}, ${milliseconds(point.latencyMs)}, ${megabytes(point.sizeMb)}</text
      ></g
    > `;
  });
  const border =
    limit === undefined
      ? ''
      : html`<path class="limit" d="M${at(x(limit))} ${FRAME.top}V${base}" /><text
            class="note"
            x="${at(x(limit) + 5)}"
            y="${base - 6}"
            >limit ${significant(limit)} ms</text
          >`;
  const words = points
    .map(
      (point) =>
        `${point.id}: ${percent(point.accuracy)}, ${milliseconds(point.latencyMs)}, ${megabytes(point.sizeMb)}`,
    )
    .join('; ');
  const grid = axes(FRAME, {
    x,
    y,
    xTitle: 'latency p95, ms (logarithmic)',
    yTitle: 'linear probe accuracy, validation',
    showX: significant,
    showY: (tick) => percent(tick, 0),
  });
  return html`<figure>
    ${drawing('candidates-plot', FRAME, 'Candidates: quality, latency and size', words, [grid, border, marks])}
    <figcaption>
      Up and to the left is better; a bubble's area is the size on disk, its whisker the accuracy's interval.
    </figcaption>
  </figure>`;
}

function toPoint({ id, probe, profile }: CandidateOutcome, chosen: boolean): readonly Point[] {
  const score = probe?.linearAccuracy;
  const accuracy = score?.value;
  if (
    typeof accuracy !== 'number' ||
    !Number.isFinite(accuracy) ||
    profile === undefined ||
    !(profile.latency.p95Ms > 0)
  )
    return [];
  const { low, high } = score?.interval ?? { low: accuracy, high: accuracy };
  return [{ id, accuracy, low, high, latencyMs: profile.latency.p95Ms, sizeMb: profile.sizeMb, chosen }];
}
