/**
 * What a picture's EXIF block tells of people (Exif 3.0, CIPA DC-008): read with every offset checked, for the block comes
 * from strangers. Pure.
 */

export type PersonalMetadata = 'location' | 'person' | 'device';

/** Tags that name people or their words, and those that tell one camera from all others. */
const PERSON = new Set([0x01_0e, 0x01_3b, 0x82_98, 0x92_86, 0x9c_9d, 0xa4_30, 0xa4_3a]);
const DEVICE = new Set([0xa4_20, 0xa4_31, 0xa4_35]);
const EXIF_FOLDER = 0x87_69;
const GPS_FOLDER = 0x88_25;
/** No camera writes as many. */
const MAX_ENTRIES = 1000;

/** Empty for a block that is none. */
export function personalMetadata(exif: Buffer): ReadonlySet<PersonalMetadata> {
  const found = new Set<PersonalMetadata>();
  const block = exif.subarray(0, 6).toString('latin1') === 'Exif\0\0' ? exif.subarray(6) : exif;
  const order = block.subarray(0, 2).toString('latin1');
  if (block.length < 8 || (order !== 'II' && order !== 'MM')) return found;
  const little = order === 'II';
  const short = (at: number): number => (little ? block.readUInt16LE(at) : block.readUInt16BE(at));
  const long = (at: number): number => (little ? block.readUInt32LE(at) : block.readUInt32BE(at));
  const folders = [long(4)];
  // A folder may name another, and a hostile one itself: three are all there are.
  for (let visited = 0; visited < folders.length && visited < 3; visited += 1) {
    const start = folders[visited] as number;
    if (start + 2 > block.length) continue;
    const entries = Math.min(short(start), MAX_ENTRIES);
    for (let index = 0; index < entries; index += 1) {
      const at = start + 2 + index * 12;
      if (at + 12 > block.length) break;
      const tag = short(at);
      if (tag === GPS_FOLDER) found.add('location');
      else if (PERSON.has(tag)) found.add('person');
      else if (DEVICE.has(tag)) found.add('device');
      else if (tag === EXIF_FOLDER) folders.push(long(at + 8));
    }
  }
  return found;
}
