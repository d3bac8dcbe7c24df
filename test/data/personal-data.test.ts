import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { prepareData } from '../../activities/data/prepare-data.ts';
import { loadSplit, SPLITS } from '../../activities/data/dataset.ts';
import { kindsTo } from '../../activities/privacy/policy.ts';
import { redactTexts } from '../../activities/privacy/redact.ts';
import { findPersonalData } from '../../activities/privacy/scan.ts';
import { scanPrivacy } from '../../activities/review/scan-privacy.ts';
import type { DataFile, DatasetSummary } from '../../activities/contract/data.ts';
import { stepIdentity, stepKey } from '../../activities/step.ts';
import { TextDataSchema, PII_KINDS, type PersonalDataPolicy } from '../../pipelines/definition/data.ts';
import { runStep } from '../support/step.ts';
import { testFolder } from '../support/store.ts';
import { dataServices, jsonl, prepare, refusal, sentences, type DataOptions } from './fixtures.ts';

const never = (): Promise<void> => Promise.resolve();

describe('redaction', () => {
  it('gives one value one placeholder, however it is written and wherever it stands', async () => {
    const texts = [
      'write to Jo@x.example or al@x.example',
      'jo@x.example again',
      'card 4111 1111 1111 1111, 4111111111111111',
    ];
    const { texts: redacted, values, changed } = await redactTexts(texts, ['email', 'card'], never);
    const [, jo = ''] = /(<EMAIL_[12]>) again/.exec(redacted[1] ?? '') ?? [];
    const al = jo === '<EMAIL_1>' ? '<EMAIL_2>' : '<EMAIL_1>';
    deepEqual(redacted, [`write to ${jo} or ${al}`, `${jo} again`, 'card <CARD_1>, <CARD_1>']);
    deepEqual(values, { email: { replaced: 3, different: 2 }, card: { replaced: 2, different: 1 } });
    equal(changed, 3);
  });

  it('leaves other kinds alone', async () => {
    const { texts } = await redactTexts(['jo@x.example, +14155550123'], ['phone'], never);
    deepEqual(texts, ['jo@x.example, <PHONE_1>']);
  });

  const piece = fc.constantFrom(
    'jo@x.example',
    'al.b@mail.example',
    '4111 1111 1111 1111',
    'DE89370400440532013000',
    '+49 30 1234567',
    'ssn',
    '123456789',
    '123-45-6789',
    'born',
    '1980-02-29',
    'password=',
    'q7Zt9Xw2Lk4Vb8Nc1Rm5',
    '203.0.113.7',
    '00:1b:63:84:45:e6',
    'tel:',
    '5550199',
    '@',
    '.',
    ' ',
    ', ',
    'hello',
  );
  const text = fc.array(piece, { maxLength: 10 }).map((parts) => parts.join(''));

  it('leaves nothing that it should have found, and is the same in any order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 6 }), async (texts) => {
        const { texts: redacted } = await redactTexts(texts, PII_KINDS, never);
        for (const one of redacted) deepEqual(findPersonalData(one), [], one);
        const reversed = await redactTexts(texts.toReversed(), PII_KINDS, never);
        deepEqual(reversed.texts.toReversed(), redacted);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a policy on personal data', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const clean = sentences(60, ['billing', 'delivery']);
  const values = ['jo.doe@secret.example', '4111 1111 1111 1111', '+49 30 7654321', 'DE89370400440532013000'];
  const [email, card, phone, iban] = values;
  const personal = [
    { text: `write to ${email} about it`, label: 'billing' },
    { text: `write to ${email} or call ${phone} today`, label: 'delivery' },
    { text: `my card ${card} was declined`, label: 'billing' },
    { text: `pay it back to ${iban} please`, label: 'billing' },
  ];
  const file = () => ({ path: 'messages.jsonl', content: jsonl([...clean, ...personal]) });
  const prepared = (onPersonalData: PersonalDataPolicy): Promise<DatasetSummary> =>
    prepare(services, [file()], { onPersonalData });
  const textsOf = async ({ dataset }: DatasetSummary): Promise<string[]> => {
    const sides = await Promise.all(SPLITS.map((split) => loadSplit(services.store, dataset, split)));
    return sides.flat().map(({ text }) => text);
  };

  it('redacts, drops and counts kind by kind, before anything is stored', async () => {
    const summary = await prepared({ email: 'redact', phone: 'redact', card: 'drop' });
    deepEqual(summary.personalData, {
      rowsDropped: 1,
      rowsRedacted: 2,
      values: { email: { replaced: 2, different: 1 }, phone: { replaced: 1, different: 1 } },
    });
    equal(summary.dropped['personal-data'], 1);
    const texts = await textsOf(summary);
    equal(texts.length, 63);
    ok(texts.includes('write to <EMAIL_1> or call <PHONE_1> today'));
    ok(texts.includes(`pay it back to ${iban} please`), 'a kind without an action is left as it was');
    const record = JSON.parse(
      readFileSync(await services.store.fileInTree(summary.dataset, 'dataset.json'), 'utf8'),
    ) as DatasetSummary;
    deepEqual(record.personalData, summary.personalData);
    const scanned = await runStep(scanPrivacy, { dataset: summary.dataset, onPersonalData: 'warn' }, services);
    equal(scanned.counts.email?.train.matches, 0);
    equal(
      SPLITS.reduce((sum, split) => sum + (scanned.counts.iban?.[split].matches ?? 0), 0),
      1,
    );
  });

  it('leaves data as they were where the policy only warns or refuses', async () => {
    const [warned, refused] = [await prepared('warn'), await prepared({ email: 'fail' })];
    equal(warned.personalData, undefined);
    equal(warned.dataset.digest, refused.dataset.digest);
    const error = await refusal(
      runStep(scanPrivacy, { dataset: refused.dataset, onPersonalData: { email: 'fail' } }, services),
    );
    match(error.message, /email: 2 in 2 rows\)/);
    ok(!/phone|card/.test(error.message));
  });

  it('changes the key of the steps it changes, and of no others', async () => {
    const files: DataFile[] = [];
    const key = (onPersonalData: PersonalDataPolicy, options: DataOptions = {}) => {
      const data = TextDataSchema.parse({
        files: ['a.csv'],
        text: 'text',
        label: 'label',
        licence: 'x',
        source: 'y',
        onPersonalData,
        ...options,
      });
      return stepKey(prepareData.type, prepareData.version, stepIdentity(prepareData, { files, data }), null);
    };
    equal(key('warn'), key('fail'));
    equal(key('warn'), key({ card: 'fail' }));
    equal(key('redact'), key(Object.fromEntries(PII_KINDS.map((kind) => [kind, 'redact']))));
    equal(new Set([key('warn'), key('redact'), key('drop'), key({ email: 'redact' }), key({ email: 'drop' })]).size, 5);
    const { dataset } = await prepared('warn');
    const scanKey = (onPersonalData: PersonalDataPolicy) => stepIdentity(scanPrivacy, { dataset, onPersonalData });
    deepEqual(scanKey('warn'), scanKey('redact'));
    ok(JSON.stringify(scanKey('warn')) !== JSON.stringify(scanKey({ card: 'fail' })));
  });

  it('resolves one action for all, or one a kind with warn for the rest', () => {
    deepEqual(kindsTo('redact', 'redact'), [...PII_KINDS]);
    deepEqual(kindsTo('redact', { card: 'redact' }), ['card']);
    equal(kindsTo('warn', { card: 'redact' }).length, PII_KINDS.length - 1);
    deepEqual(kindsTo('fail', 'warn'), []);
  });

  /** What the store and its cache hold, by file. */
  const stored = (bucket: string): readonly Buffer[] =>
    ['data', 'cache']
      .flatMap((folder) => readdirSync(join(testFolder(), folder, bucket), { withFileTypes: true, recursive: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)));

  it('writes no value anywhere once it is redacted: not in the dataset, the findings, an error or the progress', async () => {
    const said: unknown[] = [];
    const own = await dataServices();
    try {
      const rows = [
        ...clean,
        ...personal,
        { text: 'hello', label: `write ${email}` },
        { text: `${phone} ${card}`, label: '' },
      ];
      const data = TextDataSchema.parse({
        files: ['a.jsonl'],
        text: 'text',
        label: 'label',
        licence: 'x',
        source: 'y',
        onPersonalData: 'redact',
        onBadRow: 'drop',
        labels: ['billing', 'delivery'],
      });
      const ref = await own.store.putBytes(jsonl(rows), { name: 'a.jsonl', mediaType: 'application/jsonl' });
      const files: DataFile[] = [{ path: 'a.jsonl', format: 'jsonl', split: 'all', ref }];
      const onProgress = (progress: unknown): unknown => said.push(progress);
      const summary = await runStep(prepareData, { files, data }, own, { onProgress });
      said.push(
        summary,
        await runStep(scanPrivacy, { dataset: summary.dataset, onPersonalData: 'redact' }, own, { onProgress }),
      );
      const strict = await refusal(
        runStep(prepareData, { files, data: { ...data, onBadRow: 'fail' } }, own, { onProgress }),
      );
      said.push(strict.toRecord(), strict.stack);
      const labelled = { files, data: { ...data, labels: undefined, minRowsPerLabel: 3 } };
      said.push((await refusal(runStep(prepareData, labelled, own))).toRecord());
      // The only one that holds a value is the data file that was given.
      const blobs = stored(own.opened.settings.bucket).filter((blob) => !blob.equals(Buffer.from(jsonl(rows))));
      ok(blobs.some((blob) => blob.includes('<EMAIL_1>')) && blobs.some((blob) => blob.includes('unknown-label')));
      for (const value of values) {
        ok(!JSON.stringify(said).includes(value), value);
        deepEqual(blobs.filter((blob) => blob.includes(value)).map(String), []);
      }
    } finally {
      own.opened.close();
    }
  });

  it('refuses labels that are personal data, without showing them', async () => {
    const rows = clean.map((row, index) => ({ ...row, label: index % 2 === 0 ? email : 'b' }));
    const error = await refusal(prepare(services, [{ path: 'a.jsonl', content: jsonl(rows) }]));
    match(error.message, /labels hold personal data \(email\)/);
    ok(!JSON.stringify(error.toRecord()).includes(String(email)));
  });
});
