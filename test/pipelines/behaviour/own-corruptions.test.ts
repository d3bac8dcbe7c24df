import { deepEqual, match } from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPipeline } from '../../../pipelines/check.ts';
import { packageRoot } from '../../../pipelines/load.ts';
import { jsonLines, OWN_CORRUPTIONS } from '../../support/own-corruptions.ts';

const [DUSK, TURNED] = OWN_CORRUPTIONS;

describe('a table of picture corruptions that a definition names', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-own-corruptions-'));
  });
  after(() => rm(folder, { recursive: true }));

  function check(corruptions: string, task = 'image-classification'): readonly string[] {
    const data =
      task === 'text-classification'
        ? { files: ['a.csv'], text: 'text', label: 'label' }
        : { files: ['s3://pictures/a.tar'] };
    const checked = checkPipeline(
      {
        name: 'parts',
        task,
        data: { ...data, licence: 'CC0-1.0', source: 'ours' },
        intendedUse: { commercial: false, domain: 'sorting' },
        candidates: [{ id: 'resnet', model: `hf:org/name@${'0'.repeat(40)}` }],
        approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
        deploy: { model: 'parts' },
        corruptions,
      },
      { folder },
    );
    if (checked.ok) return [];
    return checked.problems
      .filter(({ path }) => path.startsWith('corruptions') || task !== 'text-classification')
      .map(({ path, message, fix }) => `${path}: ${message}; ${fix ?? ''}`);
  }
  const write = (name: string, ...rows: readonly object[]) => writeFile(join(folder, name), jsonLines(rows));

  it('is taken where it is as the package has its own, of classifiers and of finders', async () => {
    const built = join(packageRoot(), 'pipelines', 'behaviour', 'built-in', 'corruptions.jsonl');
    await writeFile(join(folder, 'same.jsonl'), await readFile(built));
    await write('own.jsonl', ...OWN_CORRUPTIONS);
    for (const task of ['image-classification', 'image-retrieval'])
      deepEqual([...check('same.jsonl', task), ...check('own.jsonl', task)], []);
  });

  it('is refused before anything runs with each mistake by file, line, field, what stands there, and a way out', async () => {
    await write('bad.jsonl', DUSK, { ...TURNED, degrees: 'quarter' }, { ...DUSK, name: 'fog', corruption: 'fog' });
    const [degrees, kind, ...more] = check('bad.jsonl');
    deepEqual(more, []);
    match(
      degrees!,
      /^corruptions: bad\.jsonl:2: degrees .*\(it is "quarter"\); correct the row \(docs\/gates\.md#worse-pictures/,
    );
    match(kind!, /^corruptions: bad\.jsonl:3: corruption .*\(it is "fog"\); correct the row/);
    await write('wrong.jsonl', ...Array.from({ length: 14 }, (_, row) => ({ ...DUSK, name: `d${row}`, factor: 0 })));
    const told = check('wrong.jsonl');
    deepEqual([told.length, told.at(-1)], [11, "corruptions: 4 more are wrong in 'wrong.jsonl'; "]);
    await write('long.jsonl', ...Array.from({ length: 51 }, (_, row) => ({ ...DUSK, name: `d${row}` })));
    match(check('long.jsonl').join(), /long\.jsonl:1: the row the table has 51 rows; at most 50 are made of a picture/);
  });

  it('lies beside the definition, and belongs to pictures alone', async () => {
    match(check('none.jsonl').join(), /^corruptions: there is no file 'none\.jsonl' in .*; paths are relative to/);
    match(
      check('s3://bucket/own.jsonl').join(),
      /is an address, and the table is read from this machine; put the file/,
    );
    await write('own.jsonl', ...OWN_CORRUPTIONS);
    match(check('own.jsonl', 'text-classification').join(), /^corruptions: /);
  });
});
