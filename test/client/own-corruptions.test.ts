import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareRun } from '../../client/start-run.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { planOf } from '../../client/plan-run.ts';
import { PipelineSchema } from '../../pipelines/definition.ts';
import { jsonLines, OWN_CORRUPTIONS } from '../support/own-corruptions.ts';
import { PEOPLE } from '../support/people.ts';
import { testFolder, withStore, type TestStore } from '../support/store.ts';

describe('a table of picture corruptions at the start of a run', () => {
  let storage: TestStore;
  let folder: string;
  before(async () => {
    storage = await withStore();
    folder = await mkdtemp(join(testFolder(), 'corruptions-'));
    await mkdir(join(folder, 'pictures'));
    await writeFile(join(folder, 'pictures', 'p.jpg'), 'p');
  });
  after(() => storage.close());

  async function prepared(rows?: readonly object[]) {
    if (rows !== undefined) await writeFile(join(folder, 'worse.jsonl'), jsonLines(rows));
    const pipeline = PipelineSchema.parse({
      name: 'p',
      task: 'image-classification',
      data: { files: ['pictures'], licence: 'CC0-1.0', source: 'a test' },
      intendedUse: { commercial: false, domain: 'a test' },
      candidates: [{ id: 'm', model: 'hf:a/b@main' }],
      ...(rows === undefined ? {} : { corruptions: 'worse.jsonl' }),
      approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
      deploy: { model: 'm' },
    });
    return prepareRun(pipeline, folder, storage.store, PEOPLE);
  }

  it('becomes an artifact of the very bytes that were written; with another row it is another run', async () => {
    const { input, digest } = await prepared(OWN_CORRUPTIONS);
    const written = Buffer.from(jsonLines(OWN_CORRUPTIONS));
    deepEqual([input.corruptions?.digest, input.corruptions?.name], [digestBytes(written), 'worse.jsonl']);
    ok((await storage.store.getBytes(input.corruptions!)).equals(written));
    equal((await prepared(OWN_CORRUPTIONS)).digest, digest);
    notEqual((await prepared(OWN_CORRUPTIONS.slice(1))).digest, digest);
    equal((await prepared()).input.corruptions, undefined);
  });

  it('is told wrong before the run starts where the file was changed after the definition was checked', async () => {
    await rejects(prepared([{ ...OWN_CORRUPTIONS[0], factor: 0 }]), {
      kind: 'BadDefinition',
      message: /^worse\.jsonl:1: factor .*\(it is 0\)$/,
      fix: /correct the row/,
    });
  });

  it('makes a plan evaluate again where a row of it is another, and train nothing again', async () => {
    const { input: before } = await prepared(OWN_CORRUPTIONS);
    const steps = ['data', 'train', 'evaluate'].map((id) => ({
      id,
      state: 'done' as const,
      key: digestBytes(Buffer.from(id)),
      startedAt: '2026-01-01T00:00:00.000Z',
      finishedAt: '2026-01-01T00:00:07.000Z',
    }));
    const reused = async (rows: readonly object[]) => {
      const { input } = await prepared(rows);
      const earlier = [{ runId: 'before', input: before, steps }];
      const plan = await planOf(input, earlier, () => Promise.resolve('kept' as const));
      return plan.steps.filter(({ what }) => what === 'reuse').map(({ id }) => id);
    };
    deepEqual(await reused(OWN_CORRUPTIONS), ['data', 'train', 'evaluate']);
    deepEqual(await reused(OWN_CORRUPTIONS.slice(1)), ['data', 'train']);
  });
});
