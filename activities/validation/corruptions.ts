/**
 * Pictures as bad cameras, networks and hands give them: five of the kinds of Hendrycks and Dietterich ("Benchmarking Neural
 * Network Robustness to Common Corruptions and Perturbations", ICLR 2019). Which there are, and how strong, is a table
 * (`pipelines/behaviour/built-in/corruptions.jsonl`, or a definition's own): each in two strengths, `mild`, about their first
 * severity for small pictures, and `strong`, about their third; here is how each kind is made. Pure arithmetic in a seed, but for the JPEG
 * encoder: the same picture becomes the same bytes again.
 */
import sharp, { type Sharp } from 'sharp';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { Picture } from '../../inference/image/decode.ts';
import { readCorruptionTable, type CorruptionRow, type Severity } from '../../pipelines/behaviour/corruption-table.ts';
import { builtInDigest, builtInRows } from './built-in-table.ts';
import { seededRandom } from './random.ts';

const FILE = 'corruptions.jsonl';

/** A kind in a strength. */
export interface Corruption {
  readonly name: string;
  readonly severity: Severity;
  /** What it does, for people. */
  readonly says: string;
  /** To the bytes of a picture's file. */
  readonly apply: (picture: Picture, seed: number) => Promise<Uint8Array>;
}

/** Those of the built-in table, in its order. Throws Internal where the package is not whole. */
export function builtInCorruptions(home?: string): readonly Corruption[] {
  return builtInRows(FILE, readCorruptionTable, home).map(corruptionOf);
}

/** Those of a definition's own table, else of the built-in one. Throws BadData for a table that nobody has checked. */
export async function corruptionsOf(
  table: ArtifactRef | undefined,
  store: Pick<ArtifactStore, 'getBytes'>,
): Promise<readonly Corruption[]> {
  if (table === undefined) return builtInCorruptions();
  const { rows, problems } = readCorruptionTable(await store.getBytes(table));
  const [wrong] = problems;
  if (wrong === undefined) return rows.map(corruptionOf);
  const { line, field = 'the row', message } = wrong;
  throw new EspalierError('BadData', `${table.name}:${line}: ${field} ${message}`, {
    where: 'corruptions',
    fix: 'correct the row (docs/gates.md#worse-pictures says what each kind needs)',
  });
}

function corruptionOf(row: CorruptionRow): Corruption {
  const { name, severity, says } = row;
  return { name, severity, says, apply: applied(row) };
}

/** Of the built-in table, part of a step's key: the file is data, and changes without the step's version. */
export const corruptionsDigest = (home?: string): Digest => builtInDigest(FILE, home);

function applied(row: CorruptionRow): Corruption['apply'] {
  switch (row.corruption) {
    case 'gaussian-noise':
      return (picture, seed) => asPng(noisy(picture, row.deviation, seed));
    case 'gaussian-blur':
      return (picture) =>
        asPng(blurred(picture, Math.max(row.least, row.share * Math.min(picture.width, picture.height))));
    case 'jpeg':
      return (picture) => raw(picture).jpeg({ quality: row.quality }).toBuffer();
    case 'brightness':
      return (picture, seed) => asPng(brightened(picture, tossed(seed, 31) ? row.factor : 1 / row.factor));
    case 'rotation':
      return (picture, seed) => asPng(rotated(picture, tossed(seed, 32) ? row.degrees : -row.degrees));
  }
}

/** Which of two ways a picture takes. */
const tossed = (seed: number, stream: number): boolean => seededRandom(seed, stream).uniform() < 0.5;

/** A lossless file of the picture. Level 1: it is read once and thrown away. */
export function asPng(picture: Picture): Promise<Uint8Array> {
  return raw(picture).png({ compressionLevel: 1 }).toBuffer();
}

function raw({ width, height, pixels }: Picture): Sharp {
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

export function noisy({ pixels, ...size }: Picture, deviation: number, seed: number): Picture {
  const random = seededRandom(seed, 30);
  return { ...size, pixels: Uint8Array.from(pixels, (value) => clamp(value + deviation * random.normal())) };
}

export function brightened({ pixels, ...size }: Picture, factor: number): Picture {
  return { ...size, pixels: Uint8Array.from(pixels, (value) => clamp(value * factor)) };
}

/** Separable, over three deviations; what lies beyond an edge is as the edge. A deviation of 0 changes nothing. */
export function blurred({ width, height, pixels }: Picture, deviation: number): Picture {
  const radius = Math.ceil(3 * deviation);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, at) =>
    at === radius ? 1 : Math.exp(-((at - radius) ** 2) / (2 * deviation * deviation)),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const pass = (from: ArrayLike<number>, length: number, stride: number, lines: number, lineStride: number) => {
    const to = new Float32Array(from.length);
    for (let line = 0; line < lines; line++) {
      for (let place = 0; place < length; place++) {
        for (let channel = 0; channel < 3; channel++) {
          let sum = 0;
          for (let at = 0; at < weights.length; at++) {
            const seen = Math.min(length - 1, Math.max(0, place + at - radius));
            sum += weights[at]! * from[line * lineStride + seen * stride + channel]!;
          }
          to[line * lineStride + place * stride + channel] = sum / total;
        }
      }
    }
    return to;
  };
  const across = pass(pixels, width, 3, height, 3 * width);
  return { width, height, pixels: Uint8Array.from(pass(across, height, 3 * width, width, 3), clamp) };
}

/** About the middle, bilinear; what comes from beyond an edge is as the edge, so that no black corner gives it away. */
export function rotated({ width, height, pixels }: Picture, degrees: number): Picture {
  const angle = (degrees * Math.PI) / 180;
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const to = new Uint8Array(pixels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [dx, dy] = [x - middleX, y - middleY];
      const fromX = within(middleX + cosine * dx + sine * dy, width);
      const fromY = within(middleY - sine * dx + cosine * dy, height);
      const [left, top] = [Math.floor(fromX), Math.floor(fromY)];
      const [right, bottom] = [Math.min(left + 1, width - 1), Math.min(top + 1, height - 1)];
      const [partX, partY] = [fromX - left, fromY - top];
      for (let channel = 0; channel < 3; channel++) {
        const at = (column: number, row: number): number => pixels[(row * width + column) * 3 + channel]!;
        const upper = at(left, top) * (1 - partX) + at(right, top) * partX;
        const lower = at(left, bottom) * (1 - partX) + at(right, bottom) * partX;
        to[(y * width + x) * 3 + channel] = clamp(upper * (1 - partY) + lower * partY);
      }
    }
  }
  return { width, height, pixels: to };
}

const within = (value: number, length: number): number => Math.min(length - 1, Math.max(0, value));
const clamp = (value: number): number => Math.min(255, Math.max(0, Math.round(value)));
