/** What noise, blur, JPEG, light and a tilted camera cost a model of pictures, against the same pictures without. */
import { definedOnly } from '../../artifacts/defined-only.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import { decodePicture, type Picture } from '../../inference/image/decode.ts';
import { resample } from '../../inference/image/resample.ts';
import type { Score } from '../contract/measures.ts';
import type { CorruptionCost } from '../contract/validation.ts';
import { PACKED_LIMITS } from '../data/images/pictures.ts';
import { asPng, builtInCorruptions, type Corruption } from './corruptions.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { argmaxRows } from './metrics.ts';
import { discordance, pairedShareInterval } from './paired.ts';
import { NO_SCORE } from './scores.ts';

/** Pillow's number of the filter. */
const BILINEAR = 2;

export interface Corrupted {
  /** The largest drop under a mild corruption; its interval holds for all of them at once. */
  readonly score: Score;
  readonly byCorruption: readonly CorruptionCost[];
  /** Up to five pictures that are right as they are and wrong under that corruption, which `by` names. */
  readonly lost: { readonly by: string; readonly ids: readonly string[] };
}

export interface LabelledPicture {
  readonly id: string;
  readonly read: () => Promise<Uint8Array>;
  /** Class; an index into the labels. */
  readonly expected: number;
}

interface Options {
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  /** Those of the package by default. */
  readonly corruptions?: readonly Corruption[];
}

/** Who is asked about pictures. */
export interface AskedOfPictures {
  /** Pixels of the longer edge of what it looks at. */
  readonly edge: number;
  /** A class a file, all of them forms of the picture at `place`. */
  readonly answer: (files: readonly Uint8Array[], place: number) => Promise<Int32Array>;
}

/** What corruptions cost a classifier's accuracy. */
export async function measureCorruption(
  model: Pick<ImageModel, 'runAll' | 'config'>,
  pictures: readonly LabelledPicture[],
  classes: number,
  options: Options,
): Promise<Corrupted> {
  const { crop } = model.config.processor;
  const answer = async (files: readonly Uint8Array[]): Promise<Int32Array> => {
    const { probabilities = new Float32Array() } = await model.runAll(files, definedOnly({ signal: options.signal }));
    return argmaxRows(probabilities, classes);
  };
  return costOfCorruption({ edge: Math.max(crop.height, crop.width), answer }, pictures, options);
}

/**
 * Every picture as it is and under each corruption; one picture with its corruptions is in memory. A larger
 * one is first made as small as it is looked at: a blur of pixels means the same for a photograph of any size then.
 */
export async function costOfCorruption(
  { edge, answer }: AskedOfPictures,
  pictures: readonly LabelledPicture[],
  options: Options,
): Promise<Corrupted> {
  const { seed, signal, onProgress, corruptions = builtInCorruptions() } = options;
  const expected = Int32Array.from(pictures, (picture) => picture.expected);
  const plain = new Int32Array(pictures.length);
  const answers = corruptions.map(() => new Int32Array(pictures.length));
  for (const [place, { read }] of pictures.entries()) {
    signal?.throwIfAborted();
    const picture = asSeen(await decodePicture(await read(), `picture ${place + 1}`, PACKED_LIMITS), edge);
    const files = [await asPng(picture)];
    for (const { apply } of corruptions) files.push(await apply(picture, seed + place));
    const [before, ...after] = await answer(files, place);
    plain[place] = before!;
    for (const [corruption, label] of after.entries()) answers[corruption]![place] = label;
    onProgress?.(place + 1, pictures.length);
  }
  const kinds = new Set(corruptions.map(({ name }) => name)).size;
  const confidence = 1 - 0.05 / Math.max(1, kinds);
  const byCorruption = corruptions.map(({ name, severity, says }, corruption): CorruptionCost => {
    return { name, severity, says, drop: dropOf(expected, plain, answers[corruption]!, confidence) };
  });
  const mild = [...byCorruption.entries()].filter(([, { severity }]) => severity === 'mild');
  // A drop is shown by its better end, and of several it is the one that is shown best.
  const [worst] = mild.toSorted(([, a], [, b]) => (b.drop.interval?.low ?? -1) - (a.drop.interval?.low ?? -1));
  if (worst === undefined) return { score: NO_SCORE, byCorruption, lost: { by: '', ids: [] } };
  const [corruption, { name, drop: score }] = worst;
  const isLost = (place: number): boolean =>
    plain[place] === expected[place] && answers[corruption]![place] !== expected[place];
  const ids = pictures.flatMap(({ id }, place) => (isLost(place) ? [id] : []));
  return { score, byCorruption, lost: { by: name, ids: ids.slice(0, MOST_EXAMPLES) } };
}

function dropOf(expected: Int32Array, plain: Int32Array, corrupted: Int32Array, confidence: number): Score {
  const rows = expected.length;
  if (rows === 0) return NO_SCORE;
  const { won, lost } = discordance(expected, plain, corrupted);
  return { value: (won - lost) / rows, interval: pairedShareInterval({ won, lost }, rows, confidence), rows };
}

/** With a shorter edge of at most `edge`, its form kept. */
export function asSeen(picture: Picture, edge: number): Picture {
  const scale = edge / Math.min(picture.width, picture.height);
  if (scale >= 1) return picture;
  const [width, height] = [picture.width, picture.height].map((length) => Math.max(1, Math.round(length * scale)));
  return resample(picture, { width: width!, height: height!, filter: BILINEAR });
}
