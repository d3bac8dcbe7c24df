/** Run as a process of its own with little memory: reads hostile texts at every door of the licence review and says how each ended. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EspalierError } from '../../../artifacts/errors.ts';
import { readCard } from '../../../pipelines/licence/card.ts';
import { judgeLine } from '../../../pipelines/licence/cases.ts';
import { evaluate } from '../../../pipelines/licence/evaluate.ts';
import { readModelFolder } from '../../../pipelines/licence/model-folder.ts';
import { termsOf } from '../../../pipelines/licence/model-terms.ts';
import { readPolicyFile } from '../../../pipelines/licence/policy-file.ts';
import { parsePolicy } from '../../../pipelines/licence/policy.ts';

const use = { commercial: true, domain: 'customer support', publish: false, hosted: true, modify: true };
const today = '2026-01-01';
const levels = (count: number, line: (level: number) => string): string =>
  Array.from({ length: count }, (_, level) => line(level)).join('\n');

/** Each would cost gigabytes or minutes if nothing bounded it. Small enough to pass the limits of size. */
const YAML: Readonly<Record<string, () => string>> = {
  'a billion laughs': () => `l0: &l0 lol\n${levels(30, (n) => `l${n + 1}: &l${n + 1} [${`*l${n},`.repeat(9)}]`)}`,
  'merge keys of merge keys': () =>
    `m0: &m0 {a: 1}\n${levels(30, (n) => `m${n + 1}: &m${n + 1} {<<: [*m${n}, *m${n}]}`)}`,
  'an alias of itself': () => 'a: &a [*a]',
  'deep brackets': () => '['.repeat(200_000),
  'deep braces': () => '{a: '.repeat(60_000),
  'deep dashes': () => `${'- '.repeat(100_000)}x`,
  'deep questions': () => `${'? '.repeat(100_000)}x`,
  'deep indentation': () => levels(680, (n) => `${' '.repeat(n)}a:`),
  'a huge scalar': () => `license: ${'x'.repeat(250_000)}`,
  'a huge folded scalar': () => `license: >\n${'  x\n'.repeat(60_000)}`,
  'a huge number': () => `license: ${'9'.repeat(200_000)}`,
  'many keys': () => levels(15_000, (n) => `key${n}: ${n}`),
  'a key twice': () => 'license: mit\nlicense: apache-2.0',
  'a complex key': () => '? {a: b}\n: c',
  tags: () => 'license: !!js/function "x"\nb: !!binary aGk=\nc: !!set {a, b}\nd: !!python/object:os.system ls',
  'a tag of its own': () => '%TAG ! tag:evil.example,2000:\n---\nlicense: !x mit',
  'many documents': () => 'a: 1\n---\n'.repeat(20_000),
  'NUL and control characters': () => 'license: "mit\0"\nb: \u0007\u001b[31m',
  'half a surrogate': () => 'license: "\\ud800"',
  prototypes: () => '__proto__: {license: mit}\nconstructor: {prototype: {license: mit}}',
};

const report = (door: string, what: string, outcome: string): void => {
  process.stdout.write(`${JSON.stringify({ door, what, outcome })}\n`);
};
const refusal = (work: () => unknown): string => {
  try {
    work();
    return 'read';
  } catch (error) {
    if (error instanceof EspalierError) return `refused: ${error.kind}`;
    throw error;
  }
};
const verdictOf = (card: string | null, unreadable: readonly string[] = []): string =>
  evaluate({ terms: termsOf({ card, unreadable }), use, today }).verdict;

const folder = mkdtempSync(join(tmpdir(), 'espalier-hostile-'));
try {
  for (const [what, make] of Object.entries(YAML)) {
    const yaml = make();
    const markdown = `---\n${yaml}\n---\n`;
    readCard(markdown);
    report('card', what, verdictOf(markdown));
    report(
      'policy',
      what,
      refusal(() => parsePolicy(yaml, 'policy.yaml')),
    );
  }
  // By size and bytes, as files: what is too large is not read at all.
  const big = (name: string, megabytes: number, start: string): void => {
    const file = openSync(join(folder, name), 'w');
    writeSync(file, start);
    for (let done = 0; done < megabytes; done += 1) writeSync(file, Buffer.alloc(1_000_000, 'a b\n'));
    closeSync(file);
  };
  big('README.md', 10, '---\nlicense: mit\n');
  big('LICENSE', 10, 'MIT License\n');
  writeFileSync(join(folder, 'NOTICE'), Buffer.from([0xff, 0xfe, 0x00, 0x41]));
  const { sizeBytes: _, ...files } = readModelFolder(folder);
  report('folder', 'a card and a licence of 10 MB', evaluate({ terms: termsOf(files), use, today }).verdict);
  report('card', '10 MB of text behind a good head', verdictOf(`---\nlicense: mit\n---\n${'word '.repeat(2_000_000)}`));
  report('card', '10 MB of head', verdictOf(`---\nlicense: mit\n${'a: b\n'.repeat(2_000_000)}`));
  big('policy.yaml', 10, 'version: 1\n');
  report(
    'policy',
    '10 MB',
    refusal(() => readPolicyFile(join(folder, 'policy.yaml'))),
  );
  writeFileSync(join(folder, 'policy.yaml'), Buffer.from([0x76, 0xff]));
  report(
    'policy',
    'no UTF-8',
    refusal(() => readPolicyFile(join(folder, 'policy.yaml'))),
  );
  writeFileSync(join(folder, 'policy.yaml'), `version: 1\n${levels(1350, (n) => `${' '.repeat(n)}a:`)}`);
  report(
    'policy',
    'deep indentation, 1 MB',
    refusal(() => parsePolicy(readPolicyFile(join(folder, 'policy.yaml')), 'p')),
  );
  const lines: Readonly<Record<string, string>> = {
    'deep JSON': `{"id":1,"declared":${'{"parents":['.repeat(50_000)}`,
    'deep but whole JSON': `{"id":1,"declared":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}},"intendedUse":{}}`,
    'many parents': JSON.stringify({
      id: 1,
      declared: { parents: Array.from({ length: 20_000 }, () => ({ model: 'm' })) },
      intendedUse: {},
    }),
    'a prototype': '{"id":1,"declared":{"__proto__":{"license":"mit"}},"intendedUse":{}}',
    'many licences': JSON.stringify({
      id: 1,
      declared: { license: Array.from({ length: 90_000 }, () => 'mit') },
      intendedUse: use,
    }),
  };
  for (const [what, line] of Object.entries(lines)) {
    const judged = judgeLine(line, 1, { today });
    report('case', what, 'verdict' in judged ? judged.verdict : 'refused');
  }
} finally {
  rmSync(folder, { recursive: true });
}
