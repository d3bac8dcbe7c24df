import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareRun } from '../../client/start-run.ts';
import { PipelineSchema } from '../../pipelines/definition.ts';
import { dataInput } from '../../workflows/step-inputs.ts';
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
    const approvers = [
      { name: 'b', roles: ['legal'] },
      { name: 'c', roles: ['owner'] },
    ];
    return prepareRun(pipeline, folder, storage.store, { startedBy: 'a', approvers });
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
});
