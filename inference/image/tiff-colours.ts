/** Colours of TIFF files that libvips does not read as Pillow does: refused by name, since wrong colours would go unseen. */

const COMPRESSION = 259;
const PHOTOMETRIC = 262;
const JPEG = 7;

/** By the tag PhotometricInterpretation (TIFF 6.0, sections 20, 21 and 23; the profile's own LAB is Adobe's). */
const NAMES: Readonly<Record<number, string>> = {
  6: 'YCbCr without JPEG compression',
  8: 'CIE L*a*b*',
  9: 'ICC L*a*b*',
  10: 'ITU L*a*b*',
};

/** Their name, or undefined where the colours are others or the first directory cannot be read. libtiff itself decodes JPEG to RGB. */
export function unreadColours(bytes: Uint8Array): string | undefined {
  const tags = firstDirectory(bytes, [COMPRESSION, PHOTOMETRIC]);
  const photometric = tags.get(PHOTOMETRIC);
  if (photometric === undefined || (photometric === 6 && tags.get(COMPRESSION) === JPEG)) return undefined;
  return NAMES[photometric];
}

/** The first value of each of these tags: numbers of 16 bits, or 32. */
function firstDirectory(bytes: Uint8Array, wanted: readonly number[]): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = bytes[0] === 0x49;
  if (view.byteLength < 8) return found;
  const start = view.getUint32(4, little);
  if (start + 2 > view.byteLength) return found;
  const end = start + 2 + 12 * view.getUint16(start, little);
  for (let at = start + 2; at < end && at + 12 <= view.byteLength; at += 12) {
    const tag = view.getUint16(at, little);
    if (!wanted.includes(tag) || found.has(tag)) continue;
    const short = view.getUint16(at + 2, little) === 3;
    found.set(tag, short ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little));
  }
  return found;
}
