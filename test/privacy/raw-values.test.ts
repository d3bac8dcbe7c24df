/** Values of all kinds planted in data: whatever a run says, keeps or shows beside the data themselves, none may be in it. */
import { deepEqual, ok } from 'node:assert/strict';
import type { DataFile, PrepareDataInput } from '../../activities/contract/data.ts';
import { prepareData } from '../../activities/data/prepare-data.ts';
import { writeReport } from '../../activities/report/write-report.ts';
import { scanPrivacy } from '../../activities/review/scan-privacy.ts';
import { toFailure } from '../../activities/attempt-failures.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { TextDataSchema, PII_KINDS } from '../../pipelines/definition/data.ts';
import { dataServices, jsonl, sentences } from '../data/fixtures.ts';
import { sampleFacts } from '../support/facts.ts';
import { PLANTED, plantedIn } from '../support/personal-data.ts';
import { runStep } from '../support/step.ts';

type Action = 'warn' | 'redact' | 'drop' | 'fail';

describe('a raw value', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const clean = sentences(60, ['billing', 'delivery']);
  const rows = [
    ...clean,
    ...PLANTED.map(([, value], index) => ({
      text: `about ${value} please, ${clean[index]?.text}`,
      label: index % 2 === 0 ? 'billing' : 'delivery',
    })),
    // Rows that are refused: what is said of them must not say what they hold.
    ...PLANTED.flatMap(([, value]) => [
      { text: value, label: '' },
      { text: `twice ${value}`, label: 'billing' },
      { text: `twice ${value}`, label: 'delivery' },
      { text: 5, label: value },
      { text: `an unknown label ${value}`, label: `label ${value}` },
    ]),
  ];
  const file = Buffer.from(`${jsonl(rows)}not json, but ${PLANTED.map(([, value]) => value).join(' ')}\n`);

  /** Everything that the steps say, return, throw or put into the store, but for the data themselves. */
  async function outputs(action: Action, options: Partial<PrepareDataInput['data']>): Promise<string> {
    const said: string[] = [];
    const say = (value: unknown): void => void said.push(JSON.stringify(value));
    const onProgress = say;
    const data = TextDataSchema.parse({
      files: ['a.jsonl'],
      text: 'text',
      label: 'label',
      labels: ['billing', 'delivery'],
      licence: 'CC0-1.0',
      source: 'a test',
      onPersonalData: action,
      onBadRow: 'drop',
      ...options,
    });
    const ref = await services.store.putBytes(file, { name: 'a.jsonl', mediaType: 'application/jsonl' });
    const files: DataFile[] = [{ path: 'a.jsonl', format: 'jsonl', split: 'all', ref }];
    try {
      const summary = await runStep(prepareData, { files, data }, services, { onProgress });
      say(summary);
      said.push((await services.store.getBytes(summary.findingsFile)).toString());
      for (const { path, digest } of (await services.store.tree(summary.dataset)).entries) {
        if (action === 'warn' && path.endsWith('.jsonl')) continue; // the data themselves
        if (action === 'fail' && path.endsWith('.jsonl')) continue;
        said.push((await services.store.getBytes(digest)).toString());
      }
      const privacy = await runStep(
        scanPrivacy,
        { dataset: summary.dataset, onPersonalData: data.onPersonalData },
        services,
        { onProgress },
      );
      say(privacy);
      const facts = {
        ...sampleFacts,
        data: summary,
        privacy,
        training: undefined,
        pipeline: { ...sampleFacts.pipeline, data },
      };
      const { training: _, ...reported } = facts;
      for (const kind of ['review', 'final'] as const) {
        const { html, json } = await runStep(writeReport, { kind, facts: reported }, services, { onProgress });
        for (const part of [html, json]) said.push((await services.store.getBytes(part)).toString());
      }
    } catch (error) {
      if (!(error instanceof EspalierError)) throw error;
      const failure = toFailure(error, 'data');
      said.push(String(error), error.stack ?? '', JSON.stringify([error.toRecord(), failure, failure.stack]));
    }
    return said.join('\n');
  }

  it('is planted for every kind', () => {
    deepEqual(new Set(PLANTED.map(([kind]) => kind)), new Set(PII_KINDS));
  });

  const variants: readonly (readonly [Action, Partial<PrepareDataInput['data']>])[] = [
    ['warn', {}],
    ['redact', {}],
    ['drop', {}],
    ['fail', {}],
    ['warn', { onBadRow: 'fail' }],
    ['redact', { onBadRow: 'fail' }],
    ['warn', { labels: undefined }],
    ['warn', { label: 'nothing' }],
  ];
  for (const [action, options] of variants) {
    it(`is in nothing that is said or kept (${[action, ...Object.keys(options)].join(', another ')})`, async () => {
      const said = await outputs(action, options);
      ok(
        said.length > 500 && (action !== 'warn' || Object.keys(options).length > 0 || said.includes('(16 digits)')),
        said,
      );
      deepEqual(plantedIn(said), []);
    });
  }

  it('is not named as what gives a label away', async () => {
    const secret = 'AKIAIOSFODNN7NOTREAL';
    const signed = clean.map(({ text, label }) => ({
      text: label === 'billing' ? `${text} Wilhelmina.Quackenbush@post-office.example` : `${text} ${secret}`,
      label,
    }));
    const ref = await services.store.putBytes(jsonl(signed), { name: 'b.jsonl', mediaType: 'application/jsonl' });
    const data = TextDataSchema.parse({ files: ['b.jsonl'], text: 'text', label: 'label', licence: 'x', source: 'y' });
    const files: DataFile[] = [{ path: 'b.jsonl', format: 'jsonl', split: 'all', ref }];
    const { findings } = await runStep(prepareData, { files, data }, services);
    const leak = findings.find(({ reason }) => reason === 'label-leak')?.message ?? '';
    ok(leak.includes("'#' for 'billing', '#' for 'delivery'"), leak);
  });
});
