/**
 * What finding groups of pictures that look alike takes (`nearHashGroups`), processor seconds and memory, and how many groups there are:
 * so many pictures, each two clothes of Fashion-MNIST laid over each other, the first moved by up to two pixels, all before black.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/near-pictures.ts [pictures = 60000] [distance = 5]
 */
import { join } from 'node:path';
import sharp from 'sharp';
import { nearHashGroups } from '../activities/data/images/near-hash-groups.ts';
import { differenceHash } from '../activities/data/images/perceptual-hash.ts';
import { seededRandom } from '../activities/validation/random.ts';

const PICTURES = Number(process.argv[2] ?? 60_000);
const DISTANCE = Number(process.argv[3] ?? 5);
const [TILE, MOVED] = [28, 2];
const sprite = join(process.env['ESPALIER_TEST_DATA'] ?? '', 'datasets/fashion-mnist-sprite/fashion-mnist-sprite.png');
const { data, info } = await sharp(sprite).removeAlpha().raw().toBuffer({ resolveWithObject: true });
const columns = Math.floor(info.width / TILE);
const tiles = columns * Math.floor(info.height / TILE);

function greyAt(tile: number, x: number, y: number): number {
  if (x < 0 || y < 0 || x >= TILE || y >= TILE) return 0;
  const [left, top] = [(tile % columns) * TILE, Math.floor(tile / columns) * TILE];
  return data[((top + y) * info.width + left + x) * info.channels]!;
}

const random = seededRandom(1);
const hashes = Array.from({ length: PICTURES }, () => {
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
const before = process.cpuUsage();
const groups = await nearHashGroups(hashes, DISTANCE);
const { user, system } = process.cpuUsage(before);
console.log(
  `${PICTURES} pictures within ${DISTANCE} of 64 bits: ${new Set(groups).size} groups, ${((user + system) / 1e6).toFixed(1)} s of processor, ` +
    `${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB at most`,
);
