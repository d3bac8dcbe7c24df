/**
 * The form in which a picture is kept: one that Pillow, which trains on it, and sharp, which serves, read alike to the bit
 * (tested), with no metadata. An upright 8-bit JPEG of grey or YCbCr stays as it was coded; all else becomes
 * an 8-bit PNG of the pixels that `decodePicture` gives. So both sides see the same whatever the file was, CMYK and 16-bit
 * included, and photographs do not grow to five times their size.
 */
import sharp from 'sharp';
import { decodeKnown, readHeader, type Picture, type PictureLimits } from '../../../inference/image/decode.ts';
import { personalMetadata, type PersonalMetadata } from './exif.ts';
import { bareJpeg } from './jpeg-segments.ts';

export interface CanonicalPicture {
  readonly bytes: Uint8Array;
  readonly ending: 'jpg' | 'png';
  readonly picture: Picture;
  /** What its file said of people. */
  readonly told: ReadonlySet<PersonalMetadata>;
  /** More than one frame: the first was taken. */
  readonly animated: boolean;
}

/** Throws BadData as `decodePicture` does. */
export async function canonicalPicture(
  bytes: Uint8Array,
  where: string,
  limits: PictureLimits,
): Promise<CanonicalPicture> {
  const header = await readHeader(bytes, where, limits);
  const picture = await decodeKnown(bytes, header, where);
  const told = new Set(header.exif === undefined ? [] : personalMetadata(header.exif));
  // Free text of whoever handled the picture: mostly names and captions.
  if (header.metadata.length > 0) told.add('person');
  const about = { picture, told, animated: header.frames > 1 };
  const keepsCode = header.format === 'jpeg' && header.orientation === 1 && !header.cmyk && !header.deep;
  const bare = keepsCode ? bareJpeg(bytes) : undefined;
  if (bare !== undefined) return { bytes: bare, ending: 'jpg', ...about };
  const { width, height, pixels } = picture;
  return {
    bytes: await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer(),
    ending: 'png',
    ...about,
  };
}
