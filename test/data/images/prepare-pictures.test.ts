import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { DatasetSummary } from '../../../activities/contract/data.ts';
import { loadLabels, SPLITS } from '../../../activities/data/dataset.ts';
import { loadPictureRows, unpackPictures } from '../../../activities/data/images/pictures.ts';
import { decodePicture } from '../../../inference/image/decode.ts';
import { dataServices, refusal } from '../fixtures.ts';
import { jpeg, prepareShards, scene, tar, type Member } from './fixtures.ts';

describe('preparing pictures', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  let members: Member[];
  before(async () => {
    services = await dataServices();
    members = [];
    for (let index = 0; index < 40; index += 1) {
      members.push([`${index % 2 === 0 ? 'cat' : 'dog'}/${index}.jpg`, await jpeg(await scene(index)).toBuffer()]);
    }
  });
  after(() => services.opened.close());

  const rowsOf = async ({ dataset }: DatasetSummary) =>
    (await Promise.all(SPLITS.map((split) => loadPictureRows(services.store, dataset, split)))).flat();

  it('splits a shard by its folders, packs each side, and gives the files back', async () => {
    const summary = await prepareShards(services, [{ path: 'a.tar', content: await tar(members) }]);
    deepEqual(summary.labels, ['cat', 'dog']);
    deepEqual(summary.rows, { train: 28, validation: 6, test: 6 });
    deepEqual(summary.labelCounts['cat'], { train: 14, validation: 3, test: 3 });
    deepEqual([summary.dropped, summary.findings], [{}, []]);
    deepEqual(await loadLabels(services.store, summary.dataset), ['cat', 'dog']);
    const folder = await mkdtemp(join(tmpdir(), 'espalier-unpacked-'));
    try {
      for (const split of SPLITS) {
        await unpackPictures(services.store, summary.dataset, split, folder);
        for (const { id, image } of await loadPictureRows(services.store, summary.dataset, split)) {
          const bytes = await readFile(join(folder, image));
          ok(hash('sha256', bytes).startsWith(id));
          // As it was coded: the very bytes that went in.
          ok(members.some(([, content]) => bytes.equals(content as Buffer)));
        }
      }
      equal((await readdir(join(folder, 'train'))).length, 28);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('keeps pictures from elsewhere in a pack of their own, each once, and out of every split', async () => {
    const elsewhere = await Promise.all(
      [70, 71, 70].map(async (seed, at): Promise<Member> => [
        `${seed % 2 === 0 ? 'cat' : 'dog'}/${at}.jpg`,
        await jpeg(await scene(seed)).toBuffer(),
      ]),
    );
    const shards = [
      { path: 'a.tar', content: await tar(members) },
      { path: 'later.tar', split: 'shifted' as const, content: await tar(elsewhere) },
    ];
    const summary = await prepareShards(services, shards);
    const alone = await prepareShards(services, shards.slice(0, 1));
    deepEqual([summary.rows, await rowsOf(summary)], [alone.rows, await rowsOf(alone)]);
    const shifted = await loadPictureRows(services.store, summary.dataset, 'shifted');
    deepEqual(shifted.map(({ label }) => label).toSorted(), ['cat', 'dog']);
    ok(shifted.every(({ image, id }) => image === `shifted/${id}.jpg`));
    const unknown = await tar([['bird/1.jpg', elsewhere[0]![1]]]);
    const wrong = [shards[0]!, { ...shards[1]!, content: unknown }];
    match((await refusal(prepareShards(services, wrong))).message, /the label 'bird' of .* is not in data\.labels/);
    const none = await refusal(prepareShards(services, wrong, { onBadRow: 'drop' }));
    match(none.message, /no picture of data\.shiftedFiles can be used: later\.tar, 1: the label 'bird'/);
    const mixed = [
      shards[0]!,
      { ...shards[1]!, content: await tar([['bird/1.jpg', elsewhere[0]![1]], elsewhere[1]!]) },
    ];
    const partly = await prepareShards(services, mixed, { onBadRow: 'drop' });
    deepEqual([summary.dropped, partly.dropped], [{ duplicate: 1 }, { 'unknown-label': 1 }]);
    ok(partly.findings.some(({ file, reason }) => file === 'later.tar' && reason === 'unknown-label'));
  });

  it('leaves out pictures from elsewhere that a split has, and says which', async () => {
    const fresh: Member = ['cat/new.jpg', await jpeg(await scene(70)).toBuffer()];
    const later = async (...pictures: readonly Member[]) => [
      { path: 'a.tar', content: await tar(members) },
      { path: 'later.tar', split: 'shifted' as const, content: await tar(pictures) },
    ];
    const summary = await prepareShards(services, await later(members[5]!, fresh));
    equal((await loadPictureRows(services.store, summary.dataset, 'shifted')).length, 1);
    deepEqual(summary.dropped, { 'not-elsewhere': 1 });
    const [finding] = summary.findings.filter(({ file }) => file === 'later.tar');
    match(finding?.message ?? '', /^a\.tar:\d+, a row of the splits, is it, too: it is not from elsewhere$/);
    const none = await refusal(prepareShards(services, await later(members[5]!)));
    match(none.message, /no picture of data\.shiftedFiles can be used: 1 of them are among the pictures of train/);
  });

  it('gives the same tree for the same pictures, in whatever order they come', async () => {
    const one = await prepareShards(services, [{ path: 'a.tar', content: await tar(members) }]);
    const other = await prepareShards(services, [{ path: 'b.tar', content: await tar(members.toReversed()) }]);
    deepEqual(await rowsOf(other), await rowsOf(one));
    const pack = async ({ dataset }: DatasetSummary) => {
      const { entries } = await services.store.tree(dataset);
      return entries.filter(({ path }) => path.endsWith('.tar')).map(({ digest }) => digest);
    };
    deepEqual(await pack(other), await pack(one));
  });

  it('reads labels from files beside the pictures, and from a list', async () => {
    const beside = members.flatMap(([name, content], index): Member[] => [
      [`shard/${index}.jpg`, content],
      index % 3 === 0
        ? [`shard/${index}.cls`, `${name.split('/')[0]}\n`]
        : [`shard/${index}.json`, JSON.stringify({ label: name.split('/')[0], site: index % 2 })],
    ]);
    const grouped = await prepareShards(services, [{ path: 'w.tar', content: await tar(beside) }], {
      groups: ['site'],
    });
    const sites = (await rowsOf(grouped)).map(({ groups }) => groups?.['site'] ?? 'none');
    deepEqual(
      ['0', '1', 'none'].map((site) => sites.filter((one) => one === site).length),
      [13, 13, 14],
    );
    const nowhere = prepareShards(services, [{ path: 'a.tar', content: await tar(members) }], { groups: ['site'] });
    match((await refusal(nowhere)).message, /the column 'site' cannot say .* no row has a value there/);
    const summary = await prepareShards(services, [{ path: 'w.tar', content: await tar(beside) }]);
    deepEqual(summary.rows, { train: 28, validation: 6, test: 6 });
    const list = `image,label\n${members.map(([name]) => `${name},${name.startsWith('cat') ? 'C' : 'D'}\n`).join('')}none.jpg,C\n`;
    const listed = await prepareShards(
      services,
      [{ path: 'list.csv', format: 'csv', content: await tar([['.listing', list], ...members]) }],
      { onBadRow: 'drop' },
    );
    deepEqual(listed.labels, ['C', 'D']);
    deepEqual(listed.dropped, { 'missing-file': 1 });
    deepEqual([listed.findings[0]?.file, listed.findings[0]?.line], ['list.csv', 42]);
  });

  it('keeps odd pictures as the pixels that are served, upright and without metadata', async () => {
    const exif = { IFD0: { Artist: 'Ada Lovelace' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' } };
    const odd: Record<string, Buffer> = {
      turned: await jpeg(await scene(100))
        .withMetadata({ orientation: 6 })
        .toBuffer(),
      told: await jpeg(await scene(101))
        .withExif(exif)
        .toBuffer(),
      cmyk: await jpeg(await scene(102))
        .toColourspace('cmyk')
        .toBuffer(),
      deep: await sharp(await scene(103))
        .toColourspace('rgb16')
        .png()
        .toBuffer(),
      deepGrey: await sharp(await scene(108))
        .toColourspace('grey16')
        .png()
        .toBuffer(),
      clear: await sharp(await scene(104))
        .ensureAlpha(0.4)
        .webp()
        .toBuffer(),
      palette: await sharp(await scene(105))
        .png({ palette: true, colours: 8 })
        .toBuffer(),
      progressive: await sharp(await scene(106))
        .jpeg({ progressive: true })
        .toBuffer(),
      dot: await scene(107, 1, 1),
    };
    ok(odd['told']?.includes('Lovelace'));
    const all: Member[] = [...members, ...Object.entries(odd).map(([name, bytes]): Member => [`cat/${name}`, bytes])];
    const content = await tar(all.map(([name, bytes]) => [name.endsWith('.jpg') ? name : `${name}.png`, bytes]));
    const summary = await prepareShards(services, [{ path: 'odd.tar', content }]);
    equal(summary.rows.train + summary.rows.validation + summary.rows.test, members.length + 9);
    match(
      summary.findings[0]?.message ?? '',
      /of 1 where they were taken, of 1 names or words of people told; it was removed/,
    );
    const folder = await mkdtemp(join(tmpdir(), 'espalier-odd-'));
    try {
      const kept = new Set<string>();
      for (const split of SPLITS) {
        await unpackPictures(services.store, summary.dataset, split, folder);
        for (const { id, image } of await loadPictureRows(services.store, summary.dataset, split)) {
          const bytes = await readFile(join(folder, image));
          equal(id, hash('sha256', bytes).slice(0, 16), 'docs/api.md tells of ids what they are');
          const { exif: left, icc, orientation } = await sharp(bytes).metadata();
          deepEqual([left, icc, orientation], [undefined, undefined, undefined]);
          kept.add(hash('sha256', (await decodePicture(bytes, image)).pixels));
        }
      }
      for (const [name, bytes] of Object.entries(odd)) {
        ok(kept.has(hash('sha256', (await decodePicture(bytes, name)).pixels)), name);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    const refused = await refusal(
      prepareShards(services, [{ path: 'odd.tar', content }], { onPersonalMetadata: 'fail' }),
    );
    match(refused.message, /where they were taken/);
  });

  it('refuses bad pictures by name, or leaves them out and counts them', async () => {
    const good = members[0]?.[1] as Buffer;
    const bad: Member[] = [
      ['cat/cut.jpg', good.subarray(0, 300)],
      ['cat/empty.png', ''],
      ['cat/text.gif', 'hello'],
      ['cat/link.jpg', '', { type: 'symlink', linkname: '/etc/passwd' }],
      ['../../cat/out.jpg', good],
      ['cat/0.jpg', await scene(55)],
      ['cat/large.png', await scene(56, 300, 300)],
      ['alone.jpg', await scene(57)],
      ['cat/.hidden.jpg', 'x'],
      ['cat/notes.txt', 'x'],
    ];
    const shard = { path: 'b.tar', content: await tar([...members, ...bad]) };
    const error = await refusal(prepareShards(services, [shard], { maxPixels: 80_000 }));
    equal(error.kind, 'BadData');
    match(error.message, /8 rows are bad:/);
    match(error.message, /b\.tar:41: 'cat\/cut\.jpg': the picture is damaged/);
    match(error.message, /'cat\/large\.png': the picture is 300 × 300, more than 80000 pixels/);
    const { dropped, rows } = await prepareShards(services, [shard], { maxPixels: 80_000, onBadRow: 'drop' });
    deepEqual(dropped, { 'bad-picture': 4, 'duplicate-name': 1, 'empty-label': 1, 'not-a-file': 1, 'unsafe-path': 1 });
    equal(rows.train + rows.validation + rows.test, 40);
  });

  it('leaves out doubles, and what contradicts itself', async () => {
    const [first, second] = [members[0]?.[1] as Buffer, members[1]?.[1] as Buffer];
    const doubled: Member[] = [...members, ['cat/again.jpg', first], ['cat/1-too.jpg', second]];
    const { dropped } = await prepareShards(services, [{ path: 'd.tar', content: await tar(doubled) }], {
      onBadRow: 'drop',
    });
    deepEqual(dropped, { duplicate: 1, 'conflicting-duplicate': 2 });
  });

  it('sees pictures that look nearly alike in two splits, and keeps them apart on demand', async () => {
    const twins: Member[] = await Promise.all(
      members.slice(0, 12).map(async ([name, content]): Promise<Member> => [
        `${name.split('/')[0] ?? ''}/twin-${name.split('/')[1] ?? ''}`,
        await sharp(content as Buffer)
          .resize(64, 48)
          .modulate({ brightness: 1.05 })
          .jpeg({ quality: 60 })
          .toBuffer(),
      ]),
    );
    const declared = [
      { path: 'train.tar', content: await tar(members), split: 'train' as const },
      { path: 'test.tar', content: await tar(twins), split: 'test' as const },
    ];
    const distance = 8;
    const warned = await prepareShards(services, declared, { nearDuplicates: { distance } });
    equal(warned.contamination?.nearTwins.test, 12);
    match(warned.findings[0]?.message ?? '', /12 test pictures look nearly like one of an earlier split/);
    const apart = await prepareShards(services, declared, { nearDuplicates: { action: 'separate', distance } });
    deepEqual(apart.contamination?.nearTwins, { validation: 0, test: 0 });
    equal(apart.dropped['near-duplicate'], 12);
    const together = await prepareShards(services, [{ path: 'all.tar', content: await tar([...members, ...twins]) }], {
      nearDuplicates: { action: 'separate', distance },
    });
    deepEqual(together.contamination?.nearTwins, { validation: 0, test: 0 });
    deepEqual(together.dropped, {});
    match(
      (await refusal(prepareShards(services, declared, { nearDuplicates: { action: 'fail', distance } }))).message,
      /12 test/,
    );
  });

  it('refuses a shard that is no whole tar, at once', async () => {
    const whole = await tar(members);
    const hostile = Buffer.from(whole);
    hostile.write('x', 156);
    hostile.write('77777777777\0', 124);
    for (const content of [whole.subarray(0, 5120), Buffer.from('no tar'), Buffer.alloc(1024, 7), hostile]) {
      match(
        (await refusal(prepareShards(services, [{ path: 'x.tar', content }]))).message,
        /x\.tar cannot be read as a tar/,
      );
    }
    const empty = await refusal(prepareShards(services, [{ path: 'e.tar', content: await tar([]) }]));
    match(empty.message, /e\.tar has no pictures/);
  });
});
