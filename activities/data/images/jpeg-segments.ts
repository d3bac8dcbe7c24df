/** A JPEG file without what is not its picture (ITU-T T.81, annex B): metadata, profiles, comments, and what follows its end. Pure. */

const START_OF_SCAN = 0xda;
const END = 0xd9;

/**
 * The same coded picture: of the application segments only JFIF's (0) and Adobe's (14) stay, which say how its colours are
 * coded. `undefined` where the segments are not as they should be: then the pixels are to be kept another way.
 */
export function bareJpeg(bytes: Uint8Array): Buffer | undefined {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kept: Buffer[] = [source.subarray(0, 2)];
  let at = 2;
  while (at + 2 <= source.length) {
    if (source[at] !== 0xff) return undefined;
    const marker = source[at + 1] as number;
    if (marker === 0xff) {
      at += 1; // fill bytes
      continue;
    }
    if (marker === END) return Buffer.concat([...kept, source.subarray(at, at + 2)]);
    if (at + 4 > source.length) return undefined;
    const length = source.readUInt16BE(at + 2);
    let end = at + 2 + length;
    if (length < 2 || end > source.length) return undefined;
    if (marker === START_OF_SCAN) end = endOfScan(source, end);
    if (!isMetadata(marker)) kept.push(source.subarray(at, end));
    at = end;
  }
  return undefined;
}

function isMetadata(marker: number): boolean {
  return marker === 0xfe || (marker >= 0xe1 && marker <= 0xef && marker !== 0xee);
}

/** Where the coded data end: at a marker that is neither a stuffed byte nor a restart. */
function endOfScan(source: Buffer, from: number): number {
  for (let at = source.indexOf(0xff, from); at !== -1 && at + 1 < source.length; at = source.indexOf(0xff, at + 1)) {
    const next = source[at + 1] as number;
    if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at;
  }
  return source.length;
}
