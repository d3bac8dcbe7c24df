import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tarMembers } from '../../activities/data/images/tar-members.ts';
import { snapshotDataFiles } from '../../client/data-files.ts';
import { prepareRun } from '../../client/start-run.ts';
import { PipelineSchema } from '../../pipelines/definition.ts';
import { dataInput, picturesInput } from '../../workflows/step-inputs.ts';
import { PEOPLE } from '../support/people.ts';
import { testFolder, withStore, type TestStore } from '../support/store.ts';

describe('tables of behaviour tests at the start of a run', () => {
  let storage: TestStore;
  let folder: string;
  before(async () => {
    storage = await withStore();
    folder = await mkdtemp(join(testFolder(), 'behaviour-'));
    await writeFile(join(folder, 'a.csv'), 'text,label\na,b\n');
    await writeFile(join(folder, 'same.jsonl'), '{"text":"a","other":"b"}\n');
  });
  after(() => storage.close());

  async function prepared(min: number) {
    const pipeline = PipelineSchema.parse({
      name: 'p',
      task: 'text-classification',
      data: { files: ['a.csv'], text: 'text', label: 'label', licence: 'CC0-1.0', source: 'a test' },
      intendedUse: { commercial: false, domain: 'a test' },
      candidates: [{ id: 'm', model: 'hf:a/b@main' }],
      behaviour: { same: { kind: 'invariance', file: 'same.jsonl', min } },
      approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
      deploy: { model: 'm' },
    });
    return prepareRun(pipeline, folder, storage.store, PEOPLE);
  }

  it('become artifacts as data files do; another threshold is another run, and the same data', async () => {
    const [strict, mild] = [await prepared(1), await prepared(0.5)];
    const table = strict.input.dataFiles.find(({ split }) => split === 'behaviour');
    deepEqual([table?.path, table?.format], ['same.jsonl', 'jsonl']);
    equal((await storage.store.getBytes(table!.ref!)).toString(), '{"text":"a","other":"b"}\n');
    notEqual(strict.digest, mild.digest);
    const inputs = [strict, mild].map(({ input: { pipeline } }) =>
      pipeline.task === 'text-classification' ? dataInput([], pipeline) : null,
    );
    deepEqual(inputs[0]?.behaviour, { same: { kind: 'invariance', file: 'same.jsonl' } });
    deepEqual(inputs[0], inputs[1]);
  });

  it('take the pictures that they name with them, each once, and none outside their folder', async () => {
    await mkdir(join(folder, 'tests', 'b'), { recursive: true });
    await mkdir(join(folder, 'pictures'));
    await writeFile(join(folder, 'pictures', 'p.jpg'), 'p');
    await writeFile(join(folder, 'out.jpg'), 'secret');
    for (const name of ['a.jpg', 'b/c.jpg', 'unnamed.jpg']) await writeFile(join(folder, 'tests', name), name);
    const table = 'image, other ,note\na.jpg,b/c.jpg,x\n./a.jpg,../out.jpg,y\n';
    await writeFile(join(folder, 'tests', 'same.csv'), table);
    const pipeline = PipelineSchema.parse({
      name: 'p',
      task: 'image-classification',
      data: { files: ['pictures'], licence: 'CC0-1.0', source: 'a test' },
      intendedUse: { commercial: false, domain: 'a test' },
      candidates: [{ id: 'm', model: 'hf:a/b@main' }],
      behaviour: { same: { kind: 'invariance', file: 'tests/same.csv', min: 1 } },
      approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
      deploy: { model: 'm' },
    });
    ok(pipeline.task === 'image-classification');
    const files = await snapshotDataFiles(pipeline, folder, storage.store);
    deepEqual(
      files.map(({ path, split, format }) => [path, split, format]),
      [
        ['pictures', 'all', 'tar'],
        ['tests/same.csv', 'behaviour', 'csv'],
      ],
    );
    const packed = await storage.store.file(files[1]!.ref!);
    const members: (readonly [string, string | undefined])[] = [];
    for await (const { name, bytes } of tarMembers(packed, 'same.csv', () => 1e6))
      members.push([name, bytes?.toString()]);
    deepEqual(members, [
      ['.listing', table],
      ['a.jpg', 'a.jpg'],
      ['b/c.jpg', 'b/c.jpg'],
    ]);
    deepEqual(picturesInput([], pipeline).behaviour, { same: { kind: 'invariance', file: 'tests/same.csv' } });
    const finder = { ...pipeline, task: 'image-retrieval' as const };
    deepEqual(picturesInput([], finder).finds, true);
    const { behaviour: _, ...without } = pipeline;
    deepEqual(Object.keys(picturesInput([], without)), ['files', 'data']);
  });
});
