/**
 * A picture's file to upright RGB pixels. One decoder (libvips, through sharp) decides what a picture looks like: when
 * data are prepared, and when a model answers. It agrees with Pillow to the bit on JPEG, PNG, WebP, GIF and TIFF, in grey,
 * RGB, CMYK and YCCK, palettes, 16 bits, with transparency and all EXIF orientations (tested). TIFF in YCbCr that is not
 * JPEG-compressed, or in LAB, libvips misreads or cannot read: refused by name (tiff-colours.ts). On purpose it differs in 16-bit
 * grey and in the transparent colour of 16-bit pictures, where Pillow errs: it cuts every level over 255 to white, and compares
 * the colour with levels of 8 bits. Here 16-bit grey is its high byte, as Pillow reads 16 bits of all other colours.
 * Data preparation stores the pixels of such pictures as 8-bit PNG (activities/data/images): what trains reads what serves would see.
 */
import sharp from 'sharp';
import { EspalierError } from '../../artifacts/errors.ts';
import { toRgb } from './levels.ts';
import { unreadColours } from './tiff-colours.ts';

/** Row-major [height, width, 3]. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

export interface PictureLimits {
  /** Of the file. */
  readonly maxBytes: number;
  /** Width × height, known from the header: checked before anything is decoded. */
  readonly maxPixels: number;
}

/** The largest of common cameras have 50 to 60 million pixels. */
export const PICTURE_LIMITS: PictureLimits = { maxBytes: 32 * 2 ** 20, maxPixels: 64_000_000 };

/**
 * Times `maxPixels`: bytes of levels that decoding may hold, 512 MB at 64 million pixels. An upright picture of RGB takes 3 a
 * pixel, of CMYK or with alpha 4, of grey 4 or 5; one that is turned takes its file's depth besides.
 */
export const BYTES_A_PIXEL = 8;

/** A strip is no picture; resized to a model's short edge it would need gigabytes in Python. */
export const MAX_ASPECT_RATIO = 200;

export const PICTURE_FORMATS = ['jpeg', 'png', 'webp', 'gif', 'tiff'] as const;
export type PictureFormat = (typeof PICTURE_FORMATS)[number];

/** What the header says. */
export interface PictureHeader {
  readonly format: PictureFormat;
  /** As it is shown: after its orientation. */
  readonly width: number;
  readonly height: number;
  /** EXIF, 1 to 8; 1 where it says nothing. */
  readonly orientation: number;
  readonly cmyk: boolean;
  /** More than 8 bits a channel. */
  readonly deep: boolean;
  readonly transparent: boolean;
  readonly frames: number;
  /** Raw EXIF block, where there is one. */
  readonly exif: Buffer | undefined;
  /** Further blocks that may tell of people: IPTC, XMP, comments. */
  readonly metadata: readonly ('iptc' | 'xmp' | 'comments')[];
}

// No picture is decoded twice, and a cache would count as the worker's memory.
sharp.cache(false);

/**
 * Reads the header. Throws BadData for what is no picture of PICTURE_FORMATS, is too large, or is a strip; `where` says which.
 */
export async function readHeader(
  bytes: Uint8Array,
  where: string,
  limits: PictureLimits = PICTURE_LIMITS,
): Promise<PictureHeader> {
  if (bytes.length === 0) throw bad('the file is empty', where);
  if (bytes.length > limits.maxBytes) {
    throw bad(`the file has ${bytes.length} bytes, more than ${limits.maxBytes}`, where, 'give a smaller picture');
  }
  const format = sniff(bytes);
  if (format === undefined) {
    throw bad('the file is not JPEG, PNG, WebP, GIF or TIFF', where, 'save the picture as JPEG or PNG');
  }
  const unread = format === 'tiff' ? unreadColours(bytes) : undefined;
  if (unread !== undefined) {
    throw bad(`the colours of the TIFF are ${unread}, which is not read`, where, 'save the picture as RGB');
  }
  // The sizes are judged below, with figures.
  const found = await attempt(where, () => sharp(bytes, { limitInputPixels: false }).metadata());
  const orientation = found.orientation ?? 1;
  const [width, height] = orientation > 4 ? [found.height, found.width] : [found.width, found.height];
  if (width * height > limits.maxPixels) {
    throw bad(`the picture is ${width} × ${height}, more than ${limits.maxPixels} pixels`, where, 'scale it down');
  }
  const decoded = width * height * bytesAPixel(found, orientation);
  if (decoded > limits.maxPixels * BYTES_A_PIXEL) {
    const kind = `${found.channels} channels of ${found.depth}${orientation === 1 ? '' : ', turned'}`;
    const message = `the picture is ${width} × ${height} with ${kind}: it decodes to ${decoded} bytes, more than ${limits.maxPixels * BYTES_A_PIXEL}`;
    throw bad(message, where, 'scale it down, or save it upright as RGB of 8 bits');
  }
  if (Math.max(width, height) > MAX_ASPECT_RATIO * Math.min(width, height)) {
    const message = `the picture is ${width} × ${height}: one edge is more than ${MAX_ASPECT_RATIO} times the other`;
    throw bad(message, where, 'crop it');
  }
  return {
    format,
    width,
    height,
    orientation,
    cmyk: found.space === 'cmyk',
    deep: found.depth !== 'uchar',
    transparent: found.hasAlpha,
    frames: found.pages ?? 1,
    exif: found.exif,
    metadata: [
      ...(found.iptc === undefined ? [] : ['iptc' as const]),
      ...(found.xmp === undefined ? [] : ['xmp' as const]),
      ...((found.comments ?? []).length === 0 ? [] : ['comments' as const]),
    ],
  };
}

/**
 * Upright RGB of the first frame, transparency over white; colour profiles are not applied (as Pillow and the image
 * processors of transformers have it). Throws BadData as `readHeader`, and for what is damaged or cut short;
 * the signal's reason when it is aborted.
 */
export async function decodePicture(
  bytes: Uint8Array,
  where: string,
  limits: PictureLimits = PICTURE_LIMITS,
  signal?: AbortSignal,
): Promise<Picture> {
  return decodeKnown(bytes, await readHeader(bytes, where, limits), where, signal);
}

/** The same where the header is read already. */
export async function decodeKnown(
  bytes: Uint8Array,
  header: PictureHeader,
  where: string,
  signal?: AbortSignal,
): Promise<Picture> {
  const limitInputPixels = header.width * header.height;
  const { data, info } = await attempt(where, () => {
    const upright = sharp(bytes, { failOn: 'warning', ignoreIcc: true, limitInputPixels }).autoOrient();
    if (!header.cmyk) return upright.toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
    // The inks as they are: sharp's own way to RGB is by a colour profile, the file's or its own. Of 16 bits the high byte:
    // the quotient is exact, and libvips cuts what is behind the point.
    const inks = upright.pipelineColourspace('cmyk');
    const levels = header.deep ? inks.linear(1 / 256, 0) : inks;
    return levels.toColourspace('cmyk').raw().toBuffer({ resolveWithObject: true });
  });
  const { width, height, channels } = info;
  return { width, height, pixels: await toRgb({ data, channels, inks: header.cmyk }, signal) };
}

/** Of each, in bytes; what libvips calls them. */
const DEPTHS: Readonly<Record<string, number>> = { uchar: 1, char: 1, ushort: 2, short: 2, uint: 4, int: 4, float: 4 };

/** Of levels of 8 bits and, where they are not converted in place, of the RGB made of them; of the copy that is turned. */
function bytesAPixel({ channels, depth }: { channels: number; depth: string }, orientation: number): number {
  const levels = channels < 3 ? channels + 3 : channels;
  return levels + (orientation === 1 ? 0 : channels * (DEPTHS[depth] ?? 16));
}

/** A grey square as a file: what a model is tried with before anybody asks it. */
export function plainPicture(): Promise<Uint8Array> {
  return sharp({ create: { width: 64, height: 64, channels: 3, background: '#808080' } })
    .png()
    .toBuffer();
}

/** By the first bytes: libvips would also load SVG and PDF, which can ask for other files. */
function sniff(bytes: Uint8Array): PictureFormat | undefined {
  const start = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  if (start.startsWith('\xFF\xD8\xFF')) return 'jpeg';
  if (start.startsWith('\x89PNG\r\n\x1A\n')) return 'png';
  if (start.startsWith('RIFF') && start.endsWith('WEBP')) return 'webp';
  if (/^GIF8[79]a/.test(start)) return 'gif';
  if (start.startsWith('II*\0') || start.startsWith('MM\0*')) return 'tiff';
  return undefined;
}

async function attempt<Result>(where: string, decode: () => Promise<Result>): Promise<Result> {
  try {
    return await decode();
  } catch (error) {
    const [first = 'it cannot be decoded'] = (error as Error).message.split('\n');
    throw bad(`the picture is damaged: ${first.slice(0, 200)}`, where, 'save it again, or leave it out', error);
  }
}

function bad(
  message: string,
  where: string,
  fix = 'give a picture, or leave the file out',
  cause?: unknown,
): EspalierError {
  return new EspalierError('BadData', message, { where, fix, ...(cause === undefined ? {} : { cause }) });
}
