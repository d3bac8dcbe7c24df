/**
 * A trait of the file that gives a label away: the pictures of one label come from another camera, scanner or screen, and the model
 * learns that instead of what they show. Traits that reach it only: a size does by how a picture is made smaller or
 * larger, a shape by what the crop leaves, a compression by its marks, and a frame or a corner of one colour is seen. Not how bright
 * a picture is, nor how many bytes it takes: both are as much what it shows (docs/benchmarks.md). What the
 * file was before data preparation (its name, its format where it was coded anew) is not kept, and no model sees it. Pure.
 */
import type { Picture } from '../../inference/image/decode.ts';
import type { Score } from '../contract/measures.ts';
import { bestRule, noRule, oneLabel, type Giveaway, type Rule } from './giveaway.ts';
import { thinMarks, type ThinMark } from './thin-marks.ts';

/** Channels of one colour differ by no more: JPEG leaves a black frame this uneven. */
const SAME = 12;
/** Of a channel, in so many levels: two scans of one frame are the same colour, two photographs seldom. */
const LEVEL = 32;
/**
 * Levels are counted from four beginnings, each a rule of its own: JPEG moves a mean, and one at an edge falls to both sides of it.
 * The edges are 8 apart, so a channel is within 4 of those of one beginning only: of three channels at least one beginning has none near.
 */
const BEGINNINGS = [0, 8, 16, 24];
/** Of the shorter edge: how wide a frame is at least, and how wide a corner is that is looked at. */
const [FRAME, CORNER] = [0.02, 0.08];
/** Values of a number at which it is cut in two. */
const CUTS = 80;

/** Markers of JPEG segments. */
const [TABLES, START_OF_SCAN] = [0xdb, 0xda];

export interface PictureTraits {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Width / height. */
  readonly shape: number;
  /** Mean of the tables that a JPEG is quantised by: the more, the coarser. None of a PNG. */
  readonly quantisation: number | null;
  /** As it is kept: photographs as they were coded, all else as PNG. */
  readonly format: string;
  /** The colour, from each beginning of its levels, by what is of one colour: the frame, and each corner. */
  readonly colours: readonly { readonly place: string; readonly colour: string }[];
  /** Frames and corners of a few pixels, by their brightness. */
  readonly thin: readonly ThinMark[];
}

export function traitsOf({ width, height, pixels }: Picture, file: Uint8Array, format: string): PictureTraits {
  const picture = { width, height, pixels };
  const rim = Math.max(1, Math.round(FRAME * Math.min(width, height)));
  const corner = Math.max(2, Math.round(CORNER * Math.min(width, height)));
  const frame = [
    { left: 0, top: 0, width, height: rim },
    { left: 0, top: height - rim, width, height: rim },
    { left: 0, top: 0, width: rim, height },
    { left: width - rim, top: 0, width: rim, height },
  ];
  const places = [
    { place: 'frame', boxes: frame },
    ...(['top', 'bottom'] as const).flatMap((end) =>
      (['left', 'right'] as const).map((side) => ({
        place: `${end} ${side} corner`,
        boxes: [
          {
            left: side === 'left' ? 0 : Math.max(0, width - corner),
            top: end === 'top' ? 0 : Math.max(0, height - corner),
            width: Math.min(corner, width),
            height: Math.min(corner, height),
          },
        ],
      })),
    ),
  ];
  return {
    width,
    height,
    shape: width / height,
    quantisation: quantisationOf(file),
    format,
    // One that is of one colour altogether has nothing that a frame is around.
    colours: (oneColour(picture, [{ left: 0, top: 0, width, height }]) === null ? places : []).flatMap(
      ({ place, boxes }) => {
        return (oneColour(picture, boxes) ?? []).map((colour) => ({ place, colour }));
      },
    ),
    thin: thinMarks(picture, { frame: rim, corner }),
  };
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** "rgb(0–31, 0–31, 0–31)", the levels of the channels, from each beginning; null where the boxes are not of one colour. */
function oneColour({ width, pixels }: Picture, boxes: readonly Box[]): readonly string[] | null {
  const channels = [0, 1, 2].map(() => ({ least: 255, most: 0, sum: 0 }));
  let count = 0;
  for (const box of boxes) {
    for (let y = box.top; y < box.top + box.height; y++) {
      for (let x = box.left; x < box.left + box.width; x++, count++) {
        for (const [at, channel] of channels.entries()) {
          const value = pixels[(y * width + x) * 3 + at]!;
          channel.least = Math.min(channel.least, value);
          channel.most = Math.max(channel.most, value);
          channel.sum += value;
          if (channel.most - channel.least > 2 * SAME) return null;
        }
      }
    }
  }
  return BEGINNINGS.map((beginning) => `rgb(${channels.map(({ sum }) => levelOf(sum / count, beginning)).join(', ')})`);
}

/** Of `mean`, 0 to 255. */
function levelOf(mean: number, beginning: number): string {
  const least = Math.floor((mean + beginning) / LEVEL) * LEVEL - beginning;
  return `${Math.max(0, least)}–${Math.min(255, least + LEVEL - 1)}`;
}

/** Of baseline and progressive JPEG with tables of 8 bits (ITU-T T.81, B.2.4.1); null of any other file. */
export function quantisationOf(file: Uint8Array): number | null {
  if (file[0] !== 0xff || file[1] !== 0xd8) return null;
  let [sum, count] = [0, 0];
  for (let at = 2; at + 4 <= file.length && file[at] === 0xff;) {
    const [marker, length] = [file[at + 1]!, file[at + 2]! * 256 + file[at + 3]!];
    if (marker === START_OF_SCAN || length < 2) break;
    if (marker === TABLES) {
      // Each a byte of its number, then 64 values.
      for (let table = at + 4; table + 65 <= Math.min(file.length, at + 2 + length); table += 65) {
        for (const value of file.subarray(table + 1, table + 65)) sum += value;
        count += 64;
      }
    }
    at += 2 + length;
  }
  return count === 0 ? null : sum / count;
}

type Number_ = 'width' | 'height' | 'shape' | 'quantisation';
const NUMBERS: Readonly<Record<Number_, string>> = {
  width: 'width',
  height: 'height',
  shape: 'width over height',
  quantisation: 'mean of the JPEG quantisation tables',
};

export interface TraitScan {
  /** The best rule "this trait, this label", and its F1. */
  readonly score: Score;
  /** `place` is the trait, `word` its value. */
  readonly worst: Giveaway | null;
  /** Rows of the label that the rule holds of. */
  readonly rows: readonly number[];
}

/** `classes`: a label each. */
export async function findGiveawayTrait(
  pictures: readonly PictureTraits[],
  classes: Int32Array,
  labels: number,
  most: number,
  signal?: AbortSignal,
): Promise<TraitScan> {
  const rulesOf = rulesBy(pictures);
  const labelsOf = oneLabel(classes);
  const worst = await bestRule(pictures, labelsOf, labels, rulesOf, signal);
  if (worst === null) return { score: noRule(pictures.length, labelsOf, labels), worst, rows: [] };
  const { score, ...rule } = worst;
  const holds = (row: number): boolean =>
    classes[row] === rule.label &&
    rulesOf(pictures[row]!).some(({ place, word }) => place === rule.place && word === rule.word);
  return { score, worst: rule, rows: [...pictures.keys()].filter(holds).slice(0, most) };
}

/** What holds of a picture: each number as it is and beside the cuts of all pictures, the format, and what is of one colour. */
function rulesBy(pictures: readonly PictureTraits[]): (picture: PictureTraits) => readonly Rule[] {
  const numbers = (Object.keys(NUMBERS) as Number_[]).map((trait) => ({
    trait,
    cuts: cutsOf(pictures.flatMap((picture) => picture[trait] ?? [])),
  }));
  return (picture) => [
    ...numbers.flatMap(({ trait, cuts }) => {
      const value = picture[trait];
      if (value === null) return [];
      const beside = (cut: number): string => `${NUMBERS[trait]} ${value >= cut ? 'of at least' : 'below'}`;
      return [
        { place: NUMBERS[trait], word: shown(value) },
        ...cuts.map((cut) => ({ place: beside(cut), word: shown(cut) })),
      ];
    }),
    { place: 'format', word: picture.format },
    ...picture.colours.map(({ place, colour }) => ({ place: `${place} of one colour`, word: colour })),
    ...picture.thin,
  ];
}

/** Values that part the pictures: quantiles, each once, the least one not. */
function cutsOf(values: readonly number[]): readonly number[] {
  const sorted = values.toSorted((a, b) => a - b);
  const quantiles = Array.from(
    { length: CUTS },
    (_, at) => sorted[Math.floor(((at + 1) * sorted.length) / (CUTS + 1))],
  );
  return [...new Set(quantiles)].flatMap((cut) => (cut === undefined || cut === sorted[0] ? [] : [cut]));
}

const shown = (value: number): string => String(Number(value.toPrecision(4)));
