import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { evidenceDossier } from '../../artifacts/evidence-dossier.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { prepareRun } from '../../client/start-run.ts';
import { summarise } from '../../client/summary.ts';
import { PipelineSchema, type Pipeline } from '../../pipelines/definition.ts';
import { DOSSIER_FIELD_IDS, DOSSIER_FIELDS } from '../../pipelines/dossier/fields.ts';
import { sampleFacts } from '../support/facts.ts';
import { PEOPLE } from '../support/people.ts';
import { testFolder, withStore, type TestStore } from '../support/store.ts';

describe('the answers for a dossier', () => {
  let storage: TestStore;
  let folder: string;
  before(async () => {
    storage = await withStore();
    folder = await mkdtemp(join(testFolder(), 'dossier-'));
    await writeFile(join(folder, 'a.csv'), 'text,label\na,b\n');
  });
  after(() => storage.close());

  const pipeline = (review: Pipeline['review']): Pipeline =>
    PipelineSchema.parse({
      name: 'p',
      task: 'text-classification',
      data: { files: ['a.csv'], text: 'text', label: 'label', licence: 'CC0-1.0', source: 'a test' },
      intendedUse: { commercial: false, domain: 'a test' },
      review,
      candidates: [{ id: 'm', model: 'hf:a/b@main' }],
      approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
      deploy: { model: 'm' },
    });
  const prepared = (review: Pipeline['review']) => prepareRun(pipeline(review), folder, storage.store, PEOPLE);
  const answers = async (name: string, ids: readonly string[], more = '') => {
    const list = ids.map((id) => `  ${id}: { text: said, by: Dana, at: 2026-11-01 }\n`).join('');
    await writeFile(join(folder, name), `version: 1\n${more}answers:\n${list}`);
    return name;
  };
  const persons = DOSSIER_FIELD_IDS.filter((id) => DOSSIER_FIELDS[id].from === 'person');
  const refused = (kind: string, reason: RegExp) => (error: unknown) =>
    error instanceof EspalierError && error.kind === kind && reason.test(error.message);

  it('are kept with the run by their digest, and make it another run', async () => {
    const dossier = await answers('some.yaml', ['ai-5']);
    const [without, withThem] = [await prepared({}), await prepared({ dossier })];
    equal(without.input.dossier, undefined);
    ok(withThem.input.dossier);
    match((await storage.store.getBytes(withThem.input.dossier)).toString(), /ai-5/);
    ok(without.digest !== withThem.digest);
  });

  it('are refused before a run begins where they cannot be read', async () => {
    await rejects(prepared({ dossier: 'nowhere.yaml' }), refused('NotFound', /nowhere/));
    await writeFile(join(folder, 'bad.yaml'), Buffer.from([0x80, 0xff]));
    await rejects(prepared({ dossier: 'bad.yaml' }), refused('BadConfig', /UTF-8/));
    await writeFile(join(folder, 'large.yaml'), '#'.repeat(1024 * 1024 + 1));
    await rejects(prepared({ dossier: 'large.yaml' }), refused('BadConfig', /more than/));
  });

  it('must say what only people can, where a complete dossier is required', async () => {
    await rejects(prepared({ requireDossier: true }), refused('BadConfig', /nobody has written gdpr-35-3/));
    const some = await answers('required.yaml', persons.slice(1), 'requireComplete: true\n');
    await rejects(prepared({ dossier: some }), refused('BadConfig', /nobody has written gdpr-35-3$/));
    const all = await answers('all.yaml', persons, 'requireComplete: true\n');
    ok((await prepared({ dossier: all, requireDossier: true })).input.dossier);
  });

  it('are counted beside an approval, from the pack that is decided on', async () => {
    const pack = async (evidence: unknown) => {
      const ref = await storage.store.putBytes(canonicalJson(evidence), { name: 'e', mediaType: 'application/json' });
      return (await storage.store.putManifest([{ path: 'evidence.json', ref }], 'pack')).digest;
    };
    const count = await evidenceDossier(
      storage.store,
      await pack({ dossier: { fields: 38, open: 14, later: 0, entries: [] } }),
    );
    deepEqual(summarise(sampleFacts, 'release', count).at(-1), {
      name: 'dossier',
      lines: [{ text: '14 of 38 fields open' }],
    });
    equal(await evidenceDossier(storage.store, await pack({})), undefined);
    ok(summarise(sampleFacts, 'review').every(({ name }) => name !== 'dossier'));
  });
});
