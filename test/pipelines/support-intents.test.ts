import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { checkPipeline } from '../../pipelines/check.ts';
import { loadPipeline, packageRoot } from '../../pipelines/load.ts';

const home = join(packageRoot(), 'pipelines', 'support-intents');
interface Row {
  readonly message: string;
  readonly intent: string;
}
const rowsOf = async (name: string) => parse<Row>(await readFile(join(home, 'data', name)), { columns: true });
const normalised = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

describe('the shipped pipeline support-intents', () => {
  it('passes its own check, files included', async () => {
    const { value, folder } = await loadPipeline('support-intents');
    const checked = checkPipeline(value, { folder });
    assert.ok(checked.ok, JSON.stringify(checked));
    assert.deepEqual(
      checked.pipeline.candidates.map((candidate) => [candidate.id, candidate.optional]),
      [
        ['minilm-l6', false],
        ['minilm-l3', false],
        ['minilm-l12', true],
      ],
    );
  });

  it('has at least 650 distinct messages of ten intents, none rare', async () => {
    const rows = await rowsOf('messages.csv');
    assert.ok(rows.length >= 650);
    assert.equal(new Set(rows.map((row) => normalised(row.message))).size, rows.length);
    const counts = [...new Set(rows.map((row) => row.intent))].map(
      (intent) => rows.filter((row) => row.intent === intent).length,
    );
    assert.equal(counts.length, 10);
    assert.ok(Math.min(...counts) >= 60);
  });

  it('has a shifted file of the same intents that shares no message with the first', async () => {
    const [messages, shifted] = await Promise.all([rowsOf('messages.csv'), rowsOf('shifted.csv')]);
    assert.ok(shifted.length >= 150);
    assert.deepEqual(new Set(shifted.map((row) => row.intent)), new Set(messages.map((row) => row.intent)));
    const known = new Set(messages.map((row) => normalised(row.message)));
    assert.deepEqual(
      shifted.filter((row) => known.has(normalised(row.message))),
      [],
    );
  });

  it('tells the truth in its data card: every count of the table', async () => {
    const card = await readFile(join(home, 'data', 'DATA_CARD.md'), 'utf8');
    const [messages, shifted] = await Promise.all([rowsOf('messages.csv'), rowsOf('shifted.csv')]);
    assert.ok(
      card.includes(`| \`messages.csv\` | ${messages.length} |`) &&
        card.includes(`| \`shifted.csv\` | ${shifted.length} |`),
    );
    for (const intent of new Set(messages.map((row) => row.intent))) {
      const count = (rows: readonly Row[]) => rows.filter((row) => row.intent === intent).length;
      assert.ok(card.includes(`| \`${intent}\` | ${count(messages)} | ${count(shifted)} |`), intent);
    }
  });

  it('holds no e-mail address or telephone number that could be somebody’s', async () => {
    const text = [...(await rowsOf('messages.csv')), ...(await rowsOf('shifted.csv'))]
      .map((row) => row.message)
      .join('\n');
    const mails = text.match(/[\w.+-]+@[\w.-]+/g) ?? [];
    assert.ok(mails.length > 0);
    assert.deepEqual(
      mails.filter((mail) => !/@example\.(com|net|org)$/.test(mail.replace(/\.$/, ''))),
      [],
    );
    assert.deepEqual(
      (text.match(/\b555-\d{4}\b/g) ?? []).filter((number) => !number.startsWith('555-01')),
      [],
    );
  });
});
