import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findViolations, importsOf } from '../../infra/lint-imports.mjs';
import { packageRoot } from '../../infra/root.ts';

/** One statement in one file, and what must be said of it; null: nothing. */
const CASES: readonly [file: string, source: string, complaint: RegExp | null][] = [
  ['artifacts/a.ts', `import { x } from '../pipelines/definition.ts';`, /artifacts may not import from pipelines/],
  ['artifacts/a.ts', `import type { X } from '../activities/contract.ts';`, /artifacts may not import from activities/],
  ['artifacts/deep/a.ts', `import { x } from '../b.ts';`, null],
  ['inference/a.ts', `import { x } from '../artifacts/errors.ts';`, null],
  ['inference/a.ts', `import { x } from '../activities/step.ts';`, /inference may not import from activities/],
  ['serving/a.ts', `export { x } from '../activities/step.ts';`, /serving may not import from activities/],
  ['activities/a.ts', `import { x } from '../serving/main.ts';`, /activities may not import from serving/],
  ['workflows/a.ts', `import type { X } from '../activities/contract.ts';`, null],
  ['workflows/a.ts', `import { type X, type Y } from '../activities/contract.ts';`, null],
  ['workflows/a.ts', `import { type X, y } from '../activities/contract.ts';`, /only types from activities/],
  ['workflows/a.ts', `import * as activities from '../activities/contract.ts';`, /only types from activities/],
  ['workflows/a.ts', `import { EspalierError } from '../artifacts/errors.ts';`, null],
  ['workflows/a.ts', `import { digestJson } from '../artifacts/digest.ts';`, /only types from artifacts/],
  ['workflows/a.ts', `import { sleep } from '@temporalio/workflow';`, null],
  ['workflows/a.ts', `import { readFile } from 'node:fs/promises';`, /the Node module 'node:fs\/promises'/],
  ['workflows/a.ts', `import { Client } from '@temporalio/client';`, /the package '@temporalio\/client'/],
  ['workflows/a.ts', `import type { Client } from '@temporalio/client';`, null],
  ['workflows/a.ts', `import {\n  a,\n  b,\n} from 'zod';`, /the package 'zod'/],
  ['workflows/a.ts', `import 'node:process';`, /the Node module 'node:process'/],
  ['workflows/a.ts', `  const zod = await import('zod');`, /the package 'zod'/],
  ['infra/a.mjs', `import { x } from '../client/x.ts';`, /infra may not import from client/],
  ['client/a.ts', `import { x } from '../workflows/messages.ts';`, null],
  ['client/a.ts', `import { x } from '../workflows/run.ts';`, /only types from workflows/],
  ['client/a.ts', `import { x } from '../infra/root.ts';`, /client may not import from infra/],
  ['cli/a.ts', `import type { X } from '../activities/contract.ts';`, null],
  ['cli/a.ts', `const step = await import('../activities/step.ts');`, /only types from activities/],
  ['workers/a.ts', `import { main } from '../cli/main.ts';`, /workers may not import from cli/],
  ['workers/a.ts', `import { x } from '../test/support/step.ts';`, /workers may not import from test/],
  ['workers/a.ts', ` * import { main } from '../cli/main.ts';`, null],
  ['workers/a.ts', `export const from = '../cli/main.ts';`, null],
];

describe('import directions', () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'espalier-imports-'))));
  afterEach(() => rmSync(root, { recursive: true }));

  const plant = (file: string, source: string): void => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), source);
  };

  for (const [file, source, complaint] of CASES) {
    it(`${complaint === null ? 'allows' : 'refuses'} ${file}: ${source.replaceAll(/\s+/g, ' ')}`, () => {
      plant(file, source);
      const messages = findViolations(root).map(({ message }) => message);
      assert.equal(messages.length, complaint === null ? 0 : 1, messages.join('\n'));
      if (complaint !== null) assert.match(messages[0] ?? '', complaint);
    });
  }

  it('names the file and line of every violation and fails', () => {
    plant('artifacts/a.ts', `/** x */\nimport { x } from '../cli/x.ts';\nimport { y } from '../infra/y.ts';\n`);
    plant('serving/b.ts', `export * from '../cli/x.ts';\n`);
    const script = join(packageRoot, 'infra/lint-imports.mjs');
    const { status, stdout } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
    assert.equal(status, 1);
    const places = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(': ')[0]);
    assert.deepEqual(places, ['artifacts/a.ts:2', 'artifacts/a.ts:3', 'serving/b.ts:1']);
  });

  it('sees every import of a file that mixes all forms', () => {
    const found = importsOf(
      `import a from 'a';\nimport b, { type B } from 'b';\nimport type C from 'c';\nexport type { D } from 'd';\nexport * as e from 'e';\nexport const text = 'from';\n`,
    );
    assert.deepEqual(
      found.map(({ specifier, typeOnly }) => [specifier, typeOnly]),
      [
        ['a', false],
        ['b', false],
        ['c', true],
        ['d', true],
        ['e', false],
      ],
    );
  });
});
