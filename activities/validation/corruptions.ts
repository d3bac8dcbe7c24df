/**
 * Pictures as bad cameras, networks and hands give them: five of the kinds of Hendrycks and Dietterich ("Benchmarking Neural
 * Network Robustness to Common Corruptions and Perturbations", ICLR 2019), each in two strengths: `mild`, about their first
 * severity for small pictures, and `strong`, about their third. Pure arithmetic in a seed, but for the JPEG encoder:
 * the same picture becomes the same bytes again.
 */
import sharp, { type Sharp } from 'sharp';
import type { Picture } from '../../inference/image/decode.ts';
import { seededRandom } from './random.ts';

export type Severity = 'mild' | 'strong';
export const SEVERITIES: readonly Severity[] = ['mild', 'strong'];

export interface Corruption {
  readonly name: string;
  /** What each strength does, for people. */
  readonly says: Readonly<Record<Severity, string>>;
  /** To the bytes of a picture's file. */
  readonly apply: (picture: Picture, severity: Severity, seed: number) => Promise<Uint8Array>;
}

/** Standard deviation, of 255. */
const NOISE = { mild: 10, strong: 25 } as const;
/** Standard deviation as a share of the shorter edge (1 and 2.5 pixels of 224), and the least in pixels, of tiny pictures. */
const BLUR = { mild: { share: 0.0045, least: 0.4 }, strong: { share: 0.011, least: 0.7 } } as const;
const QUALITY = { mild: 40, strong: 15 } as const;
/** Factor; its inverse where the seed says darker. */
const BRIGHTNESS = { mild: 1.25, strong: 1.6 } as const;
/** Degrees, to either side. */
const ROTATION = { mild: 5, strong: 15 } as const;

export const CORRUPTIONS: readonly Corruption[] = [
  {
    name: 'noise',
    says: { mild: 'Gaussian, deviation 10 of 255', strong: 'Gaussian, deviation 25 of 255' },
    apply: (picture, severity, seed) => asPng(noisy(picture, NOISE[severity], seed)),
  },
  {
    name: 'blur',
    says: {
      mild: 'Gaussian, 0.45 % of the shorter edge, at least 0.4 pixels',
      strong: 'Gaussian, 1.1 % of the shorter edge, at least 0.7 pixels',
    },
    apply: (picture, severity) => {
      const { share, least } = BLUR[severity];
      return asPng(blurred(picture, Math.max(least, share * Math.min(picture.width, picture.height))));
    },
  },
  {
    name: 'JPEG',
    says: { mild: 'saved at quality 40', strong: 'saved at quality 15' },
    apply: (picture, severity) => raw(picture).jpeg({ quality: QUALITY[severity] }).toBuffer(),
  },
  {
    name: 'brightness',
    says: { mild: 'times 1.25, or divided by it', strong: 'times 1.6, or divided by it' },
    apply: (picture, severity, seed) =>
      asPng(
        brightened(picture, seededRandom(seed, 31).uniform() < 0.5 ? BRIGHTNESS[severity] : 1 / BRIGHTNESS[severity]),
      ),
  },
  {
    name: 'rotation',
    says: { mild: '5 degrees to either side', strong: '15 degrees to either side' },
    apply: (picture, severity, seed) =>
      asPng(rotated(picture, seededRandom(seed, 32).uniform() < 0.5 ? ROTATION[severity] : -ROTATION[severity])),
  },
];

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
