/** A classifier of pictures that can be worked out on paper (tiny_picture_classifier.py), and pictures of one colour. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { BEHAVIOUR_FILE, behaviourLines, type StoredTest } from '../../activities/data/behaviour.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { temporaryFolder } from '../training/fixtures.ts';
import { madeOnce } from './made-once.ts';

export const COLOURS = ['red', 'green', 'blue'] as const;
const RGB = { red: [230, 20, 10], green: [20, 230, 10], blue: [10, 20, 230] } as const;

/** The folder of the tiny classifier. Do not write to it. */
export function tinyPictureClassifier(): Promise<string> {
  return madeOnce('tiny_picture_classifier.py');
}

/** One that cannot tell its pictures apart: whatever it is shown, its embedding points the same way. */
export function blindPictureClassifier(): Promise<string> {
  return madeOnce('tiny_picture_classifier.py', 'blind');
}

/** A plain picture, a little different for each `shade`. */
export async function picture(
  colour: (typeof COLOURS)[number],
  { format = 'png', shade = 0, width = 16, height = 12 }: PictureOptions = {},
): Promise<Buffer> {
  const [r, g, b] = RGB[colour];
  const background = { r: r - shade, g: g + shade, b: b + shade };
  return sharp({ create: { width, height, channels: 3, background } })
    .toFormat(format)
    .toBuffer();
}
export interface PictureOptions {
  readonly format?: 'png' | 'jpeg' | 'webp';
  readonly shade?: number;
  readonly width?: number;
  readonly height?: number;
}

export interface MadePicture {
  readonly id: string;
  readonly bytes: Buffer;
  readonly label: string;
  readonly groups?: Readonly<Record<string, string>>;
}

/** Different pictures whose label is their colour; of another `width`, other pictures. */
export async function makePictures(count: number, width: number): Promise<MadePicture[]> {
  const made: MadePicture[] = [];
  for (let place = 0; place < count; place++) {
    const label = COLOURS[place % 3]!;
    // Of another width or height is another picture; of another shade, too.
    const bytes = await picture(label, { shade: place % 10, width, height: 12 + Math.floor(place / 10) });
    made.push({ id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes, label });
  }
  return made;
}

/** A dataset as data preparation writes it, but that the rows of a split may be fewer than its pack, or in another order. */
export async function putPictures(
  store: ArtifactStore,
  packs: Readonly<Record<string, readonly MadePicture[]>>,
  {
    labels = COLOURS,
    rows = packs,
    tests,
  }: {
    readonly labels?: readonly string[];
    readonly rows?: Readonly<Record<string, readonly MadePicture[]>>;
    /** Of the pictures in a pack `behaviour`. */
    readonly tests?: readonly StoredTest[];
  } = {},
): Promise<ArtifactRef> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'labels.json'), JSON.stringify(labels));
  for (const [split, pictures] of Object.entries(packs)) {
    const archive = pack();
    const writing = pipeline(archive, createWriteStream(join(folder, `${split}.tar`)));
    for (const { id, bytes } of pictures) archive.entry({ name: `${split}/${id}.png` }, bytes);
    archive.finalize();
    await writing;
    const lines = (rows[split] ?? pictures).map(
      ({ id, label, groups }) => `${JSON.stringify({ id, image: `${split}/${id}.png`, label, groups })}\n`,
    );
    await writeFile(join(folder, `${split}.jsonl`), lines);
  }
  if (tests !== undefined) await writeFile(join(folder, BEHAVIOUR_FILE), behaviourLines(tests));
  return store.putTree(folder, 'dataset');
}
