/** Small drawing helpers: scales, ticks, axes. Colours come from the page's classes, so that they follow the theme. */
import { html, type Content, type Html } from '../../artifacts/html.ts';

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Maps a value to pixels. */
export interface Scale {
  (value: number): number;
  readonly ticks: readonly number[];
}

/** Linear over [low, high] → [from, to] pixels, with ticks at 1, 2 or 5 times a power of ten. */
export function linearScale(low: number, high: number, from: number, to: number): Scale {
  const span = high - low || 1;
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
  return Object.assign((value: number) => from + ((value - low) / span) * (to - from), { ticks });
}

/** Logarithmic over [low, high], both > 0; ticks at 1, 2 and 5 times each power of ten. */
export function logScale(low: number, high: number, from: number, to: number): Scale {
  const span = Math.log(high / low) || 1;
  const powers = Array.from({ length: 24 }, (_, index) => index - 9);
  const ticks = powers
    .flatMap((power) => [1, 2, 5].map((factor) => Number((factor * 10 ** power).toPrecision(3))))
    .filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  return Object.assign((value: number) => from + (Math.log(value / low) / span) * (to - from), { ticks });
}

/** A coordinate: one decimal is a tenth of a pixel. */
export const at = (value: number): string => String(Math.round(value * 10) / 10);

export interface Axes {
  readonly x: Scale;
  readonly y: Scale;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly showX: (value: number) => string;
  readonly showY: (value: number) => string;
}

/** Grid lines with their labels, and a title for each axis. */
export function axes(frame: Frame, { x, y, xTitle, yTitle, showX, showY }: Axes): Html {
  const base = frame.height - frame.bottom;
  const end = frame.width - frame.right;
  return html`<g class="grid"
      >${y.ticks.map((tick) => html`<path d="M${frame.left} ${at(y(tick))}H${end}" />`)}${x.ticks.map((tick) => html`<path d="M${at(x(tick))} ${frame.top}V${base}" />`)}</g
    >
    <g class="ticks"
      >${y.ticks.map((tick) => html`<text x="${frame.left - 8}" y="${at(y(tick) + 4)}" text-anchor="end">${showY(tick)}</text>`)}${x.ticks.map((tick) => html`<text x="${at(x(tick))}" y="${base + 18}" text-anchor="middle">${showX(tick)}</text>`)}
      <text x="${at((frame.left + end) / 2)}" y="${frame.height - 6}" text-anchor="middle">${xTitle}</text
      ><text x="${frame.left - 8}" y="${frame.top - 12}" text-anchor="start">${yTitle}</text></g
    >`;
}

/** A drawing with a title and a description in words, for those who do not see it. */
export function drawing(
  id: string,
  frame: Pick<Frame, 'width' | 'height'>,
  title: string,
  description: string,
  body: Content,
): Html {
  return html`<svg
    role="img"
    aria-labelledby="${id}-title ${id}-text"
    viewBox="0 0 ${frame.width} ${frame.height}"
    width="${frame.width}"
    height="${frame.height}"
  >
    <title id="${id}-title">${title}</title>
    <desc id="${id}-text">${description}</desc>
    ${body}
  </svg>`;
}

export function line(points: readonly (readonly [x: number, y: number])[], className: string): Html {
  return html`<path
    class="${className}"
    d="${points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${at(x)} ${at(y)}`).join('')}"
  />`;
}

/** Positions at least `gap` apart, each as near to where it wanted to be as a pass down and a pass up allow. */
export function apart(wanted: readonly number[], gap: number, low: number, high: number): readonly number[] {
  const order = wanted.map((_, index) => index).toSorted((left, right) => (wanted[left] ?? 0) - (wanted[right] ?? 0));
  const placed = [...wanted];
  let floor = low;
  for (const index of order) {
    placed[index] = Math.max(placed[index] ?? 0, floor);
    floor = placed[index] + gap;
  }
  let ceiling = high;
  for (const index of order.toReversed()) {
    placed[index] = Math.min(placed[index] ?? 0, ceiling);
    ceiling = placed[index] - gap;
  }
  return placed;
}
