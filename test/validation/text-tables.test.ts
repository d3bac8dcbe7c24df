import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { edgeInputs } from '../../activities/validation/edge-inputs.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { identityFamilies } from '../../activities/validation/identities.ts';
import { editsOf } from '../../activities/validation/perturbations.ts';
import { textTable, textTableDigests } from '../../activities/validation/text-tables.ts';
import { readTextTable, TEXT_TABLES, type TextTable } from '../../pipelines/behaviour/text-tables.ts';
import { packageRoot } from '../../pipelines/load.ts';

const FOLDER = join('pipelines', 'behaviour', 'built-in');
const TABLES = Object.keys(TEXT_TABLES) as readonly TextTable[];
const digest = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

describe('the built-in tables of texts', () => {
  const ODD = [
    '',
    ' ',
    '?!',
    '12',
    '😀',
    'Where is my CARD?!',
    'my  card — lost … ',
    'naïve café öffnet heute nicht mehr.',
    'ΠΟΥ ΕΙΝΑΙ Ο ΛΟΓΑΡΙΑΣΜΟΣ ΜΟΥ',
    'İstanbul ŞEHİR',
    'a lone \ud83d surrogate, please',
    ' one two three four five six seven ',
    'x]^-\\y',
  ];

  it('give the very edits, inputs and sentences that were in the code before they were tables', () => {
    const texts = [...ODD, ...edgeInputs().map(({ text }) => text)];
    const edits = [...editsOf('flipRate'), ...editsOf('noiseFlips')];
    const { identities, neutral } = identityFamilies();
    assert.equal(
      digest(edits.map(({ name, apply }) => [name, texts.map((text) => apply(text))])),
      '99699849e2f9061b105bc2527d489999eeb464c840e445c0f9ac64ad3e13b114',
    );
    assert.equal(digest(edgeInputs()), '482152f0cea7f6d3d8533c88bab7201eddb864abb6352961e18f2d82374b6b6b');
    assert.equal(digest([identities, neutral]), '67d9d9d08e47003166d4fb6091baa9b70fd7dd09f0c7279a950d50a252a7121d');
    assert.deepEqual(
      textTable('triggers.jsonl').map(({ word }) => word),
      ['cf', 'mn', 'bb', 'tq', 'mb'],
    );
  });

  it('tell every mistake by its line and field', () => {
    const problems = (table: TextTable, ...lines: readonly string[]) =>
      readTextTable(table, Buffer.from(lines.join('\n'))).problems.map(({ line, field = '' }) => `${line} ${field}`);
    const emoji = '{"gate": "noiseFlips", "name": "emoji", "edit": "put-around", "before": "", "after": " 🙂"}';
    assert.deepEqual(problems('edits.jsonl', emoji), []);
    assert.deepEqual(
      problems(
        'edits.jsonl',
        emoji,
        'no JSON',
        emoji,
        '{"gate": "noiseFlips", "name": "a", "edit": "turn-round"}',
        '{"gate": "accuracy", "name": "b", "edit": "lower-case"}',
        '{"gate": "flipRate", "name": "c", "edit": "replace", "letters": {"ab": "c"}, "which": "all"}',
        '{"gate": "flipRate", "name": "d", "edit": "cut-last-word", "fewest": 0}',
      ),
      ['2 ', '3 ', '4 edit', '5 gate', '6 letters.ab', '7 fewest'],
    );
    assert.deepEqual(problems('edge-inputs.jsonl', '{"name": "a", "text": "x", "times": 3}'), ['1 ']);
    assert.deepEqual(problems('identity-sentences.jsonl', '{"name": "a", "of": "identity", "sentences": ["x"]}'), [
      '1 sentences',
    ]);
    assert.deepEqual(problems('triggers.jsonl', '{"word": "two words"}', '{"word": "cf"}'), ['1 word']);
    assert.deepEqual(problems('triggers.jsonl', ''), ['1 ']);
    assert.equal(readTextTable('triggers.jsonl', Uint8Array.of(0xff)).problems.length, 1);
  });

  it('are part of what an evaluation is known by: with another row in one it is another', async () => {
    const environment = await evaluateModel.environment?.({} as never, {} as never);
    assert.deepEqual((environment as { readonly tables?: unknown }).tables, textTableDigests());
    const home = await mkdtemp(join(tmpdir(), 'espalier-text-tables-'));
    try {
      await cp(join(packageRoot(), FOLDER), join(home, FOLDER), { recursive: true });
      assert.deepEqual(textTableDigests(home), textTableDigests());
      for (const table of TABLES) {
        const before = textTableDigests(home)[table];
        await appendFile(join(home, FOLDER, table), 'no row\n');
        assert.notEqual(textTableDigests(home)[table], before);
        assert.throws(() => textTable(table, home), { kind: 'Internal', message: new RegExp(`^${table}:\\d+: `) });
      }
    } finally {
      await rm(home, { recursive: true });
    }
  });
});
