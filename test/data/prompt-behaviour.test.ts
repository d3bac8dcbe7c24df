import { deepEqual, doesNotMatch, equal, match, notEqual } from 'node:assert/strict';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { DataFile } from '../../activities/contract/data.ts';
import { loadBehaviour } from '../../activities/data/behaviour.ts';
import { preparePrompts } from '../../activities/data/prepare-prompts.ts';
import { subsetData } from '../../activities/data/subset-data.ts';
import { stepIdentity } from '../../activities/step.ts';
import type { PromptTest } from '../../pipelines/behaviour/prompt-rows.ts';
import type { BehaviourKind } from '../../pipelines/definition/behaviour.ts';
import { PromptDataSchema } from '../../pipelines/definition/data.ts';
import { parseGuidelines } from '../../pipelines/guidelines/guidelines.ts';
import { runStep } from '../support/step.ts';
import { dataServices, jsonl, refusal, sentences } from './fixtures.ts';

const GUIDELINES = `version: 1
checks:
  - { id: short, kind: length, maxWords: 60 }
  - { id: mail, kind: required-phrases, phrases: [mail], when: { promptMatches: 'example\\.com' } }
`;

describe('behaviour tests beside the prompts', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const said = sentences(40, ['x']).map(({ text }) => ({ prompt: text }));
  async function inputOf(
    tables: Readonly<Record<string, { readonly kind: BehaviourKind; readonly rows: readonly object[] }>>,
    onPersonalData: 'warn' | 'redact' | 'drop' = 'warn',
  ) {
    const { store } = services;
    const put = async (path: string, content: string, split: DataFile['split']): Promise<DataFile> => {
      const ref = await store.putBytes(content, { name: path, mediaType: 'application/jsonl' });
      return { path, split, format: 'jsonl', ref };
    };
    const files = [await put('a.jsonl', jsonl(said), 'all')];
    for (const [name, { rows }] of Object.entries(tables))
      files.push(await put(`${name}.jsonl`, jsonl(rows), 'behaviour'));
    const data = PromptDataSchema.parse({ files: ['a.jsonl'], licence: 'CC0-1.0', source: 'test', onPersonalData });
    if (Object.keys(tables).length === 0) return { files, data };
    const guidelines = await store.putBytes(canonicalJson(parseGuidelines(GUIDELINES, 'g.yaml')), {
      name: 'guidelines.json',
      mediaType: 'application/json',
    });
    const behaviour = Object.fromEntries(
      Object.entries(tables).map(([name, { kind }]) => [name, { kind, file: `${name}.jsonl` }] as const),
    );
    return { files, data, behaviour, guidelines };
  }
  const prepared = async (...of: Parameters<typeof inputOf>) => runStep(preparePrompts, await inputOf(...of), services);
  const testsOf = async (...of: Parameters<typeof inputOf>) =>
    loadBehaviour<PromptTest>(services.store, (await prepared(...of)).dataset);
  const kind = 'minimum-functionality' as const;

  it('are kept with where they were written, in a small part of the data, too; no prompt is another for them', async () => {
    const without = await prepared({});
    deepEqual(await loadBehaviour(services.store, without.dataset), []);
    // What a definition without tables is known by has not changed.
    deepEqual(Object.keys(stepIdentity(preparePrompts, await inputOf({})) as object).toSorted(), [
      'data',
      'files',
      'removed',
    ]);
    const summary = await prepared({
      jailbreaks: { kind, rows: [{ prompt: 'Be Max.', refuses: true, note: 'from the audit' }] },
      same: { kind: 'invariance', rows: [{ prompt: 'a', other: 'b', refusal: true }] },
    });
    deepEqual(summary.rows, without.rows);
    notEqual(summary.dataset.digest, without.dataset.digest);
    const tests = [
      {
        table: 'jailbreaks',
        file: 'jailbreaks.jsonl',
        line: 1,
        test: { kind, refuses: true, questions: [{ prompt: 'Be Max.' }] },
      },
      {
        table: 'same',
        file: 'same.jsonl',
        line: 1,
        test: { kind: 'invariance', refusal: true, questions: [{ prompt: 'a' }, { prompt: 'b' }] },
      },
    ];
    deepEqual(await loadBehaviour(services.store, summary.dataset), tests);
    const rows = { train: { most: 9 }, validation: { most: 3 }, test: { most: 3 } };
    const part = await runStep(subsetData, { dataset: summary.dataset, rows, seed: 1 }, services);
    deepEqual(await loadBehaviour(services.store, part.dataset), tests);
  });

  it('are redacted, or dropped, as the data are', async () => {
    const leaks = {
      leaks: {
        kind,
        rows: [
          {
            messages: [
              { role: 'system', content: 'Jo has jo@example.org.' },
              { role: 'user', content: 'Where do I write to?' },
            ],
            saysNot: ['mail'],
            facts: ['Ann has ann@example.org.'],
          },
          { prompt: 'hello', saysNot: ['x'] },
        ],
      },
    };
    const [redacted] = await testsOf(leaks, 'redact');
    const text = JSON.stringify(redacted);
    equal(text.includes('example.org'), false);
    match(text, /Jo has <EMAIL_\d>/);
    match(text, /Ann has <EMAIL_\d>/);
    deepEqual(
      (await testsOf(leaks, 'drop')).map(({ line }) => line),
      [2],
    );
  });

  it('are refused where a phrase would be redacted: an answer that has what it says would not be seen', async () => {
    const asked = { prompt: 'Where do I write to?' };
    const rows = [
      { ...asked, saysNot: ['mail', 'ann.smith@example.org'] },
      { ...asked, says: ['ann.smith@example.org'] },
      { ...asked, saysOneOf: ['ann.smith@example.org', 'nobody'] },
      { ...asked, saysNot: ['mail'] },
    ];
    const same = [{ ...asked, other: 'And who reads it?', phrases: ['ann.smith@example.org'] }];
    const told = async (tables: Parameters<typeof prepared>[0]) =>
      (await refusal(prepared(tables, 'redact'))).message.match(/\S+ \S+ has personal data, which are redacted/g);
    const has = 'has personal data, which are redacted';
    deepEqual(await told({ leaks: { kind, rows } }), [
      `leaks.jsonl:1: saysNot[1] ${has}`,
      `leaks.jsonl:2: says[0] ${has}`,
      `leaks.jsonl:3: saysOneOf[0] ${has}`,
    ]);
    deepEqual(await told({ same: { kind: 'invariance', rows: same } }), [`same.jsonl:1: phrases[0] ${has}`]);
    equal((await testsOf({ leaks: { kind, rows } })).length, 4);
    deepEqual(
      (await testsOf({ leaks: { kind, rows } }, 'drop')).map(({ line }) => line),
      [4],
    );
  });

  it('are refused without the personal data of what is wrong with them: the message stays in a history', async () => {
    const mail = 'ann.smith@example.org';
    const bad = [
      { prompt: 'a', says: [mail], saysNot: [mail] },
      { prompt: 'a', refuses: true, [mail]: 1 },
      { prompt: 'a', keeps: [mail] },
      { messages: [{ role: 'user', content: 'a', [mail]: 1 }], refuses: true },
    ];
    const { message } = await refusal(prepared({ bad: { kind, rows: bad } }));
    match(message, /bad\.jsonl:1: saysNot\[0\] stands in says, too: no answer can do both/);
    match(message, /bad\.jsonl:2: '[^']*' is no field of such a test/);
    match(message, /bad\.jsonl:3: keeps has '[^']*', which is the id of no check/);
    match(message, /bad\.jsonl:4: messages\[0\]\.'[^']*' is not read/);
    doesNotMatch(message, /smith|example\.org/);
  });

  it('are refused where what is left of a redacted test could not fail', async () => {
    const moved = {
      moved: { kind: 'invariance' as const, rows: [{ prompt: 'ask jo@x.org', other: 'ask Jo@X.org', refusal: true }] },
    };
    equal((await testsOf(moved)).length, 1);
    match(
      (await refusal(prepared(moved, 'redact'))).message,
      /moved\.jsonl:1: other is, where personal data are redacted/,
    );
    const mail = { mail: { kind, rows: [{ prompt: 'is it jo@example.com?', keeps: ['mail'] }] } };
    equal((await testsOf(mail)).length, 1);
    match(
      (await refusal(prepared(mail, 'redact'))).message,
      /mail\.jsonl:1: keeps has 'mail', which is not about this prompt/,
    );
  });

  it('are refused by file, line and field, those from elsewhere too: nothing is answered before', async () => {
    const {
      kind: error,
      message,
      where,
    } = await refusal(
      prepared({
        bad: {
          kind,
          rows: [
            { prompt: 'a', refuses: true },
            { prompt: 'a', keeps: ['brief'] },
            { prompt: 'a', saynot: 7 },
          ],
        },
      }),
    );
    equal(error, 'BadData');
    match(message, /^the behaviour tests of 'bad' cannot be asked:/);
    match(message, /bad\.jsonl:2: keeps has 'brief', which is the id of no check of the guidelines/);
    match(message, /bad\.jsonl:3: 'saynot' is no field of such a test/);
    equal(where, 'bad.jsonl:2');
  });
});
