/** A classifier of pictures that can be worked out on paper (tiny_picture_classifier.py), and pictures of one colour. */
import sharp from 'sharp';
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
