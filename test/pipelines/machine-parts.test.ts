import { deepEqual, equal, ok } from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataFile } from '../../activities/contract/data.ts';
import { preparePictures } from '../../activities/data/images/prepare-pictures.ts';
import { loadPictures } from '../../activities/data/images/pictures.ts';
import { subsetData } from '../../activities/data/subset-data.ts';
import { snapshotDataFiles } from '../../client/data-files.ts';
import { checkPipeline } from '../../pipelines/check.ts';
import type { ImageClassification } from '../../pipelines/definition.ts';
import { loadPipeline } from '../../pipelines/load.ts';
import { dataServices } from '../data/fixtures.ts';
import { scene } from '../data/images/fixtures.ts';
import { runStep } from '../support/step.ts';

async function shipped(): Promise<{ pipeline: ImageClassification; folder: string }> {
  const { value, folder } = await loadPipeline('machine-parts');
  const checked = checkPipeline(value, { folder });
  ok(checked.ok, JSON.stringify(checked));
  ok(checked.pipeline.task === 'image-classification');
  return { pipeline: checked.pipeline, folder };
}

describe('the shipped pipeline machine-parts', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  let folder: string;
  before(async () => {
    services = await dataServices();
    folder = await mkdtemp(join(tmpdir(), 'espalier-parts-'));
  });
  after(async () => {
    services.opened.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function filesOf(pipeline: ImageClassification, from: string): Promise<readonly DataFile[]> {
    const files = await snapshotDataFiles(pipeline, from, services.store);
    return files.map(({ ref, ...file }) => {
      ok(ref !== undefined, file.path);
      return { ...file, ref };
    });
  }

  it('is a correct definition whose pictures are all good, and of which a prototype takes a small part', async () => {
    const { pipeline, folder: home } = await shipped();
    const files = await filesOf(pipeline, home);
    const summary = await runStep(preparePictures, { files, data: pipeline.data }, services);
    deepEqual(summary.labels, ['bolt', 'bracket', 'nut', 'washer']);
    deepEqual(summary.rows, { train: 120, validation: 48, test: 72 });
    deepEqual(summary.dropped, {});
    ok((summary.contamination?.nearTwins.test ?? 72) < 5, 'nearly no twins');

    const rows = { train: { most: 20 }, validation: { most: 8 }, test: { most: 8 } };
    const part = await runStep(subsetData, { dataset: summary.dataset, rows, seed: 7 }, services);
    deepEqual(part.rows, { train: 20, validation: 8, test: 8 });
    const shown: string[] = [];
    for await (const { image } of loadPictures(services.store, part.dataset, 'train')) shown.push(image);
    equal(new Set(shown).size, 20, 'the pictures of the part, and no others');
  });

  it('takes a folder, a list and a shard for the same pictures', async () => {
    const { pipeline } = await shipped();
    const names = Array.from({ length: 12 }, (_, index) => `${index % 2 === 0 ? 'cat' : 'dog'}/${index}.png`);
    for (const label of ['cat', 'dog']) await mkdir(join(folder, 'pets', label), { recursive: true });
    for (const [index, name] of names.entries()) await writeFile(join(folder, 'pets', name), await scene(index));
    const rows = names.map((name) => `${name},${name.slice(0, 3)}`);
    await writeFile(join(folder, 'pets', 'list.csv'), `image,label\n${rows.join('\n')}\n`);
    const data = (source: string) => ({ ...pipeline.data, files: [source], minRowsPerLabel: 3 });
    const prepared = async (source: string) => {
      const one = { ...pipeline, data: data(source) };
      const files = await filesOf(one, folder);
      const { rows: counts, labels, labelCounts } = await runStep(preparePictures, { files, data: one.data }, services);
      return { counts, labels, labelCounts };
    };
    const fromFolder = await prepared('pets');
    const [packed] = await filesOf({ ...pipeline, data: data('pets') }, folder);
    equal(packed?.ref.mediaType, 'application/x-tar');
    await copyFile(await services.store.file(packed.ref), join(folder, 'pets.tar'));
    equal(fromFolder.counts.train, 6);
    deepEqual(await prepared('pets/list.csv'), fromFolder);
    deepEqual(await prepared('pets.tar'), fromFolder);
  });
});
