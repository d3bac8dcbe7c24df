/**
 * Thin frames and small corners of one brightness that end in a step, a pixel to a few wide at the picture's own resolution: a
 * scanner's edge, a drawn border, a marked corner. Brightness alone is looked at: JPEG keeps colours at half the resolution, so that the
 * colour of such a thing is half that of what is beside it, while its brightness stays within a level or two. That it ends in a step
 * tells it from a smooth sky. Pure.
 */
import type { Picture } from '../../inference/image/decode.ts';

/**
 * Pixels. Others are seen at one share of the picture each (picture-traits.ts). What is wider than these and narrower than that share
 * is missed: in a JPEG of 224 pixels frames of 4 and 5 pixels, corners of 5 to 18.
 */
const FRAMES = [1, 2, 3];
const CORNERS = [2, 3, 4];
/** Nine in ten pixels are no further, in levels of brightness, from the mean of all: JPEG rings beside a step. */
const SPREAD = 12;
/** What is just outside differs from the mean inside, on average and in levels, by so much at least. */
const STEP = 12;
/** Levels of brightness that are one: the mean of a thing that is coded again moves by less than two. */
const LEVEL = 16;
/** Levels are counted from each, since a mean at an edge of one falls to both sides. */
const BEGINNINGS = [0, 4, 8, 12];

/** What it is and how wide, and how bright: once from each beginning of the levels. */
export interface ThinMark {
  readonly place: string;
  readonly word: string;
}

export function thinMarks(picture: Picture): readonly ThinMark[] {
  const { width, height } = picture;
  const shorter = Math.min(width, height);
  const frames = FRAMES.filter((wide) => shorter > 2 * wide + 2).map((wide) => ({
    place: `frame ${pixels(wide)} wide`,
    inside: Array.from({ length: wide }, (_, ring) => boundary(picture, ring)).flat(),
    outside: boundary(picture, wide),
  }));
  const corners = CORNERS.filter((wide) => shorter > 2 * wide + 2).flatMap((wide) =>
    SIDES.map(({ name, right, bottom }) => {
      const square = (size: number): readonly number[] => {
        const [left, top] = [right ? width - size : 0, bottom ? height - size : 0];
        return Array.from(
          { length: size * size },
          (_, at) => (top + Math.floor(at / size)) * width + left + (at % size),
        );
      };
      const inside = square(wide);
      const known = new Set(inside);
      const outside = square(wide + 1).filter((place) => !known.has(place));
      return { place: `${name} corner ${pixels(wide)} wide`, inside, outside };
    }),
  );
  return [...frames, ...corners].flatMap(({ place, inside, outside }) => {
    const mean = endingMean(picture, inside, outside);
    return mean === null ? [] : BEGINNINGS.map((beginning) => ({ place, word: levelOf(mean, beginning) }));
  });
}

const SIDES = (['top', 'bottom'] as const).flatMap((end) =>
  (['left', 'right'] as const).map((side) => ({
    name: `${end} ${side}`,
    right: side === 'right',
    bottom: end === 'bottom',
  })),
);

const pixels = (wide: number): string => (wide === 1 ? '1 pixel' : `${wide} pixels`);

/** Places of the pixels that are `ring` away from the edge. */
function boundary({ width, height }: Picture, ring: number): readonly number[] {
  const [right, bottom] = [width - 1 - ring, height - 1 - ring];
  const across = Array.from({ length: right - ring + 1 }, (_, at) => ring + at);
  const down = Array.from({ length: bottom - ring - 1 }, (_, at) => ring + 1 + at);
  return [
    ...across.flatMap((x) => [ring * width + x, bottom * width + x]),
    ...down.flatMap((y) => [y * width + ring, y * width + right]),
  ];
}

/** The mean brightness inside where that is of one brightness and ends in a step; else null. */
function endingMean(picture: Picture, inside: readonly number[], outside: readonly number[]): number | null {
  const within = inside.map((place) => brightness(picture, place));
  const mean = average(within);
  const far = within.filter((value) => Math.abs(value - mean) > SPREAD).length;
  if (10 * far > within.length) return null;
  const step = average(outside.map((place) => Math.abs(brightness(picture, place) - mean)));
  return step < STEP ? null : mean;
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Luma, 0 to 255 (ITU-R BT.601, as JPEG counts it). */
function brightness({ pixels: levels }: Picture, place: number): number {
  const at = place * 3;
  return 0.299 * levels[at]! + 0.587 * levels[at + 1]! + 0.114 * levels[at + 2]!;
}

/** "brightness 120–135". */
function levelOf(mean: number, beginning: number): string {
  const least = Math.floor((mean + beginning) / LEVEL) * LEVEL - beginning;
  return `brightness ${Math.max(0, least)}–${Math.min(255, least + LEVEL - 1)}`;
}
