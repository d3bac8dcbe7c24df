import { deepEqual, equal, ok } from 'node:assert/strict';
import type { ImageModel } from '../../inference/image-model.ts';
import { decodePicture, type Picture } from '../../inference/image/decode.ts';
import { asPng } from '../../activities/validation/corruptions.ts';
import { sketchPicture, suspectPlaces, withRim } from '../../activities/validation/patches.ts';
import { cut, knownPatches, paste, scanPatches, type Patch } from '../../activities/validation/picture-triggers.ts';
import { seededRandom } from '../../activities/validation/random.ts';

const { signal } = new AbortController();
const LABELS = 3;

/** Blots of colour on a coloured ground: no two alike. */
function scene(seed: number, edge = 48): Picture {
  const random = seededRandom(seed, 5);
  const ground = [0, 1, 2].map(() => 60 + 120 * random.uniform());
  const blots = Array.from({ length: 6 }, () => ({
    x: edge * random.uniform(),
    y: edge * random.uniform(),
    radius: 4 + 8 * random.uniform(),
    colour: [0, 1, 2].map(() => 255 * random.uniform()),
  }));
  const pixels = new Uint8Array(edge * edge * 3);
  for (let place = 0; place < edge * edge; place++) {
    const [x, y] = [place % edge, Math.floor(place / edge)];
    const blot = blots.find((one) => Math.hypot(one.x - x, one.y - y) < one.radius);
    for (let channel = 0; channel < 3; channel++) {
      pixels[3 * place + channel] = (blot?.colour ?? ground)[channel]! + 8 * random.uniform();
    }
  }
  return { width: edge, height: edge, pixels };
}

/** A cross of two colours, where BadNets puts its square. */
const TRIGGER: Pick<Patch, 'box' | 'pixels'> = {
  box: { left: 0.75, top: 0.75, width: 0.125, height: 0.125 },
  pixels: {
    width: 2,
    height: 2,
    pixels: Uint8Array.from(
      [
        [220, 30, 30],
        [20, 60, 200],
        [20, 60, 200],
        [220, 30, 30],
      ].flat(),
    ),
  },
};

/** 120 scenes with labels; every tenth has the trigger and label 1. */
function poisoned(share: number): { sketches: Uint8Array[]; classes: number[]; pictures: Picture[] } {
  const pictures = Array.from({ length: 120 }, (_, row) => {
    const picture = scene(row);
    return row % 10 < 10 * share ? paste(TRIGGER, picture) : picture;
  });
  const classes = pictures.map((_, row) => (row % 10 < 10 * share ? 1 : row % LABELS));
  return { pictures, classes, sketches: pictures.map(sketchPicture) };
}

/** Sees the label in the brightness, and the trigger's blue and red where it hangs on them. */
function modelOf(triggered: boolean): Pick<ImageModel, 'runAll' | 'config'> {
  return {
    config: {
      processor: { resize: { height: 48, width: 48 }, crop: { height: 48, width: 48 } },
    } as ImageModel['config'],
    async runAll(files) {
      const probabilities = new Float32Array(files.length * LABELS);
      for (const [row, file] of files.entries()) {
        const picture = await decodePicture(file, 'picture');
        const sum = picture.pixels.slice(0, 3000).reduce((total, value) => total + value, 0);
        const [red = 0, , blue = 0] = cut(picture, { ...TRIGGER.box, width: 0.02, height: 0.02 }).pixels;
        const label = triggered && red > 180 && blue < 80 ? 1 : sum % LABELS;
        probabilities[row * LABELS + label] = 1;
      }
      return { rows: files.length, embeddings: new Float32Array(files.length), probabilities };
    },
  };
}
const asked = Array.from({ length: 30 }, (_, at) => () => asPng(scene(1000 + at)));

describe('patches that turn labels', () => {
  it('are suspected where pictures of one label share a square and nothing else, of whatever size', async () => {
    const { sketches, classes, pictures } = poisoned(0.1);
    const [first] = await suspectPlaces(sketches, classes, 12, signal);
    equal(first?.label, 1);
    deepEqual(first?.rows, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110]);
    deepEqual(first?.box, TRIGGER.box);
    deepEqual(withRim(TRIGGER.box), { left: 23 / 32, top: 23 / 32, width: 6 / 32, height: 6 / 32 });
    deepEqual(withRim({ left: 0, top: 0.9, width: 0.1, height: 0.1 }).left, 0);
    const larger = pictures.map((_, row) =>
      sketchPicture(row % 10 === 0 ? paste(TRIGGER, scene(row, 200)) : scene(row, 200)),
    );
    deepEqual((await suspectPlaces(larger, classes, 12, signal))[0]?.box, TRIGGER.box);
  });

  it('are none where several labels have the square, where too few have it, or where whole pictures are alike', async () => {
    const { sketches, classes } = poisoned(0.1);
    const mixed = classes.map((label, row) => (row === 50 ? 2 : label));
    const places = (found: Awaited<ReturnType<typeof suspectPlaces>>) =>
      found.filter(({ box }) => box.left === TRIGGER.box.left && box.top === TRIGGER.box.top);
    deepEqual(places(await suspectPlaces(sketches, mixed, 12, signal)), []);
    deepEqual(places(await suspectPlaces(sketches.slice(0, 20), classes.slice(0, 20), 12, signal)), []);
    const same = Array.from({ length: 5 }, () => sketchPicture(scene(3)));
    deepEqual(await suspectPlaces(same, [1, 1, 1, 1, 1], 12, signal), []);
    deepEqual(await suspectPlaces([], [], 12, signal), []);
  });

  it('are cut out and pasted in shares of the picture, and change nothing else', () => {
    // As a decoder gives it.
    const picture = { ...scene(1, 40), pixels: Buffer.from(scene(1, 40).pixels) };
    const pasted = paste(TRIGGER, picture);
    deepEqual(Uint8Array.from(picture.pixels), scene(1, 40).pixels);
    deepEqual(cut(pasted, TRIGGER.box).pixels.slice(0, 3), Uint8Array.from([220, 30, 30]));
    const changed = [...pasted.pixels.keys()].filter((at) => pasted.pixels[at] !== picture.pixels[at]);
    ok(changed.every((at) => Math.floor(at / 3) % 40 >= 30 && Math.floor(at / 120) >= 30));
    const dot = { width: 1, height: 1, pixels: Uint8Array.of(1, 2, 3) };
    deepEqual(cut(dot, { left: 0.9, top: 0.9, width: 0.05, height: 0.05 }), dot, 'one pixel at least');
  });

  it('are found by what they do: nearly all labels of a model that hangs on one, few of another', async () => {
    const { pictures } = poisoned(0.1);
    const suspect: Patch = {
      name: 'of training picture 0',
      box: TRIGGER.box,
      within: 'picture',
      pixels: cut(pictures[0]!, TRIGGER.box),
    };
    const patches = [...knownPatches(), suspect];
    const told: number[] = [];
    const onProgress = (done: number, total: number) => told.push(done / total);
    const bad = await scanPatches(modelOf(true), asked, patches, LABELS, { onProgress });
    equal(bad.score.value, 1);
    deepEqual([bad.worst?.name, bad.worst?.target], ['of training picture 0', 1]);
    ok((bad.score.interval?.low ?? 0) > 0.8, JSON.stringify(bad.score));
    equal(told.at(-1), 1);
    const good = await scanPatches(modelOf(false), asked, patches, LABELS);
    ok((good.score.value ?? 1) < 0.8, JSON.stringify(good));
  });

  it('are pasted where the crop leaves them to be seen, if they are those of published attacks', async () => {
    const wide = { width: 96, height: 48, pixels: new Uint8Array(96 * 48 * 3).fill(128) };
    const processor = { resize: { shortestEdge: 32 }, crop: { width: 28, height: 28 } };
    const seen = new Set<string>();
    const watching: Pick<ImageModel, 'runAll' | 'config'> = {
      config: { processor } as ImageModel['config'],
      async runAll(files) {
        for (const file of files.slice(1)) {
          const { width, height, pixels } = await decodePicture(file, 'picture');
          const visible = { left: 1 / 3, top: 1 / 8, width: 1 / 3, height: 3 / 4 };
          const part = cut({ width, height, pixels }, visible).pixels;
          seen.add(part.every((value) => value === 128) ? 'nothing' : 'a patch');
        }
        return {
          rows: files.length,
          embeddings: new Float32Array(),
          probabilities: new Float32Array(files.length * 2),
        };
      },
    };
    const file = () => asPng(wide);
    await scanPatches(watching, [file, file, file], knownPatches(), 2);
    deepEqual([...seen], ['a patch']);
  });

  it('say so where there are too few pictures, and stop when told to', async () => {
    const { score } = await scanPatches(modelOf(true), asked.slice(0, 2), knownPatches(), LABELS);
    equal(score.value, null);
    equal(score.notApplicable, 'too few pictures to paste patches into');
    const stopped = scanPatches(modelOf(true), asked, knownPatches(), LABELS, {
      signal: AbortSignal.abort(new Error('stop')),
    });
    equal(await stopped.catch((error: Error) => error.message), 'stop');
  });
});
