import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { scanPrivacy } from '../../activities/review/scan-privacy.ts';
import { dataServices, jsonl, prepare, refusal, sentences } from '../data/fixtures.ts';
import { runStep } from '../support/step.ts';

describe('privacy scan', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const clean = sentences(40, ['a', 'b']);
  const personal = [
    { text: 'write to jo@example.org or to al@example.org today', label: 'a' },
    { text: 'my card 4111 1111 1111 1111 was declined', label: 'b' },
  ];
  const dataset = async (train: readonly unknown[], test: readonly unknown[]) =>
    (
      await prepare(services, [
        { path: 'train.jsonl', content: jsonl(train), split: 'train' },
        { path: 'validation.jsonl', content: jsonl(sentences(60, ['a', 'b']).slice(50)), split: 'validation' },
        { path: 'test.jsonl', content: jsonl(test), split: 'test' },
      ])
    ).dataset;

  it('counts rows and matches by kind and split, and shows them redacted', async () => {
    const tree = await dataset([...clean, personal[0]], [personal[1], { text: 'nothing at all to see', label: 'a' }]);
    const summary = await runStep(scanPrivacy, { dataset: tree, onPersonalData: 'warn' }, services);
    equal(summary.rowsScanned, 53);
    deepEqual(summary.counts.email, {
      train: { rows: 1, matches: 2 },
      validation: { rows: 0, matches: 0 },
      test: { rows: 0, matches: 0 },
    });
    deepEqual(summary.counts.card?.test, { rows: 1, matches: 1 });
    deepEqual(summary.counts.iban?.train, { rows: 0, matches: 0 });
    deepEqual(
      summary.samples.map(({ kind, redacted }) => [kind, redacted]),
      [
        ['email', 'j…@…'],
        ['email', 'a…@…'],
        ['card', '…(16 digits)'],
      ],
    );
    ok(!JSON.stringify(summary).includes('example.org') && !JSON.stringify(summary).includes('1111'));
  });

  it('refuses the data with counts only, where the definition says so', async () => {
    const tree = await dataset([...clean, ...personal], sentences(50, ['a', 'b']).slice(40));
    const error = await refusal(runStep(scanPrivacy, { dataset: tree, onPersonalData: 'fail' }, services));
    equal(error.kind, 'BadData');
    match(error.message, /email: 2 in 1 row; card: 1 in 1 row\)/);
    ok(!/example|4111/.test(JSON.stringify(error.toRecord())));
  });

  it('looks through rows from elsewhere as through the others: they are stored and quoted, too', async () => {
    const { dataset: tree } = await prepare(services, [
      { path: 'all.jsonl', content: jsonl(sentences(60, ['a', 'b'])) },
      { path: 'later.jsonl', content: jsonl(personal), split: 'shifted' },
    ]);
    const summary = await runStep(scanPrivacy, { dataset: tree, onPersonalData: 'warn' }, services);
    equal(summary.rowsScanned, 62);
    deepEqual(summary.counts.email?.shifted, { rows: 1, matches: 2 });
    deepEqual(summary.counts.email?.test, { rows: 0, matches: 0 });
    const error = await refusal(runStep(scanPrivacy, { dataset: tree, onPersonalData: { card: 'fail' } }, services));
    match(error.message, /card: 1 in 1 row\)/);
  });

  it('lets clean data pass', async () => {
    const tree = await dataset(clean, sentences(50, ['a', 'b']).slice(40));
    const summary = await runStep(scanPrivacy, { dataset: tree, onPersonalData: 'fail' }, services);
    deepEqual(summary.samples, []);
  });
});
