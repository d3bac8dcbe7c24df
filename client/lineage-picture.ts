/** The lineage as a picture: one column a generation, the release on the left. No clock, no chance: the same tree, the same bytes. */
import { html, type Html } from '../artifacts/html.ts';
import { shortDigest } from '../artifacts/reference.ts';
import { THEMES } from '../artifacts/theme.ts';
import type { LineageNode } from './lineage.ts';

const BOX = { width: 330, padding: 12, line: 17, title: 24, gapX: 70, gapY: 22 } as const;
const MARGIN = 24;
/** What fits in a box's width at the size of its text. */
const MAX_CHARACTERS = 46;
/** A base model may have many files: what is left out is counted. */
const MAX_LINES = 12;

const { paper, panel, ink, quiet, rule, accent } = THEMES.light;

interface Placed {
  readonly node: LineageNode;
  readonly lines: readonly string[];
  readonly x: number;
  readonly y: number;
  readonly height: number;
  readonly from: readonly Placed[];
}

export function lineagePicture(root: LineageNode): string {
  const bottoms: number[] = [];
  const placed = place(root, 0, bottoms);
  const all = flatten(placed);
  const width = bottoms.length * (BOX.width + BOX.gapX) - BOX.gapX + 2 * MARGIN;
  const height = Math.max(...bottoms) - BOX.gapY + MARGIN;
  const picture = html`<svg
    xmlns="http://www.w3.org/2000/svg"
    viewBox="0 0 ${width} ${height}"
    width="${width}"
    height="${height}"
    font-family="system-ui, sans-serif"
    font-size="12"
  >
    <title>Lineage of ${root.title}</title>
    <rect width="${width}" height="${height}" fill="${paper}" />
    ${all.map(edges)}${all.map(box)}
  </svg>`;
  return `${picture.markup}\n`;
}

/** In its column below what stands there already; its sources beside it or lower. */
function place(node: LineageNode, column: number, bottoms: number[]): Placed {
  const lines = linesOf(node);
  const height = BOX.title + lines.length * BOX.line + 2 * BOX.padding;
  const y = bottoms[column] ?? MARGIN;
  bottoms[column] = y + height + BOX.gapY;
  const from = node.from.map((source) => place(source, column + 1, bottoms));
  return { node, lines, x: MARGIN + column * (BOX.width + BOX.gapX), y, height, from };
}

function linesOf({ facts }: LineageNode): string[] {
  const lines = Object.entries(facts).map(([name, value]) => {
    const text = `${name}: ${value.replaceAll(/sha256:[0-9a-f]{64}/g, shortDigest).replaceAll(/\s+/g, ' ')}`;
    return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS - 1)}…` : text;
  });
  if (lines.length <= MAX_LINES) return lines;
  return [...lines.slice(0, MAX_LINES - 1), `and ${lines.length - MAX_LINES + 1} more`];
}

function flatten(placed: Placed): Placed[] {
  return [placed, ...placed.from.flatMap(flatten)];
}

/** From a box's right side to the title of each of its sources. */
function edges({ x, y, from }: Placed): Html {
  const startX = x + BOX.width;
  const startY = y + BOX.padding + BOX.title / 2;
  const paths = from.map((source) => {
    const middle = startX + BOX.gapX / 2;
    const endY = source.y + BOX.padding + BOX.title / 2;
    return html`<path d="M${startX} ${startY}C${middle} ${startY} ${middle} ${endY} ${source.x} ${endY}" />`;
  });
  return html`<g fill="none" stroke="${accent}" stroke-width="1.5">${paths}</g>`;
}

function box({ node, lines, x, y, height }: Placed): Html {
  const left = x + BOX.padding;
  const top = y + BOX.padding;
  return html`<g
    ><rect x="${x}" y="${y}" width="${BOX.width}" height="${height}" rx="6" fill="${panel}" stroke="${rule}" /><text
      x="${left}"
      y="${top + 12}"
      font-size="14"
      font-weight="600"
      fill="${ink}"
      >${node.title}</text
    >${lines.map(
      (line, index) =>
        html`<text x="${left}" y="${top + BOX.title + index * BOX.line + 10}" fill="${quiet}">${line}</text>`,
    )}</g
  >`;
}
