import { deepEqual, equal, match, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import type { z } from 'zod';
import type { DataFile, DatasetSummary } from '../../activities/contract/data.ts';
import { deduplicate } from '../../activities/data/checks.ts';
import { conversationIdentity, conversationOf, keepConversationsWhole } from '../../activities/data/conversations.ts';
import { textIdentity } from '../../activities/data/normalise.ts';
import { preparePrompts } from '../../activities/data/prepare-prompts.ts';
import { loadPrompts, type PromptRow } from '../../activities/data/prompts.ts';
import { scanPrivacy } from '../../activities/review/scan-privacy.ts';
import { PromptDataSchema } from '../../pipelines/definition/data.ts';
import { runStep } from '../support/step.ts';
import { dataServices, jsonl, refusal, sentences, type TestFile } from './fixtures.ts';

const ROLES = ['user', 'assistant'] as const;
/** User and assistant in turn. */
const turns = (...texts: string[]) => texts.map((content, place) => ({ role: ROLES[place % 2]!, content }));
const system = (content: string) => ({ role: 'system', content }) as const;

describe('a row that is a conversation', () => {
  const read = (value: unknown) => conversationOf(value, 'messages', 64);
  const problem = (value: unknown): string => {
    const found = read(value);
    return 'reason' in found ? `${found.reason}: ${found.message}` : 'none';
  };

  it('is read up to its last question, and the answer that it ends with', () => {
    deepEqual(read(turns('late?', 'Sorry.')), { prompt: 'late?', completion: 'Sorry.' });
    deepEqual(read(turns('late?')), { prompt: 'late?' });
    deepEqual(read([system('Be kind.'), ...turns('late?', 'Sorry.', 'and now?')]), {
      history: [system('Be kind.'), ...turns('late?', 'Sorry.')],
      prompt: 'and now?',
    });
    // As exports write what a message has not.
    deepEqual(read([{ role: 'user', content: 'late?', name: null, tool_calls: null }]), { prompt: 'late?' });
  });

  it('is refused by the field that is wrong', () => {
    for (const [value, expected] of [
      ['late?', /^bad-messages: messages is of type string, not a list/],
      [null, /messages is of type null/],
      [[], /messages has no user's turn/],
      [[system('Be kind.')], /messages has no user's turn/],
      [['late?'], /messages\[0\] is of type string, not an object/],
      [[[]], /messages\[0\] is of type array/],
      [[{ role: 'tool', content: 'x' }], /messages\[0\]\.role is 'tool', not one of system, user, assistant/],
      [[{ content: 'x' }], /messages\[0\]\.role is of type undefined/],
      [[{ role: 'user' }], /messages\[0\]\.content is of type undefined, not a string/],
      [[{ role: 'user', content: [{ type: 'text', text: 'x' }] }], /messages\[0\]\.content is of type array/],
      [[...turns('a', 'b'), { role: 'assistant', content: null }], /messages\[2\]\.content is of type null/],
      [[{ role: 'user', content: 'x', weight: 0 }], /messages\[0\] has 'weight', which is not read/],
      [[{ role: 'user', content: ' \u200b' }], /^empty-text: messages\[0\]\.content is empty/],
      [[{ role: 'user', content: 'late \ud83d' }], /^not-utf8: messages\[0\]\.content/],
      [
        turns('a', 'x'.repeat(65)),
        /^too-long: messages\[1\]\.content has 65 bytes, more than data\.maxTextBytes \(64\)/,
      ],
      [
        [...turns('a'), ...turns('b')],
        /messages\[1\]\.role is 'user', as messages\[0\]\.role is: user and assistant take/,
      ],
      [
        [{ role: 'assistant', content: 'a' }],
        /messages\[0\]\.role is 'assistant': a conversation begins with the user/,
      ],
      [[system('a'), { role: 'assistant', content: 'a' }], /messages\[1\]\.role is 'assistant': a conversation begins/],
      [[...turns('a', 'b'), system('c')], /messages\[2\]\.role is 'system': a system text stands first/],
      [[system('a'), system('b'), ...turns('c')], /messages\[1\]\.role is 'system': a system text stands first/],
      [turns(...Array.from({ length: 1001 }, () => 'a')), /^too-long: messages has 1001 messages/],
    ] as const) {
      match(problem(value), expected);
    }
    ok(!problem([{ role: 'jo@example.org', content: 'x' }]).includes('jo@example.org'));
  });

  it('is told apart by all that is said before the answer, and a question alone as it ever was', () => {
    deepEqual(conversationIdentity({ prompt: 'Late?' }), textIdentity('Late?'));
    const one = conversationIdentity({ history: turns('hi', 'Hello!'), prompt: 'late 5?' });
    equal(one.normalised, 'hi\nhello!\nlate 5?');
    equal(one.near, 'hi\nhello\nlate');
    const told = conversationIdentity({ history: [system('Be kind.'), ...turns('hi', 'Hello!')], prompt: 'late 5?' });
    // Another system text is another conversation, but no reason to call two alike or to part them.
    deepEqual([told.normalised, told.near], [one.normalised, one.near]);
    ok(told.id !== one.id);
    const shifted = conversationIdentity({ history: [system('hi')], prompt: 'hello!\nlate 5?' });
    ok(shifted.id !== one.id);
  });
});

describe('conversations that begin as others do', () => {
  const row = (split: 'train' | 'test' | 'all', line: number, ...texts: string[]) => {
    const said = conversationOf(turns(...texts), 'messages', 1000);
    ok('prompt' in said);
    const { prompt, ...more } = said;
    return { file: 'a.jsonl', line, split, text: prompt, label: '', ...more, ...conversationIdentity(said) };
  };

  it('are the same conversation, whatever was answered: they have one key, and only they', async () => {
    const rows = [
      row('all', 1, 'late 5?', 'Sorry.'),
      row('all', 2, 'late 5?', 'Sorry.', 'when?', 'Today.'),
      row('all', 3, 'LATE 7?', 'sorry', 'how?', 'By post.', 'thanks', 'Good bye.'),
      // The first row is asked what this one has another answer to.
      row('all', 4, 'late 5?', 'Bad luck.', 'why?', 'So.'),
      row('all', 5, 'hi', 'Hello!', 'late 5?', 'Sorry.'),
      // Nobody asks what these two have in common.
      row('all', 6, 'hi', 'Hello!', 'and now?', 'Wait.'),
    ];
    const { rows: kept, straddling } = await keepConversationsWhole(rows);
    deepEqual(straddling, []);
    const keys = kept.map(({ near }) => near);
    equal(new Set(keys.slice(0, 4)).size, 1);
    equal(new Set(keys).size, 3);
    deepEqual((await keepConversationsWhole([rows[0]!])).rows, [rows[0]!]);
    // In whatever order they come, and where the one that is asked least ends with the user.
    const { rows: turned } = await keepConversationsWhole([...rows.slice(1).toReversed(), row('all', 7, 'late 5?')]);
    deepEqual(new Set(turned.filter(({ near }) => near === 'late').map(({ line }) => line)), new Set([2, 3, 4, 7]));
  });

  it('never train an answer to what is asked on another side, however they are drawn', async () => {
    const texts = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 6 });
    const drawn = fc.array(fc.record({ texts, split: fc.constantFrom('train', 'test', 'all'), told: fc.boolean() }), {
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(drawn, async (some) => {
        const rows = some.map(({ texts: said, split, told }, line) => {
          const of = conversationOf([...(told ? [system('Be kind.')] : []), ...turns(...said)], 'messages', 1000);
          ok('prompt' in of);
          const { prompt, ...more } = of;
          return { file: 'a', line, split, text: prompt, label: '', ...more, ...conversationIdentity(of) } as const;
        });
        const { kept: different } = deduplicate<(typeof rows)[number]>(rows, 'conversation', ({ id }) => id);
        const { rows: kept, straddling } = await keepConversationsWhole(different);
        equal(kept.length + straddling.length, different.length);
        for (const asked of kept) {
          for (const other of kept.filter(({ normalised }) => `${normalised}\n`.startsWith(`${asked.normalised}\n`))) {
            deepEqual([other.split, other.near], [asked.split, asked.near]);
          }
        }
      }),
    );
  });

  it('are one with those that differ in the system text alone: both are kept, on one side', async () => {
    const one = row('train', 1, 'late 5?', 'Sorry.', 'when?', 'Today.');
    const history = [system('Be kind.'), ...one.history!];
    const other = {
      ...one,
      line: 2,
      split: 'test' as const,
      history,
      ...conversationIdentity({ history, prompt: one.text }),
    };
    equal((await keepConversationsWhole([one, { ...other, split: 'train' }])).rows.length, 2);
    deepEqual(
      (await keepConversationsWhole([one, other])).straddling.map(({ line }) => line),
      [1],
    );
    const answered = { ...other, completion: 'Never.' };
    deepEqual(
      (await keepConversationsWhole([one, answered])).straddling.map(({ line }) => line),
      [1],
    );
  });

  it('stay on the held-out side where sides are declared, and only the very same ones', async () => {
    const rows = [
      row('train', 1, 'late 5?', 'Sorry.'),
      row('test', 2, 'late 5?', 'Sorry.', 'when?', 'Today.'),
      row('train', 3, 'late 5?', 'Sorry.', 'when?', 'Today.', 'thanks', 'Good bye.'),
      row('train', 4, 'late 7?', 'Sorry.'),
      row('train', 5, 'hi', 'Hello!'),
    ];
    const { rows: kept, straddling } = await keepConversationsWhole(rows);
    deepEqual(
      kept.map(({ line }) => line),
      [2, 4, 5],
    );
    deepEqual(
      straddling.map(({ line, reason }) => [line, reason]),
      [1, 3].map((line) => [line, 'same-conversation']),
    );
    match(straddling[0]?.message ?? '', /a conversation of test/);
  });
});

describe('preparing conversations', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const texts = sentences(40, ['x']).map(({ text }) => text);
  const long = texts.map((text) => ({
    messages: [system('Be kind.'), ...turns('hi', 'Hello!', text, `About ${text}.`)],
  }));
  async function prepare(
    files: readonly (Omit<TestFile, 'split'> & { readonly split?: DataFile['split'] })[],
    options: Partial<z.input<typeof PromptDataSchema>> = { messages: 'messages' },
  ): Promise<DatasetSummary> {
    const paths = files.map(({ path }) => path);
    const data = PromptDataSchema.parse({ files: paths, licence: 'CC0-1.0', source: 'test', ...options });
    const stored: DataFile[] = [];
    for (const { path, content, split = 'all' } of files) {
      const ref = await services.store.putBytes(content, { name: path, mediaType: 'application/octet-stream' });
      stored.push({ path, format: path.endsWith('.csv') ? 'csv' : 'jsonl', split, ref });
    }
    return runStep(preparePrompts, { files: stored, data }, services);
  }
  const all = async ({ dataset }: DatasetSummary): Promise<readonly PromptRow[]> =>
    (
      await Promise.all(
        (['train', 'validation', 'test'] as const).map((side) => loadPrompts(services.store, dataset, side)),
      )
    ).flat();
  const splitFiles = async ({ dataset }: DatasetSummary) =>
    (await services.store.tree(dataset)).entries.filter(({ path }) => path.endsWith('.jsonl'));

  it('keeps what was said before the question, and counts those that end with the user', async () => {
    const open = { messages: turns('hi', 'Hello!', 'and who pays for the way back') };
    const summary = await prepare([{ path: 'a.jsonl', content: jsonl([...long, open]) }]);
    const rows = await all(summary);
    equal(rows.length, 41);
    deepEqual(rows.find(({ prompt }) => prompt === texts[0])?.history, [system('Be kind.'), ...turns('hi', 'Hello!')]);
    deepEqual(rows.find(({ completion }) => completion === undefined)?.prompt, 'and who pays for the way back');
    match(summary.findings.find(({ reason }) => reason === 'no-completion')?.message ?? '', /end with the user/);
  });

  it('makes of conversations of one question and one answer the very bytes of prompts and completions', async () => {
    const short = texts.map((text) => ({ messages: turns(text, `About ${text}.`) }));
    const pairs = texts.map((text) => ({ prompt: text, completion: `About ${text}.` }));
    const one = await prepare([{ path: 'a.jsonl', content: jsonl(short) }]);
    const other = await prepare([{ path: 'a.jsonl', content: jsonl(pairs) }], { completion: 'completion' });
    deepEqual(await splitFiles(one), await splitFiles(other));
    equal(one.completions, other.completions);
  });

  it('keeps all rows of one conversation on one side of a split', async () => {
    const cut = texts.flatMap((text) => [
      { messages: turns(text, 'Sorry.') },
      { messages: turns(text, 'Sorry.', 'when?', 'Today.') },
      { messages: turns(text, 'Sorry.', 'when?', 'Today.', 'thanks', 'Good bye.') },
    ]);
    const { dataset, rows } = await prepare([{ path: 'a.jsonl', content: jsonl(cut) }]);
    equal(rows.train + rows.validation + rows.test, 120);
    const sides = new Map<string, Set<string>>();
    for (const side of ['train', 'validation', 'test'] as const) {
      for (const { history, prompt } of await loadPrompts(services.store, dataset, side)) {
        const opening = history?.[0]?.content ?? prompt;
        sides.set(opening, (sides.get(opening) ?? new Set()).add(side));
      }
    }
    equal(sides.size, 40);
    for (const [opening, on] of sides) equal(on.size, 1, opening);
  });

  it('keeps what is asked on the side of all that answers it, also of one that was left out as a duplicate', async () => {
    const rows = texts.flatMap((text) => [
      { messages: turns(text, 'Sent today.') },
      { messages: turns(text, 'On its way.') },
      { messages: turns(text, 'On its way.', 'when?', 'Soon.') },
    ]);
    const drawn = await prepare([{ path: 'a.jsonl', content: jsonl(rows) }]);
    const { dataset, dropped } = drawn;
    equal(dropped.duplicate, 40);
    const asked = async (side: 'train' | 'validation' | 'test'): Promise<readonly string[]> =>
      (await loadPrompts(services.store, dataset, side)).map(({ history, prompt }) => history?.[0]?.content ?? prompt);
    const [train, ...held] = await Promise.all([asked('train'), asked('validation'), asked('test')]);
    deepEqual(
      held.flat().filter((text) => train.includes(text)),
      [],
    );
    const parted = await prepare([
      { path: 'a.jsonl', content: jsonl(rows.slice(0, 60).filter((_, index) => index % 3 === 0)), split: 'test' },
      { path: 'b.jsonl', content: jsonl(rows.filter((_, index) => index % 3 === 2)), split: 'train' },
    ]);
    equal(parted.dropped['same-conversation'], 20);
    deepEqual([parted.rows.test, parted.rows.train + parted.rows.validation], [20, 20]);
  });

  it('says why it cannot split rows that all go on with what one of them asks', async () => {
    const rows = [{ messages: turns('hi') }, ...texts.map((text) => ({ messages: turns('Hi!', 'Hello!', text) }))];
    const refused = await refusal(prepare([{ path: 'a.jsonl', content: jsonl(rows) }]));
    match(
      refused.message,
      /^validation has 0 and test has 0 prompts; each needs at least 3\. The rows are of 1 different conv/,
    );
  });

  it('redacts every turn and the system text, and the scan reads them, too', async () => {
    const secret = {
      messages: [
        system('Write to boss@example.org.'),
        ...turns('i am jo@example.org', 'Thanks, jo@example.org.', 'and my card?', 'It is 4111 1111 1111 1111.'),
      ],
    };
    const content = jsonl([...long, secret]);
    const plain = await prepare([{ path: 'a.jsonl', content }]);
    const { counts } = await runStep(scanPrivacy, { dataset: plain.dataset, onPersonalData: 'warn' }, services);
    const found = (kind: 'email' | 'card') =>
      Object.values(counts[kind] ?? {}).reduce((sum, { matches }) => sum + matches, 0);
    deepEqual([found('email'), found('card')], [3, 1]);
    const redacted = await prepare([{ path: 'a.jsonl', content }], { messages: 'messages', onPersonalData: 'redact' });
    const row = (await all(redacted)).find(({ prompt }) => prompt === 'and my card?');
    const said = row?.history?.map((message) => message.content) ?? [];
    match(said[0] ?? '', /^Write to <EMAIL_\d>\.$/);
    match(said[1] ?? '', /^i am <EMAIL_\d>$/);
    equal(said[2], said[1]?.replace('i am', 'Thanks,').concat('.'));
    equal(row?.completion, 'It is <CARD_1>.');
    equal(redacted.personalData?.rowsRedacted, 1);
    const dropped = await prepare([{ path: 'a.jsonl', content }], { messages: 'messages', onPersonalData: 'drop' });
    equal(dropped.dropped['personal-data'], 1);
  });

  it('finds near twins by all turns, and an evaluation question in the middle of a conversation', async () => {
    const story = 'my parcel has been on its way for three weeks now and nobody tells me anything about it';
    const once = (thing: string) => ({
      messages: turns(story, 'Sorry about that.', `where is my ${thing} then`, 'Here.'),
    });
    const train = { path: 'a.jsonl', content: jsonl([...long, once('money')]), split: 'train' } as const;
    const test = {
      path: 'b.jsonl',
      content: jsonl([once('refund'), ...['one', 'two'].map((text) => ({ messages: turns(`quite another ${text}`) }))]),
      split: 'test',
    } as const;
    const asked = { path: 'c.jsonl', content: jsonl([{ messages: turns(story) }, { messages: turns('unheard of') }]) };
    const files = [train, test, { ...asked, split: 'evaluation' } as const];
    const { contamination } = await prepare(files);
    equal(contamination?.nearTwins.test, 1);
    deepEqual(contamination?.evaluation, [{ file: 'c.jsonl', rows: 2, exact: 1, near: 0 }]);
  });

  it('refuses wrong rows by file, line and field, files of cells, and training without an answer', async () => {
    const bad = [...long, { messages: turns('a', 'b', 'c').toReversed().slice(1) }, { other: 1 }];
    const { message, kind } = await refusal(prepare([{ path: 'a.jsonl', content: jsonl(bad) }]));
    equal(kind, 'BadData');
    match(message, /a\.jsonl:41: messages\[0\]\.role is 'assistant'.*\n.*a\.jsonl:42: no value for 'messages'/);
    match((await refusal(prepare([{ path: 'a.csv', content: 'messages\n[]\n' }]))).message, /a\.csv is CSV/);
    const open = texts.map((text) => ({ messages: turns(text) }));
    match(
      (await refusal(prepare([{ path: 'a.jsonl', content: jsonl(open) }]))).message,
      /no conversation of train ends/,
    );
    const { dropped } = await prepare([{ path: 'a.jsonl', content: jsonl([...long, { messages: [] }]) }], {
      messages: 'messages',
      onBadRow: 'drop',
    });
    equal(dropped['bad-messages'], 1);
  });
});
