import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { hash } from 'node:crypto';
import type { DatasetSummary } from '../../../activities/contract/data.ts';
import { loadBehaviour } from '../../../activities/data/behaviour.ts';
import { loadPictureRows, loadPictures, packedPictures } from '../../../activities/data/images/pictures.ts';
import { subsetData } from '../../../activities/data/subset-data.ts';
import { picturesAsked } from '../../../pipelines/behaviour/table.ts';
import type { BehaviourTables } from '../../../pipelines/definition/behaviour.ts';
import { runStep } from '../../support/step.ts';
import { dataServices, refusal } from '../fixtures.ts';
import { jpeg, prepareShards, scene, tar, type Member, type Shard } from './fixtures.ts';

const SAME: BehaviourTables = { same: { kind: 'invariance', file: 'same.csv' } };

describe('behaviour tests of pictures beside the data', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  let shard: Shard;
  let photo: Buffer;
  let drawing: Buffer;
  before(async () => {
    services = await dataServices();
    const members: Member[] = [];
    for (let index = 0; index < 40; index += 1) {
      members.push([`${index % 2 === 0 ? 'cat' : 'dog'}/${index}.jpg`, await jpeg(await scene(index)).toBuffer()]);
    }
    shard = { path: 'a.tar', content: await tar(members) };
    photo = await jpeg(await scene(100)).toBuffer();
    drawing = await scene(101);
  });
  after(() => services.opened.close());

  const table = async (path: string, list: string, ...members: readonly Member[]): Promise<Shard> => ({
    path,
    split: 'behaviour',
    format: path.endsWith('.csv') ? 'csv' : 'jsonl',
    content: await tar([['.listing', list], ...members]),
  });
  const same = (list: string, ...members: readonly Member[]) => table('same.csv', `image,other\n${list}`, ...members);
  const testsOf = ({ dataset }: DatasetSummary) => loadBehaviour(services.store, dataset);

  it('are kept in a pack of their own, each picture once and without metadata, and no split is another for them', async () => {
    const alone = await prepareShards(services, [shard]);
    deepEqual(await testsOf(alone), []);
    const told = await jpeg(drawing)
      .withMetadata({ exif: { IFD0: { Artist: 'Ada Lovelace' } } })
      .toBuffer();
    const plain = { kind: 'minimum-functionality' as const, file: 'plain.jsonl' };
    const summary = await prepareShards(
      services,
      [
        shard,
        await same(
          'a.jpg,told.jpg\nb/copy.jpg,./told.jpg\n',
          ['a.jpg', photo],
          ['told.jpg', told],
          ['b/copy.jpg', photo],
        ),
        await table(
          'plain.jsonl',
          '{"image":"x.png","label":"cat"}\n',
          ['x.png', drawing],
          ['unnamed.png', 'no picture'],
        ),
      ],
      {},
      { behaviour: { ...SAME, plain } },
    );
    deepEqual([summary.rows, summary.labelCounts], [alone.rows, alone.labelCounts]);
    deepEqual(
      await loadPictureRows(services.store, summary.dataset, 'test'),
      await loadPictureRows(services.store, alone.dataset, 'test'),
    );
    const tests = await testsOf(summary);
    deepEqual(
      tests.map(({ table: name, file, line, test }) => [name, file, line, test.kind]),
      [
        ['same', 'same.csv', 2, 'invariance'],
        ['same', 'same.csv', 3, 'invariance'],
        ['plain', 'plain.jsonl', 1, 'minimum-functionality'],
      ],
    );
    const packed = new Map<string, Uint8Array>();
    for await (const { image, bytes } of packedPictures(services.store, summary.dataset, 'behaviour')) {
      ok(image.startsWith(`behaviour/${hash('sha256', bytes).slice(0, 16)}.`));
      packed.set(image, bytes);
    }
    equal(packed.size, 3);
    const [first, second] = tests.map(({ test }) => picturesAsked(test));
    deepEqual(second, first);
    ok(Buffer.from(packed.get(first![0]!)!).equals(photo));
    ok([...packed.values()].every((bytes) => !Buffer.from(bytes).includes('Lovelace')));

    const rows = { train: { most: 9 }, validation: { most: 4 }, test: { most: 4 } };
    const part = await runStep(subsetData, { dataset: summary.dataset, rows, seed: 1 }, services);
    deepEqual(await loadBehaviour(services.store, part.dataset), tests);
    for await (const { image } of packedPictures(services.store, part.dataset, 'behaviour')) packed.delete(image);
    equal(packed.size, 0);
  });

  it('say of a finder how much of what it finds must be the same', async () => {
    const list = await table(
      'same.csv',
      'image,other,overlap\na.jpg,b.png,0.5\na.jpg,b.png,\n',
      ['a.jpg', photo],
      ['b.png', drawing],
    );
    const overlaps = async (asked: { readonly finds?: true }) => {
      const tests = await testsOf(await prepareShards(services, [shard, list], {}, { behaviour: SAME, ...asked }));
      return tests.map(({ test }) => ('overlap' in test ? test.overlap : undefined));
    };
    deepEqual(await overlaps({ finds: true }), [0.5, undefined]);
    deepEqual(await overlaps({}), [undefined, undefined]);
  });

  it('know the picture that must be found by what it shows, and refuse one that is not there to be found', async () => {
    const tables = {
      behaviour: { near: { kind: 'minimum-functionality' as const, file: 'near.csv' } },
      finds: true as const,
    };
    const known = await prepareShards(services, [shard]);
    const [held] = await loadPictureRows(services.store, known.dataset, 'train');
    let twin: Buffer | undefined;
    for await (const { id, bytes } of loadPictures(services.store, known.dataset, 'train')) {
      if (id === held!.id) twin = Buffer.from(bytes);
    }
    const near = await table('near.csv', 'image,neighbour\na.jpg,twin.jpg\n', ['a.jpg', photo], ['twin.jpg', twin!]);
    const [test] = await testsOf(await prepareShards(services, [shard, near], {}, tables));
    deepEqual(test?.test, {
      kind: 'minimum-functionality',
      image: `behaviour/${hash('sha256', photo).slice(0, 16)}.jpg`,
      neighbour: `behaviour/${held!.id}.jpg`,
    });
    const lost = await table('near.csv', 'image,neighbour\na.jpg,b.png\n', ['a.jpg', photo], ['b.png', drawing]);
    const refused = await refusal(prepareShards(services, [shard, lost], {}, tables));
    match(refused.message, /near\.csv:2: neighbour is 'b\.png', which is not among the training pictures/);
    const self = await table('near.csv', 'image,neighbour\na.jpg,b.jpg\n', ['a.jpg', twin!], ['b.jpg', twin!]);
    match((await refusal(prepareShards(services, [shard, self], {}, tables))).message, /no answer to itself/);
  });

  it('are refused by file, line and field where a picture cannot be asked, whatever is done about bad ones', async () => {
    const prepared = async (list: string, ...members: readonly Member[]) =>
      refusal(
        prepareShards(
          services,
          [shard, await same(list, ...members)],
          { onBadRow: 'drop', maxPixels: 2000 },
          { behaviour: SAME },
        ),
      );
    const other = await jpeg(await scene(8)).toBuffer();
    const broken = await prepared(
      'a.jpg,c.jpg\na.jpg,torn.jpg\na.jpg,large.png\nno.jpg,a.jpg\n../a.jpg,a.jpg\n',
      ['a.jpg', photo],
      ['c.jpg', other],
      ['torn.jpg', photo.subarray(0, 200)],
      ['large.png', await scene(7, 100, 100)],
    );
    equal(broken.kind, 'BadData');
    equal(broken.where, 'same.csv:3');
    match(broken.message, /the behaviour tests of 'same' cannot be asked:\n {2}same\.csv:3: other is 'torn\.jpg': /);
    match(broken.message, /same\.csv:4: other is 'large\.png': .*2000/);
    match(broken.message, /same\.csv:5: image is 'no\.jpg': there is no such file beside the table/);
    match(broken.message, /same\.csv:6: image is no path inside the table's folder/);
    match(broken.fix ?? '', /correct these rows/);
    ok(!broken.message.includes('same.csv:2'));
    const linked = await prepared(
      'a.jpg,b.jpg\n',
      ['a.jpg', photo],
      ['b.jpg', '', { type: 'symlink', linkname: 'a.jpg' }],
    );
    match(linked.message, /other is 'b\.jpg': it is a symlink, not a file/);
  });

  it('are refused where both pictures are one, by name or once metadata are away: the test always holds', async () => {
    const told = await jpeg(await scene(100))
      .withMetadata({ exif: { IFD0: { Artist: 'Ada Lovelace' } } })
      .toBuffer();
    const list = await same(
      'a.jpg,./a.jpg\na.jpg,b/copy.jpg\na.jpg,told.jpg\na.jpg,d.png\n',
      ['a.jpg', photo],
      ['b/copy.jpg', photo],
      ['told.jpg', told],
      ['d.png', drawing],
    );
    const { kind, message } = await refusal(prepareShards(services, [shard, list], {}, { behaviour: SAME }));
    equal(kind, 'BadData');
    deepEqual(message.split('\n').slice(1), [
      '  same.csv:2: other is the same as image, so that the test always holds',
      '  same.csv:3: other shows the same as image, so that the test always holds',
      '  same.csv:4: other shows the same as image, so that the test always holds',
    ]);
  });

  it('are refused with labels that the data do not have, metadata that must not be, and a tar that is no table', async () => {
    const tables: BehaviourTables = { plain: { kind: 'minimum-functionality', file: 'plain.csv' } };
    const bird = await table('plain.csv', 'image,label\na.jpg,bird\n', ['a.jpg', photo]);
    const label = await refusal(prepareShards(services, [shard, bird], {}, { behaviour: tables }));
    match(label.message, /plain\.csv:2: label is 'bird', which the data do not have/);
    const told = await jpeg(drawing)
      .withMetadata({ exif: { IFD0: { Artist: 'Ada Lovelace' } } })
      .toBuffer();
    const named = await same('a.jpg,b.jpg\n', ['a.jpg', told], ['b.jpg', photo]);
    const strict = await refusal(
      prepareShards(services, [shard, named], { onPersonalMetadata: 'fail' }, { behaviour: SAME }),
    );
    match(strict.message, /of 2 pictures, the metadata of 1 names or words of people told/);
    const bare = { ...(await same('')), content: await tar([['a.jpg', photo]]) };
    match(
      (await refusal(prepareShards(services, [shard, bare], {}, { behaviour: SAME }))).message,
      /no table that was packed with/,
    );
  });
});
