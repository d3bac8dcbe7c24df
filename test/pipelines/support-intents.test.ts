import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { textIdentity } from '../../activities/data/normalise.ts';
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

  it('has a test file of 600 messages, sixty an intent, none of them a training message but for digits, punctuation or case', async () => {
    const [messages, test] = await Promise.all([rowsOf('messages.csv'), rowsOf('test.csv')]);
    const near = new Set(messages.map((row) => textIdentity(row.message).near));
    assert.deepEqual(
      test.filter((row) => near.has(textIdentity(row.message).near)),
      [],
    );
    assert.equal(new Set(test.map((row) => textIdentity(row.message).near)).size, 600);
    for (const intent of new Set(messages.map((row) => row.intent)))
      assert.equal(test.filter((row) => row.intent === intent).length, 60, intent);
  });

  it('demands of tuning what the defaults demand: to beat the frozen probe beyond chance', async () => {
    const { value, folder } = await loadPipeline('support-intents');
    const checked = checkPipeline(value, { folder });
    assert.ok(checked.ok && checked.pipeline.task === 'text-classification');
    assert.deepEqual(checked.pipeline.gates.gainOverProbe, { min: 0, severity: 'fail' });
  });

  it('has a shifted file of the same intents that shares no message with the others', async () => {
    const [messages, test, shifted] = await Promise.all(['messages.csv', 'test.csv', 'shifted.csv'].map(rowsOf));
    assert.ok(messages && test && shifted && shifted.length >= 150);
    assert.deepEqual(new Set(shifted.map((row) => row.intent)), new Set(messages.map((row) => row.intent)));
    const known = new Set([...messages, ...test].map((row) => normalised(row.message)));
    assert.deepEqual(
      shifted.filter((row) => known.has(normalised(row.message))),
      [],
    );
  });

  it('tells the truth in its data card: every count of the table', async () => {
    const card = await readFile(join(home, 'data', 'DATA_CARD.md'), 'utf8');
    const files = ['messages.csv', 'test.csv', 'shifted.csv'];
    const rows = await Promise.all(files.map(rowsOf));
    for (const [at, file] of files.entries()) assert.ok(card.includes(`| \`${file}\` | ${rows[at]?.length} |`), file);
    for (const intent of new Set(rows.flat().map((row) => row.intent))) {
      const counts = rows.map((file) => file.filter((row) => row.intent === intent).length);
      assert.ok(card.includes(`| \`${intent}\` | ${counts.join(' | ')} |`), intent);
    }
  });

  it('holds no e-mail address or telephone number that could be somebody’s', async () => {
    const rows = await Promise.all(['messages.csv', 'test.csv', 'shifted.csv'].map(rowsOf));
    const text = rows
      .flat()
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
