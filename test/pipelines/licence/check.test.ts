import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPipeline, type Problem } from '../../../pipelines/check.ts';
import { readModelFolder } from '../../../pipelines/licence/model-folder.ts';

describe('licences in the check of a definition', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-check-'));
    mkdirSync(join(folder, 'model'));
    writeFileSync(join(folder, 'rows.csv'), 'text,label\na,b\n');
    writeFileSync(join(folder, 'policy.yaml'), 'version: 1\nallow: {licences: [isc]}\n');
    for (const name of ['config.json', 'model.safetensors'])
      writeFileSync(join(folder, 'model', name), Buffer.alloc(600_000));
  });
  after(() => rmSync(folder, { recursive: true }));

  const checked = (
    licence: string,
    use: object = {},
    more: object = {},
  ): { problems: readonly Problem[]; notes: readonly Problem[] } => {
    writeFileSync(join(folder, 'model/README.md'), `---\nlicense: ${licence}\n---\n`);
    const found = checkPipeline(
      {
        name: 'sorter',
        task: 'text-classification',
        data: { files: ['rows.csv'], text: 'text', label: 'label', licence: 'CC0-1.0', source: 'ours' },
        intendedUse: { commercial: true, domain: 'support', ...use },
        candidates: [{ id: 'tiny', model: './model' }],
        approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
        deploy: { model: 'sorter' },
        ...more,
      },
      { folder },
    );
    return found.ok ? { problems: [], notes: found.notes } : { problems: found.problems, notes: [] };
  };
  const paths = (problems: readonly Problem[]): readonly string[] => problems.map(({ path }) => path);

  it('lets a permitted model pass, notes one that a person must judge, and refuses one whose licence forbids the use', () => {
    deepEqual(checked('mit'), { problems: [], notes: [] });
    const noted = checked('gemma');
    deepEqual([paths(noted.problems), paths(noted.notes)], [[], ['candidates[0].model']]);
    const { problems } = checked('cc-by-nc-4.0');
    deepEqual(paths(problems), ['candidates[0].model']);
    match(problems[0]?.message ?? '', /forbids commercial use \(s\.1\(i\), s\.2\(a\)\(1\)\)/);
  });

  it('refuses a sensitive domain without a study once, whatever the licence', () => {
    deepEqual(paths(checked('mit', { domain: 'medical diagnosis' }).problems), ['intendedUse.domain']);
    deepEqual(checked('mit', { domain: 'medical diagnosis', validationStudy: 'doi:10.1/1' }).problems, []);
    deepEqual(paths(checked('mit', { domain: 'qwertz' }).notes), ['intendedUse.domain']);
  });

  it('refuses a model that does not fit its device, unless its layers are cut', () => {
    const small = { hardware: { ramMb: 1 } };
    match(checked('mit', small).problems[0]?.message ?? '', /files of 2 MB do not fit 1 MB of RAM/);
    deepEqual(checked('mit', { hardware: { ramMb: 2 } }).problems, []);
    deepEqual(checked('mit', small, { candidates: [{ id: 'tiny', model: './model', layers: 2 }] }).problems, []);
  });

  it('judges by the name that is used, and by the organisation’s policy', () => {
    deepEqual(paths(checked('mit', { derivedName: 'Llama Sorter' }).problems), ['intendedUse.derivedName']);
    deepEqual(checked('mit', { derivedName: 'Sorter' }).problems, []);
    const users = { mauAtModelRelease: 10 };
    match(checked('llama3.1', users).problems[0]?.message ?? '', /the name of the model must begin with "Llama"/);
    const named = { deploy: { model: 'llama-sorter' } };
    deepEqual(checked('llama3.1', users, named), { problems: [], notes: [] });
    deepEqual(paths(checked('mit', {}, { review: { policy: 'policy.yaml' } }).notes), ['candidates[0].model']);
    deepEqual(paths(checked('mit', {}, { review: { policy: 'none.yaml' } }).problems), ['review.policy']);
    deepEqual(paths(checked('mit', { comercial: true }).problems), ['intendedUse.comercial']);
  });

  it('reads regular files of a folder only, and says what it cannot read', () => {
    const model = join(folder, 'linked');
    mkdirSync(model);
    symlinkSync(join(folder, 'model/README.md'), join(model, 'README.md'));
    writeFileSync(join(model, 'LICENSE'), Buffer.from([0xff, 0xfe, 0x41]));
    const found = readModelFolder(model);
    deepEqual([found.card, found.texts, found.unreadable], [null, [], ['LICENSE']]);
    equal(found.sizeBytes, 0);
  });
});
