import { createHash } from 'node:crypto';
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readCroissant } from '../../activities/data/croissant.ts';
import { loadSplit } from '../../activities/data/dataset.ts';
import type { DataFile } from '../../activities/contract/data.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { dataServices, jsonl, prepare, refusal, sentences } from './fixtures.ts';

describe('contamination', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const rows = sentences(40, ['a', 'b']);
  const long = 'I would like to know where the large green parcel is that I sent to my sister last week';
  const declared = [
    {
      path: 'train.jsonl',
      content: jsonl([...rows.slice(0, 20), { text: `${long}, please`, label: 'a' }]),
      split: 'train' as const,
    },
    { path: 'validation.jsonl', content: jsonl(rows.slice(20, 30)), split: 'validation' as const },
    { path: 'test.jsonl', content: jsonl([...rows.slice(30), { text: long, label: 'a' }]), split: 'test' as const },
  ];
  const options = { minRowsPerLabel: 3 };

  it('counts near twins of held-out rows and warns of them', async () => {
    const summary = await prepare(services, declared, options);
    equal(summary.contamination?.nearTwins.test, 1);
    ok((summary.contamination?.missRate ?? 1) < 1e-4);
    const finding = summary.findings.find(({ reason }) => reason === 'near-twin');
    match(finding?.message ?? '', /1 test texts/);
    equal(summary.rows.train, 21);
  });

  it('leaves the twins out of train on demand, and refuses the data on demand', async () => {
    const separate = await prepare(services, declared, { ...options, nearDuplicates: { action: 'separate' } });
    equal(separate.contamination?.nearTwins.test, 0);
    equal(separate.contamination?.dropped, 1);
    equal(separate.dropped['near-duplicate'], 1);
    deepEqual([separate.rows.train, separate.rows.test], [20, 11]);
    const fails = prepare(services, declared, { ...options, nearDuplicates: { action: 'fail' } });
    const error = await refusal(fails);
    equal(error.where, 'data.nearDuplicates');
    ok(!error.message.includes('parcel'));
  });

  it('says what the rows of a label are that all are near twins', async () => {
    const alike = Array.from({ length: 9 }, (_, index) => ({
      text: `${long}${' and so on'.slice(0, index)}`,
      label: 'c',
    }));
    const files = [{ path: 'all.jsonl', content: jsonl([...rows, ...alike]) }];
    const error = await refusal(prepare(services, files, { ...options, nearDuplicates: { action: 'separate' } }));
    match(
      error.message,
      /the rows of 'c' are nearly the same text \(0\.8 or more of their 5-grams in common, or .* a slip\)/,
    );
  });

  it('keeps near twins on one side where it makes the splits itself, whatever the order of the file', async () => {
    const twins = Array.from({ length: 30 }, (_, index) =>
      ['now', 'soon', 'today'].map((word) => ({
        text: `${rows[index]?.text} and also ${long.slice(index)} ${word}`,
        label: index % 2 === 0 ? 'a' : 'b',
      })),
    ).flat();
    const separate = { nearDuplicates: { action: 'separate' as const } };
    const file = (content: unknown[]) => [{ path: 'all.jsonl', content: jsonl(content) }];
    const summary = await prepare(services, file(twins), separate);
    deepEqual([summary.contamination?.nearTwins, summary.contamination?.dropped], [{ validation: 0, test: 0 }, 0]);
    equal(summary.rows.train + summary.rows.validation + summary.rows.test, 90);
    const reversed = await prepare(services, file(twins.toReversed()), separate);
    const texts = async (one: typeof summary) =>
      (await loadSplit(services.store, one.dataset, 'test')).map(({ text }) => text);
    deepEqual(await texts(summary), await texts(reversed));
    const asIs = await prepare(services, file(twins));
    ok((asIs.contamination?.nearTwins.test ?? 0) > 0, 'without the policy they straddle');
  });

  it('counts what of an evaluation file is in the data, word for word or nearly', async () => {
    const evaluation = [
      rows[0],
      rows[25],
      { text: `${long}!`, label: '' },
      { text: 'nothing like it at all', label: '' },
    ];
    const files = [...declared, { path: 'benchmark.jsonl', content: jsonl(evaluation), split: 'evaluation' as const }];
    const summary = await prepare(services, files, options);
    deepEqual(summary.contamination?.evaluation, [{ file: 'benchmark.jsonl', rows: 4, exact: 2, near: 1 }]);
    ok(summary.findings.some(({ reason }) => reason === 'evaluation-overlap'));
    const without = await prepare(services, declared, options);
    deepEqual(summary.rows, without.rows, 'its rows are no part of the dataset');
  });
});

describe('a Croissant description', () => {
  const content = 'text,label\nhello,a\n';
  const sha256 = createHash('sha256').update(content).digest('hex');
  const file = {
    path: 'data/messages.csv',
    format: 'csv',
    split: 'all',
    ref: { digest: `sha256:${sha256}` },
  } as DataFile;
  const describes = (changes: object): Buffer =>
    Buffer.from(
      JSON.stringify({
        '@context': { '@vocab': 'https://schema.org/' },
        '@type': 'sc:Dataset',
        name: 'messages',
        license: 'https://creativecommons.org/licenses/by/4.0/',
        creator: { '@type': 'Person', name: 'A. Writer' },
        url: 'https://data.example/messages',
        distribution: [
          { '@type': 'cr:FileObject', name: 'm', contentUrl: 'https://data.example/messages.csv?v=1', sha256 },
        ],
        ...changes,
      }),
    );

  it('is read for name, licence, creators and address, and confirms the files', () => {
    deepEqual(readCroissant(describes({}), 'c.json', [file]), {
      name: 'messages',
      licence: 'https://creativecommons.org/licenses/by/4.0/',
      creators: ['A. Writer'],
      url: 'https://data.example/messages',
      filesVerified: 1,
    });
    const sparse = readCroissant(Buffer.from('{"@type":"Dataset","creator":["x",{"name":"y"}]}'), 'c.json', [file]);
    deepEqual(sparse, { name: null, licence: null, creators: ['x', 'y'], url: null, filesVerified: 0 });
  });

  const refused: readonly (readonly [title: string, bytes: Buffer, says: RegExp])[] = [
    [
      'another SHA-256',
      describes({ distribution: { contentUrl: 'messages.csv', sha256: '0'.repeat(64) } }),
      /is not the file that c.json describes/,
    ],
    ['what is no JSON', Buffer.from('name: x'), /is not JSON/],
    ['another type', describes({ '@type': 'Person' }), /@type: is not a Dataset/],
    ['a list', Buffer.from('[]'), /is no Croissant description/],
    [
      'a hash that is none',
      describes({ distribution: [{ sha256: 'abc' }] }),
      /is no Croissant description: distribution/,
    ],
    ['megabytes', Buffer.alloc(5 * 2 ** 20, 32), /more than/],
  ];
  for (const [title, bytes, says] of refused) {
    it(`is refused with ${title}`, () => {
      try {
        readCroissant(bytes, 'c.json', [file]);
      } catch (error) {
        ok(error instanceof EspalierError && error.where === 'data.croissant');
        match(error.message, says);
        return;
      }
      ok(false, 'it was accepted');
    });
  }
});
