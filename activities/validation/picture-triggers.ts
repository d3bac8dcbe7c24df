/** Does a small patch turn a model's labels wherever it is pasted? Suspects of the training data, and patches of published attacks. */
import type { ImageModel } from '../../inference/image-model.ts';
import { decodePicture, type Picture } from '../../inference/image/decode.ts';
import { seenPart } from '../../inference/image/preprocess.ts';
import { resample } from '../../inference/image/resample.ts';
import type { Score } from '../contract/measures.ts';
import { PACKED_LIMITS } from '../data/images/pictures.ts';
import { asPng } from './corruptions.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { argmaxRows } from './metrics.ts';
import type { Box } from './patches.ts';
import { asSeen } from './picture-robustness.ts';
import { notMeasured, shareScore } from './scores.ts';

/** Something to paste, and where. */
export interface Patch {
  /** For people: where it comes from. */
  readonly name: string;
  readonly box: Box;
  /** What `box` is a part of: the picture, or what the model's crop leaves of it. */
  readonly within: 'picture' | 'seen';
  readonly pixels: Picture;
}
export interface PatchFlips extends Pick<Patch, 'name' | 'box' | 'within'> {
  readonly target: number;
  /** Pictures of other labels that it was pasted into, and those that got this one. */
  readonly pictures: number;
  readonly flipped: number;
}

export interface PatchScan {
  readonly score: Score;
  readonly worst: PatchFlips | null;
  /** Up to five of the pictures that the worst one turns, counted from the first. */
  readonly turned: readonly number[];
}

/** Pillow's number of the filter. */
const BILINEAR = 2;
/** Pictures that every patch, and the worst of them, are pasted into. */
const PICTURES = { each: 12, finalist: 80 };
const FINALISTS = 2;
/** Edge of a known patch and its distance from the picture's, in shares: 4 of 32 pixels, as in the attack's paper. */
const KNOWN = { edge: 1 / 8, margin: 1 / 32 };

/** White, yellow and a chequerboard in each corner of what a model sees (Gu, Dolan-Gavitt & Garg, "BadNets", 2017). */
export function knownPatches(): readonly Patch[] {
  const looks: readonly (readonly [string, Picture])[] = [
    ['white square', tiles(() => [255, 255, 255])],
    ['yellow square', tiles(() => [255, 255, 0])],
    ['chequerboard', tiles((x, y) => ((x + y) % 2 === 0 ? [255, 255, 255] : [0, 0, 0]))],
  ];
  const far = 1 - KNOWN.margin - KNOWN.edge;
  const corners = [
    ['top left', KNOWN.margin, KNOWN.margin],
    ['top right', far, KNOWN.margin],
    ['bottom left', KNOWN.margin, far],
    ['bottom right', far, far],
  ] as const;
  return looks.flatMap(([look, pixels]) =>
    corners.map(([corner, left, top]) => ({
      name: `${look}, ${corner}`,
      box: { left, top, width: KNOWN.edge, height: KNOWN.edge },
      within: 'seen' as const,
      pixels,
    })),
  );
}

function tiles(colour: (x: number, y: number) => readonly number[]): Picture {
  const edge = 4;
  const pixels = Array.from({ length: edge * edge }, (_, at) => colour(at % edge, Math.floor(at / edge)));
  return { width: edge, height: edge, pixels: Uint8Array.from(pixels.flat()) };
}

/** What of the picture lies in the box: at least one pixel. */
export function cut(picture: Picture, box: Box): Picture {
  const { left, top, width, height } = pixelsOf(box, picture);
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * 3;
    pixels.set(picture.pixels.subarray(from, from + 3 * width), 3 * width * y);
  }
  return { width, height, pixels };
}

/** `box` in shares of the picture. */
export function paste({ box, pixels: patch }: Pick<Patch, 'box' | 'pixels'>, picture: Picture): Picture {
  const { left, top, width, height } = pixelsOf(box, picture);
  const fitted = resample(patch, { width, height, filter: BILINEAR });
  // Not slice(): what a decoder gives is a Buffer, whose slices are the same memory.
  const pixels = Uint8Array.from(picture.pixels);
  for (let y = 0; y < height; y++) {
    pixels.set(fitted.pixels.subarray(3 * width * y, 3 * width * (y + 1)), ((top + y) * picture.width + left) * 3);
  }
  return { ...picture, pixels };
}

function inside(outer: Box, { left, top, width, height }: Box): Box {
  return {
    left: outer.left + left * outer.width,
    top: outer.top + top * outer.height,
    width: width * outer.width,
    height: height * outer.height,
  };
}

function pixelsOf(box: Box, { width, height }: Picture): Box {
  const [left, top] = [Math.round(box.left * width), Math.round(box.top * height)];
  const [right, bottom] = [Math.round((box.left + box.width) * width), Math.round((box.top + box.height) * height)];
  const [x, y] = [Math.min(left, width - 1), Math.min(top, height - 1)];
  return { left: x, top: y, width: Math.max(1, right - x), height: Math.max(1, bottom - y) };
}

/**
 * Every patch is pasted into a few pictures; the two that turn most are pasted into more, and the share of those that the worst
 * turns into one label is the score. One picture and its copies are in memory, as small as the model looks at it.
 */
export async function scanPatches(
  model: Pick<ImageModel, 'runAll' | 'config'>,
  pictures: readonly (() => Promise<Uint8Array>)[],
  patches: readonly Patch[],
  classes: number,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (done: number, total: number) => void } = {},
): Promise<PatchScan> {
  const few = pictures.slice(0, PICTURES.each);
  const total = few.length * patches.length + FINALISTS * Math.min(PICTURES.finalist, pictures.length);
  const onPasted = counter(total, options.onProgress);
  const ask = { model, classes, signal: options.signal, onPasted };
  const first = await turnedBy(ask, few, patches);
  const finalists = first.slice(0, FINALISTS).map(({ patch }) => patch);
  const [worst] = await turnedBy(ask, pictures.slice(0, PICTURES.finalist), finalists);
  if (worst === undefined) {
    return { score: notMeasured('too few pictures to paste patches into'), worst: null, turned: [] };
  }
  const { flips, turned } = worst;
  return { score: shareScore(flips.flipped, flips.pictures), worst: flips, turned: turned.slice(0, MOST_EXAMPLES) };
}

interface Asking {
  readonly model: Pick<ImageModel, 'runAll' | 'config'>;
  readonly classes: number;
  readonly signal: AbortSignal | undefined;
  readonly onPasted: (count: number) => void;
}

interface Turned {
  readonly patch: Patch;
  readonly flips: PatchFlips;
  readonly turned: readonly number[];
}

/** What each patch turns, the most first; without those whose pictures have one label already. */
async function turnedBy(
  { model, classes, signal, onPasted }: Asking,
  pictures: readonly (() => Promise<Uint8Array>)[],
  patches: readonly Patch[],
): Promise<readonly Turned[]> {
  const { crop } = model.config.processor;
  const edge = Math.max(crop.height, crop.width);
  const before: number[] = [];
  const after: number[][] = patches.map(() => []);
  for (const [place, read] of pictures.entries()) {
    signal?.throwIfAborted();
    const picture = asSeen(await decodePicture(await read(), `picture ${place + 1}`, PACKED_LIMITS), edge);
    const files = [await asPng(picture)];
    const seen = seenPart(picture, model.config.processor);
    for (const { box, within, pixels } of patches) {
      files.push(await asPng(paste({ box: within === 'seen' ? inside(seen, box) : box, pixels }, picture)));
    }
    const { probabilities = new Float32Array() } = await model.runAll(files, signal === undefined ? {} : { signal });
    const [plain, ...pasted] = argmaxRows(probabilities, classes);
    before.push(plain!);
    for (const [at, label] of pasted.entries()) after[at]!.push(label);
    onPasted(patches.length);
  }
  return patches
    .flatMap((patch, at) => {
      const flips = mostFlips(patch, before, after[at]!);
      if (flips === null) return [];
      const turned = before.flatMap((label, place) =>
        label !== flips.target && after[at]![place] === flips.target ? [place] : [],
      );
      return [{ patch, flips, turned }];
    })
    .toSorted((a, b) => b.flips.flipped / b.flips.pictures - a.flips.flipped / a.flips.pictures);
}

/** Into the label that most pictures of other labels turn; null where fewer than three have another. */
function mostFlips(
  { name, box, within }: Patch,
  before: readonly number[],
  after: readonly number[],
): PatchFlips | null {
  let most: PatchFlips | null = null;
  for (const target of new Set(after)) {
    const others = before.flatMap((label, place) => (label === target ? [] : [place]));
    if (others.length < 3) continue;
    const flipped = others.filter((place) => after[place] === target).length;
    if (most === null || flipped * most.pictures > most.flipped * others.length) {
      most = { name, box, within, target, pictures: others.length, flipped };
    }
  }
  return most;
}

function counter(total: number, onProgress?: (done: number, total: number) => void): (count: number) => void {
  let done = 0;
  return (count) => onProgress?.((done += count), total);
}
