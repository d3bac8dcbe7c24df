/**
 * Patches of training pictures that could be triggers: the same little square at the same place in several pictures that all
 * have one label and share nothing else (Gu, Dolan-Gavitt & Garg, "BadNets", 2017). What is found here is only suspected:
 * picture-triggers.ts pastes it and looks what turns.
 */
import type { Picture } from '../../inference/image/decode.ts';
import { resample } from '../../inference/image/resample.ts';
import { pause } from '../data/pauses.ts';

/** Part of a picture, in shares of its width and height. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}
export interface SuspectPlace {
  readonly box: Box;
  readonly label: number;
  /** Of the sketches it stands in, ascending. */
  readonly rows: readonly number[];
}

/** Pillow's number of the filter that takes the mean of what falls together. */
const BOX_FILTER = 4;
const EDGE = 32;
const CELL = 2;
const CELLS = EDGE / CELL;
/** Values (of 255) that are the same up to what JPEG and resampling do. */
const SAME = 10;
const LEAST_ROWS = 3;
const CLUSTERS_A_CELL = 3;
/** Larger is no patch but a scene: two pictures of one thing. */
const LARGEST_SHARE = 1 / 6;

/** 32 × 32 × 3 means, from whatever size. */
export function sketchPicture(picture: Picture): Uint8Array {
  return resample(picture, { width: EDGE, height: EDGE, filter: BOX_FILTER }).pixels;
}

/** With half a cell around it: a patch that does not lie on the cells' edges fills those at its own only partly. */
export function withRim({ left, top, width, height }: Box): Box {
  const rim = CELL / 2 / EDGE;
  const [x, y] = [Math.max(0, left - rim), Math.max(0, top - rim)];
  return {
    left: x,
    top: y,
    width: Math.min(1, left + width + rim) - x,
    height: Math.min(1, top + height + rim) - y,
  };
}

interface Cluster {
  readonly cell: number;
  readonly label: number;
  readonly rows: readonly number[];
}

/** Up to `most` places, first those that most pictures have over the most cells. Quadratic in the sketches: give it a sample. */
export async function suspectPlaces(
  sketches: readonly Uint8Array[],
  classes: ArrayLike<number>,
  most: number,
  signal: AbortSignal,
): Promise<readonly SuspectPlace[]> {
  const clusters: Cluster[] = [];
  for (let cell = 0; cell < CELLS * CELLS; cell++) {
    await pause(signal);
    clusters.push(...clustersOf(cell, sketches, classes));
  }
  const byCell = new Map<number, Cluster[]>();
  for (const cluster of clusters) byCell.set(cluster.cell, [...(byCell.get(cluster.cell) ?? []), cluster]);
  const taken = new Set<Cluster>();
  const found: (SuspectPlace & { readonly weight: number })[] = [];
  for (const first of clusters.toSorted((a, b) => b.rows.length - a.rows.length || a.cell - b.cell)) {
    if (taken.has(first)) continue;
    const cells = grown(first, byCell, taken);
    const box = boxAround(cells);
    if (box.width * box.height > LARGEST_SHARE) continue;
    found.push({ box, label: first.label, rows: first.rows, weight: first.rows.length * cells.length });
  }
  return found
    .toSorted((a, b) => b.weight - a.weight)
    .slice(0, most)
    .map(({ box, label, rows }) => ({ box, label, rows }));
}

/** Rows that look alike in a cell, and have no like of another label there. */
function clustersOf(cell: number, sketches: readonly Uint8Array[], classes: ArrayLike<number>): readonly Cluster[] {
  const places = placesOf(cell);
  const alike = (one: Uint8Array, other: Uint8Array): boolean =>
    places.every((place) => Math.abs(one[place]! - other[place]!) <= SAME);
  const pure = sketches.flatMap((own, row) => {
    const rows = [...sketches.keys()].filter((other) => alike(own, sketches[other]!));
    const ofOneLabel = rows.every((other) => classes[other] === classes[row]);
    return ofOneLabel && rows.length >= LEAST_ROWS ? [{ cell, label: classes[row]!, rows }] : [];
  });
  const clusters: Cluster[] = [];
  const held = new Set<number>();
  for (const cluster of pure.toSorted((a, b) => b.rows.length - a.rows.length)) {
    if (clusters.length === CLUSTERS_A_CELL) break;
    if (cluster.rows.some((row) => held.has(row))) continue;
    for (const row of cluster.rows) held.add(row);
    clusters.push(cluster);
  }
  return clusters;
}

function placesOf(cell: number): readonly number[] {
  const [left, top] = [(cell % CELLS) * CELL, Math.floor(cell / CELLS) * CELL];
  const pixels = [0, 1].flatMap((y) => [0, 1].map((x) => (top + y) * EDGE + left + x));
  return pixels.flatMap((pixel) => [0, 1, 2].map((channel) => 3 * pixel + channel));
}

/** With the cells beside it that mostly the same rows share. */
function grown(
  first: Cluster,
  byCell: ReadonlyMap<number, readonly Cluster[]>,
  taken: Set<Cluster>,
): readonly number[] {
  taken.add(first);
  const region = [first];
  for (let at = 0; at < region.length; at++) {
    const { cell } = region[at]!;
    for (const neighbour of neighboursOf(cell)) {
      for (const other of byCell.get(neighbour) ?? []) {
        if (taken.has(other) || other.label !== first.label || overlap(first.rows, other.rows) < 0.5) continue;
        taken.add(other);
        region.push(other);
      }
    }
  }
  return region.map(({ cell }) => cell);
}

function neighboursOf(cell: number): readonly number[] {
  const [x, y] = [cell % CELLS, Math.floor(cell / CELLS)];
  return [
    ...(x > 0 ? [cell - 1] : []),
    ...(x < CELLS - 1 ? [cell + 1] : []),
    ...(y > 0 ? [cell - CELLS] : []),
    ...(y < CELLS - 1 ? [cell + CELLS] : []),
  ];
}

/** Jaccard's. */
function overlap(one: readonly number[], other: readonly number[]): number {
  const known = new Set(one);
  const both = other.filter((row) => known.has(row)).length;
  return both / (one.length + other.length - both);
}

function boxAround(cells: readonly number[]): Box {
  const [xs, ys] = [cells.map((cell) => cell % CELLS), cells.map((cell) => Math.floor(cell / CELLS))];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return {
    left: left / CELLS,
    top: top / CELLS,
    width: (Math.max(...xs) - left + 1) / CELLS,
    height: (Math.max(...ys) - top + 1) / CELLS,
  };
}
