/** How far the target data are from what an encoder knows. Recorded beside the scores; it excludes nobody. */
import { keptOfFirst, mostTokens, type Windows } from '../../inference/windows.ts';
import type { ImageProcessor } from '../../inference/image/processor.ts';
import type { TokenCounts } from '../../inference/token-counts.ts';
import type { PictureDomain, TextDomain } from '../contract/selection.ts';
import type { EmbeddedRows } from './embedded-rows.ts';

/** Words are what white space parts, so that tokenizers can be compared. */
export function textDomain(
  texts: readonly string[],
  counts: readonly TokenCounts[],
  {
    maxLength,
    windows,
    distance,
  }: { readonly maxLength: number; readonly windows?: Windows | undefined; readonly distance: number | null },
): TextDomain {
  const total = (of: (one: TokenCounts) => number): number => counts.reduce((sum, one) => sum + of(one), 0);
  const words = texts.reduce((sum, text) => sum + (text.match(/\S+/gu)?.length ?? 0), 0);
  const tokens = total((one) => one.tokens);
  return {
    input: 'text',
    rows: texts.length,
    tokensPerWord: share(tokens, words),
    unknownTokens: share(
      total((one) => one.unknown),
      tokens,
    ),
    vocabularyCoverage: share(
      total((one) => one.whole),
      total((one) => one.pieces),
    ),
    ...lengthShares(counts, maxLength, windows),
    distance,
  };
}

/** Of texts that are longer than a window, one is cut only where the windows do not reach its end. */
function lengthShares(
  counts: readonly TokenCounts[],
  maxLength: number,
  windows: Windows | undefined,
): Pick<TextDomain, 'cutTexts' | 'windowedTexts'> {
  const longer = counts.filter(({ length }) => length > maxLength);
  const windowedTexts = share(longer.length, counts.length);
  if (windows === undefined) return { cutTexts: windowedTexts };
  const cut = longer.filter((one) => isCut(one, maxLength, windows));
  return { cutTexts: share(cut.length, counts.length), windowedTexts };
}

/** Of two texts every window has the first, or half a window of it, and the second is what windows reach the end of. */
function isCut({ length, tokens, parts = [0, tokens] }: TokenCounts, maxLength: number, windows: Windows): boolean {
  const [first, second] = parts;
  const room = maxLength - (length - tokens);
  // An empty second text is no pair to `cutIntoWindows`.
  if (second === 0) return first > mostTokens(room, windows);
  const kept = keptOfFirst(first, second, room);
  return kept < first || second > mostTokens(room - kept, windows);
}

/** A picture: its size, and per channel the mean of what the model is given. */
export interface SeenPicture {
  readonly width: number;
  readonly height: number;
  readonly channels: readonly number[];
}

/**
 * Resolution and colour. The processor takes off the mean and divides by the deviation of the pictures that the model learnt
 * from: what is left of the target's mean is its distance from them.
 */
export function pictureDomain(pictures: readonly SeenPicture[], { crop }: ImageProcessor): PictureDomain {
  const edges = pictures.map(({ width, height }) => Math.min(width, height)).toSorted((one, other) => one - other);
  const edge = Math.min(crop.width, crop.height);
  const means = [0, 1, 2].map((channel) => average(pictures.map(({ channels }) => channels[channel] ?? 0)));
  return {
    input: 'image',
    rows: pictures.length,
    medianEdge: edges[Math.floor(edges.length / 2)] ?? null,
    modelEdge: edge,
    enlarged: share(edges.filter((one) => one < edge).length, edges.length),
    distance: pictures.length === 0 ? null : average(means.map((mean) => mean ** 2)),
  };
}

/**
 * Squared distance of the means of two sets of embeddings, in units of their summed variances, without the part that chance
 * makes of few rows: about 0 of the same kind of data. null below two rows of either, or where nothing varies.
 */
export async function meanDistance(one: EmbeddedRows, other: EmbeddedRows, dimension: number): Promise<number | null> {
  const [left, right] = [await moments(one, dimension), await moments(other, dimension)];
  if (left.rows < 2 || right.rows < 2) return null;
  const apart = left.mean.reduce((sum, mean, at) => sum + (mean - right.mean[at]!) ** 2, 0);
  const spread = left.variance + right.variance;
  return spread === 0 ? null : (apart - left.variance / left.rows - right.variance / right.rows) / spread;
}

async function moments({ classes: { length: rows }, blocks }: EmbeddedRows, dimension: number) {
  const mean = new Float64Array(dimension);
  for await (const { embeddings } of blocks()) {
    embeddings.forEach((value, at) => (mean[at % dimension]! += value / rows));
  }
  let squares = 0;
  for await (const { embeddings } of blocks()) {
    squares = embeddings.reduce((sum, value, at) => sum + (value - mean[at % dimension]!) ** 2, squares);
  }
  return { rows, mean, variance: squares / Math.max(1, rows - 1) };
}

const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);
const average = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
