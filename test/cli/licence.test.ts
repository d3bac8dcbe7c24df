import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { espalier as command } from '../support/command.ts';

const espalier = (...args: readonly string[]) => command(args, { ...process.env, NO_COLOR: '1' });

describe('espalier licence check', () => {
  let folder: string;
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-licence-'));
    mkdirSync(join(folder, 'model'));
    file('model/README.md', '---\nlicense: cc-by-nc-4.0\n---\n');
    file('use.yaml', 'commercial: true\ndomain: customer support\npublish: false\nhosted: true\nmodify: true\n');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('judges a card and a folder, with a code for each verdict', async () => {
    const use = join(folder, 'use.yaml');
    const asked = async (licence: string) =>
      (await espalier('licence', 'check', file('card.md', `---\nlicense: ${licence}\n---\n`), '--use', use)).code;
    deepEqual([await asked('mit'), await asked('gemma')], [0, 3]);
    const { code, stdout } = await espalier('--json', 'licence', 'check', join(folder, 'model'), '--use', use);
    equal(code, 1);
    const { verdict, reasons, howToFix } = JSON.parse(stdout) as {
      verdict: string;
      reasons: { clause: string }[];
      howToFix: string[];
    };
    deepEqual([verdict, reasons[0]?.clause, howToFix.length], ['deny', 's.1(i), s.2(a)(1)', 1]);
  });

  it('scores a table of cases line by line under a policy, and names the lines that are none', async () => {
    const use = { commercial: true, domain: 'customer support' };
    const lines = [
      { id: 'a', declared: { license: 'mit' }, intendedUse: use },
      { id: 'b', declared: { license: 'isc' }, intendedUse: use },
    ];
    const cases = file(
      'cases.jsonl',
      `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"id":"c","declared":{}}\n`,
    );
    const policy = file('policy.yaml', 'version: 1\nallow: {licences: [mit]}\n');
    const { code, stdout, stderr } = await espalier('--json', 'licence', 'check', cases, '--policy', policy);
    equal(code, 2);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; verdict?: string; error?: { field: string } });
    deepEqual(
      answers.map(({ id, verdict, error }) => [id, verdict ?? error?.field]),
      [
        ['a', 'allow'],
        ['b', 'review'],
        ['c', 'intendedUse'],
      ],
    );
    match(stderr, /cases\.jsonl:3: intendedUse: is missing/);
  });

  it('says what is wrong with its files', async () => {
    const broken = file('broken.yaml', 'comercial: true\n');
    const { code, stderr } = await espalier('licence', 'check', join(folder, 'model'), '--use', broken);
    equal(code, 2);
    match(stderr, /comercial: is not a setting here \(did you mean 'commercial'\?\)/);
    equal((await espalier('licence', 'check', join(folder, 'none'))).code, 5);
  });
});
