import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LICENCES } from '../../../pipelines/licence/rows.ts';
import { espalier } from '../../support/command.ts';
import { SERVICE } from './ask.ts';
import { CASES } from './case-table.ts';

interface Answer {
  readonly id: string;
  readonly verdict: string;
  readonly reasons: readonly { readonly text: string; readonly clause: string; readonly source: string }[];
  readonly obligations: readonly unknown[];
  readonly howToFix: readonly string[];
}

describe('a table of cases, scored by the command', function () {
  this.timeout(240_000);
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'espalier-cases-'))));
  after(() => rmSync(folder, { recursive: true }));
  const environment = { ...process.env, NO_COLOR: '1', ESPALIER_LICENCE_POLICY: '' };

  it('has every licence of the table, and is answered as a reader answers', async () => {
    ok(CASES.length >= 150, String(CASES.length));
    const known = new Set(CASES.map(({ id }) => id.split('/')[0]));
    deepEqual(
      LICENCES.map(({ id }) => id).filter((id) => !known.has(id)),
      [],
    );
    equal(new Set(CASES.map(({ id }) => id)).size, CASES.length);
    const path = join(folder, 'cases.jsonl');
    const lines = CASES.map(({ id, declared, intendedUse }) => JSON.stringify({ id, declared, intendedUse }));
    writeFileSync(path, `${lines.join('\n')}\n`);
    const { code, stdout, stderr } = await espalier(['--json', 'licence', 'check', path], environment);
    equal(code, 0, stderr);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer);
    deepEqual(
      answers.map(({ id, verdict }) => `${id}: ${verdict}`),
      CASES.map(({ id, verdict }) => `${id}: ${verdict}`),
    );
    for (const { id, verdict, reasons, howToFix } of answers) {
      ok(reasons.length > 0 && reasons.every(({ clause, source }) => clause !== '' && source !== ''), id);
      equal(howToFix.length > 0, verdict !== 'allow', id);
    }
  });

  it('names a line without end, and judges the next', async () => {
    const path = join(folder, 'long.jsonl');
    const good = JSON.stringify({ id: 'good', declared: { license: 'mit' }, intendedUse: SERVICE });
    writeFileSync(path, `"${'x'.repeat(30_000_000)}"\r\n${good}`);
    const { code, stdout, stderr } = await espalier(['--json', 'licence', 'check', path], {
      ...environment,
      NODE_OPTIONS: '--max-old-space-size=128',
    });
    equal(code, 2);
    match(stderr, /long\.jsonl:1: has more than 1048576 characters/);
    match(stdout, /"id":"good","verdict":"allow"/);
  });

  it('[real-data] judges real cards', async function () {
    const data = process.env['ESPALIER_TEST_DATA'];
    if (data === undefined) this.skip();
    const use = join(folder, 'use.yaml');
    writeFileSync(use, JSON.stringify(SERVICE));
    const cards = readdirSync(join(data, 'cards')).filter((name) => name.endsWith('.md'));
    const verdicts = new Map<string, number>();
    for (const card of cards) {
      const path = join(data, 'cards', card);
      const { code, stdout } = await espalier(['--json', 'licence', 'check', path, '--use', use], environment);
      const { verdict } = JSON.parse(stdout) as Answer;
      equal(code, { allow: 0, review: 3, deny: 1 }[verdict], card);
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }
    deepEqual(Object.fromEntries(verdicts), { allow: 6, deny: 1, review: 5 });
  });
});
