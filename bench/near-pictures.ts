/**
 * What finding groups of pictures that look alike takes (`nearHashGroups`), processor seconds and memory, and how many groups there are:
 * so many pictures, each two clothes of Fashion-MNIST laid over each other, the first moved by up to two pixels, all before black. Or the worst for finding
 * them, of no pictures: hashes that are all within the distance of one (`star`), or half of them of one and half of its opposite (`stars`).
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/near-pictures.ts [pictures = 60000] [distance = 5] [clothes = clothes | star | stars]
 */
import { join } from 'node:path';
import sharp from 'sharp';
import { nearHashGroups } from '../activities/data/images/near-hash-groups.ts';
import { differenceHash, type DifferenceHash } from '../activities/data/images/perceptual-hash.ts';
import { seededRandom } from '../activities/validation/random.ts';

const PICTURES = Number(process.argv[2] ?? 60_000);
const DISTANCE = Number(process.argv[3] ?? 5);
const CASE = process.argv[4] ?? 'clothes';
const [TILE, MOVED] = [28, 2];
const random = seededRandom(1);

type Hashes = readonly (DifferenceHash | undefined)[];

/** Of pictures before black. */
async function clothes(): Promise<Hashes> {
  const folder = process.env['ESPALIER_TEST_DATA'] ?? '';
  const sprite = join(folder, 'datasets/fashion-mnist-sprite/fashion-mnist-sprite.png');
  const { data, info } = await sharp(sprite).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const columns = Math.floor(info.width / TILE);
  const tiles = columns * Math.floor(info.height / TILE);
  const greyAt = (tile: number, x: number, y: number): number => {
    if (x < 0 || y < 0 || x >= TILE || y >= TILE) return 0;
    const [left, top] = [(tile % columns) * TILE, Math.floor(tile / columns) * TILE];
    return data[((top + y) * info.width + left + x) * info.channels]!;
  };
  return Array.from({ length: PICTURES }, () => {
    const [one, other, share] = [random.below(tiles), random.below(tiles), random.below(101) / 100];
    const [right, down] = [random.below(2 * MOVED + 1) - MOVED, random.below(2 * MOVED + 1) - MOVED];
    const pixels = new Uint8Array(TILE * TILE * 3);
    for (let at = 0; at < TILE * TILE; at += 1) {
      const [x, y] = [at % TILE, Math.floor(at / TILE)];
      const grey = share * greyAt(one, x + right, y + down) + (1 - share) * greyAt(other, x, y);
      pixels.fill(Math.round(grey), at * 3, at * 3 + 3);
    }
    return differenceHash({ width: TILE, height: TILE, pixels });
  });
}

/** Around each of the middles, in turn: one with as many bits turned as the distance, at most. */
function around(middles: readonly number[]): Hashes {
  return Array.from({ length: PICTURES }, (_, at) => {
    const middle = middles[at % middles.length]!;
    const hash = { high: middle, low: middle };
    for (let turned = 0; turned < DISTANCE; turned += 1) {
      const bit = random.below(64);
      if (bit < 32) hash.low = (hash.low ^ (1 << bit)) >>> 0;
      else hash.high = (hash.high ^ (1 << (bit - 32))) >>> 0;
    }
    return hash;
  });
}

const CASES: Readonly<Record<string, () => Hashes | Promise<Hashes>>> = {
  clothes,
  star: () => around([0]),
  stars: () => around([0, 0xffffffff]),
};
const hashes = await CASES[CASE]!();
const before = process.cpuUsage();
const groups = await nearHashGroups(hashes, DISTANCE);
const { user, system } = process.cpuUsage(before);
console.log(
  `${PICTURES} (${CASE}) within ${DISTANCE} of 64 bits: ${new Set(groups).size} groups, ${((user + system) / 1e6).toFixed(1)} s of processor, ` +
    `${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB at most`,
);
