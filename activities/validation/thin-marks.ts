/**
 * Frames and corners of one brightness that end in a step, at the picture's own resolution: a scanner's edge, a drawn border, a
 * marked corner. Brightness alone is looked at: JPEG keeps colours at half the resolution, so that the colour of a thin thing is
 * half that of what is beside it, while its brightness stays within a level or two. That it ends in a step tells it from a smooth
 * sky. Every width is looked at, to the pixel, up to where one that is told by its colour at a share of the picture
 * (picture-traits.ts) lies in blocks of JPEG that nothing else is in. Pure.
 */
import type { Picture } from '../../inference/image/decode.ts';

/** Pixels. A corner of one pixel is nothing that one sees. */
const LEAST = { frame: 1, corner: 2 };
/** Pixels that are looked at in any case. */
const ALWAYS = { frame: 3, corner: 4 };
/** Pixels a side of what JPEG codes as one, its colours at half the resolution: what ends in one rings in all of it. */
const BLOCK = 16;
/** Of the shorter edge: what is wider is what the picture shows. */
const WIDEST = { frame: 1 / 8, corner: 1 / 4 };
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

/** `seen`: how wide a frame and a corner are, in pixels, that are told by their colour. */
export function thinMarks(picture: Picture, seen: Readonly<Record<Kind, number>>): readonly ThinMark[] {
  const shorter = Math.min(picture.width, picture.height);
  const most = (kind: Kind): number => {
    const asked = Math.max(ALWAYS[kind], Math.min(BLOCK * Math.ceil(seen[kind] / BLOCK), WIDEST[kind] * shorter));
    // Of a frame, something is left inside.
    return Math.min(Math.floor(asked), Math.ceil(shorter / 2) - 2);
  };
  return [
    ...endingMarks('frame', LEAST.frame, most('frame'), (ring) => frameRing(picture, ring)),
    ...SIDES.flatMap(({ name, right, bottom }) =>
      endingMarks(`${name} corner`, LEAST.corner, most('corner'), (ring) => cornerRing(picture, ring, right, bottom)),
    ),
  ];
}

type Kind = 'frame' | 'corner';

const SIDES = (['top', 'bottom'] as const).flatMap((end) =>
  (['left', 'right'] as const).map((side) => ({
    name: `${end} ${side}`,
    right: side === 'right',
    bottom: end === 'bottom',
  })),
);

/** Of all widths from `least` to `most` those that are of one brightness and end in a step. Each is one ring more than the one before. */
function endingMarks(name: string, least: number, most: number, ringOf: (ring: number) => Levels): readonly ThinMark[] {
  const found: ThinMark[] = [];
  const inside = new Levels();
  for (let wide = 0; wide <= most; wide++) {
    const outside = ringOf(wide);
    if (wide >= least) {
      const mean = inside.mean();
      if (10 * inside.further(mean, SPREAD) <= inside.count && outside.distance(mean) >= STEP) {
        const place = `${name} ${wide === 1 ? '1 pixel' : `${wide} pixels`} wide`;
        found.push(...BEGINNINGS.map((beginning) => ({ place, word: levelOf(mean, beginning) })));
      }
    }
    inside.addAll(outside);
  }
  return found;
}

/** The pixels that are `ring` away from the edge. */
function frameRing(picture: Picture, ring: number): Levels {
  const levels = new Levels();
  const [right, bottom] = [picture.width - 1 - ring, picture.height - 1 - ring];
  for (let x = ring; x <= right; x++) {
    levels.add(brightness(picture, x, ring));
    levels.add(brightness(picture, x, bottom));
  }
  for (let y = ring + 1; y < bottom; y++) {
    levels.add(brightness(picture, ring, y));
    levels.add(brightness(picture, right, y));
  }
  return levels;
}

/** The pixels of a corner's square of `ring` + 1 a side that are not in that of `ring`. */
function cornerRing(picture: Picture, ring: number, fromRight: boolean, fromBottom: boolean): Levels {
  const levels = new Levels();
  const at = (across: number, down: number): number =>
    brightness(picture, fromRight ? picture.width - 1 - across : across, fromBottom ? picture.height - 1 - down : down);
  for (let along = 0; along < ring; along++) {
    levels.add(at(ring, along));
    levels.add(at(along, ring));
  }
  levels.add(at(ring, ring));
  return levels;
}

/** How many pixels have which brightness, so that a width costs what its ring has and not what is in it. */
class Levels {
  count = 0;
  readonly #counts = new Uint32Array(256);
  #sum = 0;

  add(value: number): void {
    this.count++;
    this.#sum += value;
    this.#counts[Math.round(value)]!++;
  }

  addAll(others: Levels): void {
    this.count += others.count;
    this.#sum += others.#sum;
    for (const [level, count] of others.#counts.entries()) this.#counts[level]! += count;
  }

  mean(): number {
    return this.#sum / this.count;
  }

  /** How many are further than `spread` from `mean`. */
  further(mean: number, spread: number): number {
    return this.#counts.reduce((sum, count, level) => sum + (Math.abs(level - mean) > spread ? count : 0), 0);
  }

  /** From `mean`, on average. */
  distance(mean: number): number {
    return this.#counts.reduce((sum, count, level) => sum + count * Math.abs(level - mean), 0) / this.count;
  }
}

/** Luma, 0 to 255 (ITU-R BT.601, as JPEG counts it). */
function brightness({ width, pixels }: Picture, x: number, y: number): number {
  const at = (y * width + x) * 3;
  return 0.299 * pixels[at]! + 0.587 * pixels[at + 1]! + 0.114 * pixels[at + 2]!;
}

/** "brightness 120–135". */
function levelOf(mean: number, beginning: number): string {
  const least = Math.floor((mean + beginning) / LEVEL) * LEVEL - beginning;
  return `brightness ${Math.max(0, least)}–${Math.min(255, least + LEVEL - 1)}`;
}
