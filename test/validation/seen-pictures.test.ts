import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { cp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { hammingDistance, hashOfHex, hashToHex, nearHashes } from '../../activities/data/images/perceptual-hash.ts';
import type { PictureRow } from '../../activities/data/images/pictures.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { findPictureTwins } from '../../activities/validation/seen-pictures.ts';
import { prepareShards, tar, type Member } from '../data/images/fixtures.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';
import { COLOURS, tinyPictureClassifier } from '../support/tiny-pictures.ts';
import { temporaryFolder } from '../training/fixtures.ts';

const { signal } = new AbortController();

describe('pictures that look alike', () => {
  const random = seededRandom(5);
  const hashes = Array.from({ length: 400 }, () => ({ high: random.uint32(), low: random.uint32() & 0xff }));
  const asked = hashes.slice(0, 40).map(({ high, low }) => ({ high: (high ^ 0b1001) >>> 0, low: (low ^ 1) >>> 0 }));

  it('are found all, and no others, at every distance', () => {
    for (const distance of [0, 2, 3, 5, 10]) {
      const nearOnes = nearHashes(hashes, distance);
      for (const one of asked) {
        const all = hashes.flatMap((other, place) => (hammingDistance(one, other) <= distance ? [place] : []));
        deepEqual(
          [...nearOnes(one)].toSorted((a, b) => a - b),
          all,
        );
      }
    }
    ok(nearHashes(hashes, 3)(asked[0]!).has(0) && !nearHashes(hashes, 2)(asked[0]!).has(0));
    deepEqual(hashOfHex(hashToHex({ high: 7, low: 0xffff_fffe })), { high: 7, low: 0xffff_fffe });
  });

  it('are counted once each; the same picture is one although it has no structure', async () => {
    const row = (id: string, hash?: string): PictureRow => {
      return { id, image: `${id}.png`, label: 'a', seen: { width: 9, height: 9, brightness: 9, hash } };
    };
    async function* of(...rows: PictureRow[]): AsyncGenerator<PictureRow> {
      yield* rows;
    }
    const test = [row('a', '0'.repeat(15).concat('1')), row('b', 'f'.repeat(16)), row('plain'), row('other')];
    const train = (): AsyncGenerator<PictureRow> =>
      of(row('c', '0'.repeat(15).concat('3')), row('d', '0'.repeat(15).concat('5')), row('plain'), row('e'));
    deepEqual(
      [...(await findPictureTwins(test, train(), 1, signal))],
      [
        [0, 'c'],
        [2, 'plain'],
      ],
    );
    deepEqual([...(await findPictureTwins(test, train(), 0, signal))], [[2, 'plain']]);
  });
});

describe('evaluating on prepared pictures', function () {
  this.timeout(120_000);

  /** A colour with specks that no other seed has. */
  async function speckled(place: number, { seed = place, width = 24 } = {}): Promise<Buffer> {
    const random = seededRandom(seed, 8);
    const colour = [0, 1, 2].map((channel) => (channel === place % 3 ? 200 : 30));
    const pixels = Uint8Array.from({ length: 8 * 8 * 3 }, (_, at) => colour[at % 3]!);
    for (let pixel = 0; pixel < 64; pixel++) {
      const lighter = random.below(50);
      for (let channel = 0; channel < 3; channel++) pixels[pixel * 3 + channel]! += lighter;
    }
    return sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } })
      .resize(width, width, { kernel: 'nearest' })
      .png()
      .toBuffer();
  }

  it('tells the share of test pictures that look like training ones, and by which pictures the model is worse', async () => {
    const opened = await withStore();
    const services = { store: opened.store, pointers: opened.pointers, python: { executable: '-', packages: '-' } };
    try {
      const member = async (place: number, content: Promise<Buffer>, label = place % 3): Promise<Member> => [
        `${COLOURS[label]}/${place}.png`,
        await content,
      ];
      const [train, validation, test]: [Member[], Member[], Member[]] = [[], [], []];
      for (let place = 0; place < 60; place++) train.push(await member(place, speckled(place)));
      for (let place = 100; place < 130; place++) validation.push(await member(place, speckled(place)));
      for (let place = 200; place < 320; place++) {
        // Six are training pictures in another size; of the large ones every second has a wrong label.
        const width = place < 206 ? 32 : place < 260 ? 24 : 40;
        const of = place < 206 ? place - 200 : place;
        const label = place >= 260 && place % 2 === 0 ? (of + 1) % 3 : of % 3;
        test.push(await member(place, speckled(of, { width }), label));
      }
      // The old camera took the large pictures.
      const cameraOf = (split: string, at: number): string => (split === 'test' && at >= 60 ? 'old' : 'new');
      const shards = await Promise.all(
        Object.entries({ train, validation, test }).map(async ([split, members]) => ({
          path: `${split}.csv`,
          split: split as 'train' | 'validation' | 'test',
          format: 'csv' as const,
          content: await tar([
            [
              '.listing',
              `image,label,camera\n${members.map(([name], at) => `${name},${name.split('/')[0]},${cameraOf(split, at)}\n`).join('')}`,
            ],
            ...members,
          ]),
        })),
      );
      const { dataset, contamination } = await prepareShards(services, shards, {
        nearDuplicates: { distance: 3 },
        groups: ['camera'],
      });
      equal(contamination?.nearTwins.test, 6);
      const encoder = join(await temporaryFolder(), 'encoder');
      await cp(await tinyPictureClassifier(), encoder, { recursive: true });
      const config = JSON.parse(await readFile(join(encoder, 'classifier.json'), 'utf8')) as { labels?: unknown };
      delete config.labels;
      await writeFile(join(encoder, 'encoder.json'), JSON.stringify({ ...config, kind: 'encoder' }));
      await rename(join(encoder, 'classifier.json'), join(encoder, 'unused.json'));
      const weights = COLOURS.map((_, row) => COLOURS.map((__, column) => Number(row === column)));
      const probe = { labels: COLOURS, weights, bias: [0, 0, 0], l2: 1 };
      const { measures, diagnosis, examples } = await runStep(
        evaluateModel,
        {
          classifier: await opened.store.putTree(await tinyPictureClassifier(), 'classifier'),
          dataset,
          baseline: {
            encoder: await opened.store.putTree(encoder, 'encoder'),
            probe: await opened.store.putJson(probe, 'probe.json'),
          },
          exportParityMaxAbs: 0,
          seed: 7,
        },
        services,
      );
      deepEqual([measures.leakedTestRows!.value, measures.leakedTestRows!.rows], [6 / 120, 120]);
      equal(examples!['leakedTestRows']!.length, 5);
      match(measures.giveawayWord!.notApplicable!, /no texts/);
      const [worst] = diagnosis!.slices;
      equal(worst!.name, 'pictures of 1600 pixels');
      equal(worst!.accuracy, 0.5);
      const ofCamera = diagnosis!.slices.find(({ name }) => name === 'camera = old');
      deepEqual([ofCamera!.rows, ofCamera!.accuracy], [60, 0.5]);
      deepEqual([diagnosis!.opportunities![0]!.served, diagnosis!.opportunities![0]!.unserved], ['new', 'old']);
      ok(measures.opportunityGap!.value! > 0.3);
      ok(measures.sliceGap!.interval!.low > 0.1, JSON.stringify(measures.sliceGap));
      ok(diagnosis!.slices.some(({ name }) => name.startsWith('pictures of brightness')));
    } finally {
      opened.close();
    }
  });
});
