/**
 * Draws the pictures beside it anew: `node pipelines/machine-parts/data/draw.mjs`. Four parts as a camera over a belt might see
 * them: turned, of every size, in uneven light. Every number comes from one seed; how JPEG codes them is libvips's own.
 */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { pack } from 'tar-stream';

const EDGE = 64;
const PICTURES_A_PART = 60;

/**
 * Mulberry32 (Tommy Ettinger, public domain).
 * @param {number} seed
 */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Of each part: its outline around the origin, about 20 units large, with `hole` in the colour of the belt.
 * @type {Readonly<Record<string, (hole: string) => string>>}
 */
const PARTS = {
  bolt: () => '<rect x="-18" y="-7" width="9" height="14" /><rect x="-9" y="-3.5" width="27" height="7" />',
  bracket: () => '<path d="M-14 -14 h8 v20 h20 v8 h-28 z" />',
  nut: (hole) =>
    `<polygon points="16,0 8,13.9 -8,13.9 -16,0 -8,-13.9 8,-13.9" /><circle r="7" fill="${hole}" />`,
  washer: (hole) => `<circle r="16" /><circle r="7" fill="${hole}" />`,
};

const grey = (/** @type {number} */ level) => `rgb(${level},${level},${level})`;

/**
 * @param {(hole: string) => string} outline
 * @param {() => number} random
 */
function drawingOf(outline, random) {
  /** @type {(low: number, high: number) => number} */
  const between = (low, high) => low + random() * (high - low);
  const belt = Math.round(between(40, 110));
  const metal = grey(Math.round(between(150, 235)));
  const [x, y] = [between(26, 38), between(26, 38)];
  const place = `translate(${x} ${y}) rotate(${between(0, 360)}) scale(${between(0.8, 1.25)})`;
  const light = { x: between(0, 1), y: between(0, 1) };
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${EDGE}" height="${EDGE}">
    <defs><radialGradient id="light" cx="${light.x}" cy="${light.y}" r="0.9">
      <stop offset="0" stop-color="white" stop-opacity="${between(0.1, 0.35)}" />
      <stop offset="1" stop-color="black" stop-opacity="${between(0.1, 0.35)}" /></radialGradient></defs>
    <rect width="${EDGE}" height="${EDGE}" fill="${grey(belt)}" />
    <g transform="${place}" fill="${metal}">${outline(grey(belt))}</g>
    <rect width="${EDGE}" height="${EDGE}" fill="url(#light)" />
  </svg>`;
}

const archive = pack();
const written = pipeline(archive, createWriteStream(fileURLToPath(new URL('parts.tar', import.meta.url))));
const random = randomOf(20261128);
for (const [part, outline] of Object.entries(PARTS)) {
  for (let number = 0; number < PICTURES_A_PART; number += 1) {
    const bytes = await sharp(Buffer.from(drawingOf(outline, random)))
      .flatten()
      .jpeg({ quality: 85 })
      .toBuffer();
    const name = `${part}/${String(number).padStart(3, '0')}.jpg`;
    archive.entry({ name, mtime: new Date(0), mode: 0o644 }, bytes);
  }
}
archive.finalize();
await written;
