import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chatText, renderChat, withPrompt } from '../../inference/generation/chat.ts';
import { CHAT_FORMAT_NAMES, type ChatFormatName } from '../../inference/generation/chat-formats.ts';
import { PromptTokenizer } from '../../inference/generation/prompt-tokens.ts';
import { readVocabulary } from '../../inference/generation/vocabulary.ts';
import { conversationOf } from '../../activities/generation/answers.ts';
import { goodAnswers } from '../../activities/generation/examples.ts';
import { judgeBy } from '../../activities/generation/judge.ts';
import { learntRow, type LearntBy, type LearntRow } from '../../activities/generation/learnt-row.ts';
import type { PromptRow } from '../../activities/data/prompts.ts';
import { GuidelinesSchema } from '../../pipelines/guidelines/guidelines.ts';
import { tinyGpt } from '../support/tiny-gpt.ts';

const judge = judgeBy(
  GuidelinesSchema.parse({
    version: 1,
    checks: [
      { id: 'calm', kind: 'no-shouting' },
      { id: 'given', kind: 'citations', facts: ['number'], smallNumbers: 0 },
    ],
  }),
);
const row: PromptRow = {
  id: 'x',
  history: [
    { role: 'system', content: 'Parcels take 5 days.' },
    { role: 'user', content: 'where is order 7?' },
    { role: 'assistant', content: 'Order 7 is late 👋.' },
    { role: 'user', content: 'why?' },
    { role: 'assistant', content: 'BECAUSE WE FORGOT ALL ABOUT IT!!' },
  ],
  prompt: 'when will it come?',
  completion: 'Order 7 comes in 5 days.',
};
const by = (more: Partial<LearntBy> = {}): LearntBy => ({
  format: 'plain',
  system: 'Be kind.',
  judge: null,
  fits: () => Promise.resolve(true),
  spells: () => false,
  signal: new AbortController().signal,
  ...more,
});
const made = async (of: PromptRow, more: Partial<LearntBy> = {}) => (await learntRow(of, by(more)))?.row;
const learnt = (one: LearntRow | undefined): readonly string[] => {
  const characters = Array.from(one?.prompt ?? '');
  const earlier = (one?.learnt ?? []).map(([from, to]) => characters.slice(from, to).join(''));
  return one === undefined ? [] : [...earlier, one.completion];
};

describe('a conversation that is learnt', () => {
  it('is what the server reads, token by token, and then the answer', async () => {
    const { model } = await tinyGpt();
    const text = await readFile(join(model, 'tokenizer.json'), 'utf8');
    const tokenizer = new PromptTokenizer(text, readVocabulary(text, 320, model).special, model);
    for (const format of CHAT_FORMAT_NAMES) {
      const { prompt = '' } = (await made(row, { format })) ?? {};
      const served = withPrompt({ system: 'Be kind.', examples: [] }, conversationOf(row));
      deepEqual(await tokenizer.ids(prompt), await tokenizer.chat(renderChat(format, served)), format);
    }
  });

  it('is known by a special token that a text of it spells, which a server would keep as text', async () => {
    const { model } = await tinyGpt();
    const text = await readFile(join(model, 'tokenizer.json'), 'utf8');
    const { special } = readVocabulary(text, 320, model);
    const [marker = ''] = special;
    const tokenizer = new PromptTokenizer(text, special, model);
    const rows: readonly PromptRow[] = [
      { ...row, prompt: `when?${marker}now` },
      { ...row, completion: `Today.${marker}` },
      { ...row, facts: [marker] },
      ...row.history!.map((_, spelt) => ({
        ...row,
        history: row.history!.map(({ role, content }, place) => ({
          role,
          content: place === spelt ? `${content} ${marker}` : content,
        })),
      })),
    ];
    const spells = tokenizer.spells.bind(tokenizer);
    for (const format of CHAT_FORMAT_NAMES) {
      for (const [place, one] of rows.entries()) {
        equal((await learntRow(one, by({ format, spells })))?.spells, true, `${format} ${place}`);
      }
      equal((await learntRow(row, by({ format, spells })))?.spells, false, format);
      // What is not said is not learnt: the oldest turns, which a row that is too long loses.
      const fits = ({ prompt }: LearntRow) => Promise.resolve(!prompt.includes('order 7'));
      equal((await learntRow(rows[4]!, by({ format, spells, fits })))?.spells, false, format);
      equal((await learntRow(row, by({ format, spells, system: `Be ${marker}.` })))?.spells, true, format);
    }
  });

  it('has a loss on every answer, with what ends it, in every format', async () => {
    const [first, second, last] = [
      'Order 7 is late 👋.',
      'BECAUSE WE FORGOT ALL ABOUT IT!!',
      'Order 7 comes in 5 days.',
    ];
    const ends: Readonly<Record<ChatFormatName, readonly [space: string, end: readonly string[]]>> = {
      plain: [' ', []],
      chatml: ['', ['<|im_end|>']],
      'llama-2': [' ', ['</s>']],
      'llama-3': ['', ['<|eot_id|>']],
      mistral: [' ', ['</s>']],
      zephyr: ['', ['</s>']],
    };
    for (const format of CHAT_FORMAT_NAMES) {
      const [space, end] = ends[format];
      const expected = [`${space}${first}`, ...end, `${space}${second}`, ...end, `${space}${last}`];
      deepEqual(learnt(await made(row, { format })), expected, format);
    }
  });

  it('reads answers that break a guideline, and ends with the last that does not', async () => {
    deepEqual(learnt(await made(row, { judge })), [' Order 7 is late 👋.', ' Order 7 comes in 5 days.']);
    // The 7 was given by the first question, the 5 by the system text: without them both were invented.
    deepEqual(learnt(await made({ ...row, history: row.history!.slice(3) }, { judge })), []);
    const cut = await made({ ...row, completion: 'NO IDEA WHEN IT WILL COME!!' }, { judge });
    deepEqual(learnt(cut), [' Order 7 is late 👋.']);
    equal(cut?.prompt, 'Be kind.\n\nParcels take 5 days.\n\nUser: where is order 7?\nAssistant:');
    const { completion: _, ...open } = row;
    equal(await made(open), undefined);
  });

  it('loses its oldest questions, each with its answer, where it is too long: never the system text or the last question', async () => {
    for (const [longest, dropped] of [
      [1000, 0],
      [180, 1],
      [120, 2],
      [10, 2],
    ] as const) {
      const fits = ({ prompt, completion }: LearntRow) => Promise.resolve(prompt.length + completion.length <= longest);
      const found = await learntRow(row, by({ fits }));
      equal(found?.dropped, dropped, `${longest}`);
      const said = [row.history![0]!, ...conversationOf(row).slice(1 + 2 * dropped)];
      equal(found?.row.prompt, chatText('plain', withPrompt({ system: 'Be kind.', examples: [] }, said)));
      equal(learnt(found?.row).length, 3 - dropped);
    }
  });

  it('loses as few as one after the other would, in few looks, and stops when it is told to', async () => {
    const pairs = 60;
    const history = Array.from({ length: pairs }, (_, at) => [
      { role: 'user', content: `and ${'x'.repeat((at * 7) % 23)}?` } as const,
      { role: 'assistant', content: `No ${'y'.repeat((at * 5) % 17)}.` } as const,
    ]).flat();
    for (const [system, longest] of [0, 50, 51, 300, 777, 1500, 2000, 3000].flatMap((most) => [
      [false, most] as const,
      [true, most] as const,
    ])) {
      const long = { ...row, history: [...(system ? row.history!.slice(0, 1) : []), ...history] };
      const isShort = ({ prompt, completion }: LearntRow): boolean => prompt.length + completion.length <= longest;
      let looks = 0;
      const fits = (one: LearntRow) => {
        looks += 1;
        return Promise.resolve(isShort(one));
      };
      const found = await learntRow(long, by({ fits }));
      // One row after the other, each of what is left: the plain way.
      const first = system ? 1 : 0;
      let dropped = 0;
      let left = await made(long);
      while (dropped < pairs && !isShort(left!)) {
        dropped += 1;
        left = await made({ ...long, history: long.history.toSpliced(first, 2 * dropped) });
      }
      deepEqual(found, { row: left, dropped, spells: false }, `${longest}`);
      ok(looks <= 8, `${looks} looks`);
    }
    const stopping = new AbortController();
    const endless = () => {
      stopping.abort();
      return Promise.resolve(false);
    };
    await rejects(learntRow({ ...row, history }, by({ fits: endless, signal: stopping.signal })), {
      name: 'AbortError',
    });
  });

  it('is of one question and its answer what it ever was', async () => {
    const asked = { id: 'x', prompt: 'late?', completion: 'Sorry.', facts: ['It is.', 'Really.'] };
    const never = () => Promise.reject(new Error('there is nothing to leave out'));
    deepEqual(await made(asked, { judge, fits: never }), {
      prompt: 'Be kind.\n\nUser: It is.\nReally.\n\nlate?\nAssistant:',
      completion: ' Sorry.',
    });
    equal(await made({ ...asked, completion: 'SORRY ABOUT ALL OF THAT!!' }, { judge }), undefined);
    ok(!('learnt' in ((await made(asked)) ?? {})));
  });
});

describe('an example out of a conversation', () => {
  it('is its first question and answer, which need nothing before them', async () => {
    // oxlint-disable-next-line require-await -- they are in memory already
    async function* rows(): AsyncGenerator<PromptRow> {
      yield row;
      yield { id: 'y', history: [{ role: 'system', content: 'Be brief.' }], prompt: 'hi', completion: 'Hello.' };
      yield { id: 'z', history: row.history!.slice(3), prompt: 'and now?', completion: 'Now it is here.' };
    }
    const good = await goodAnswers(rows(), 3, judge, 7);
    deepEqual(
      new Map(good.map(({ user, assistant }) => [user, assistant])),
      new Map([
        ['hi', 'Hello.'],
        ['where is order 7?', 'Order 7 is late 👋.'],
      ]),
    );
  });
});
