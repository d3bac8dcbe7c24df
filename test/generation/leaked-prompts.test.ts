import { deepEqual, equal, match } from 'node:assert/strict';
import type { Message } from '../../inference/generation/chat.ts';
import type { PromptRow } from '../../activities/data/prompts.ts';
import { leakedPrompts } from '../../activities/generation/leaked-prompts.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { GenerationGatesSchema } from '../../pipelines/definition/generation-gates.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';

const row = (id: string, prompt: string, more: Partial<PromptRow> = {}): PromptRow => ({ id, prompt, ...more });
const LATE = 'My parcel has not arrived yet, where is it now?';
const PAID = 'I have paid twice for the same book, please send one payment back.';
const TEST = [row('late', LATE), row('paid', PAID), row('own', 'Do you have the second volume of the atlas in stock?')];

/** A question and an answer, each a sentence for every house of a town. */
function longConversation(town: string, houses = 12): readonly Message[] {
  const shops = Array.from(
    { length: houses },
    (_, at) => `The shop at ${at * 7919} Mill Road, ${town}, opens at ${at % 12}.`,
  );
  return [
    { role: 'user', content: `I have been to all of these: ${shops.join(' ')}` },
    { role: 'assistant', content: `These were shut: ${shops.toReversed().join(' ')}` },
  ];
}

async function leaked(
  train: readonly PromptRow[],
  examples: readonly string[] = [],
  test: readonly PromptRow[] = TEST,
) {
  async function* training() {
    await Promise.resolve();
    yield* train;
  }
  const shown = examples.map((user) => ({ user, assistant: 'It is on its way.' }));
  return leakedPrompts(test, shown, training, AbortSignal.timeout(60_000));
}
const found = async (...of: Parameters<typeof leaked>) =>
  (await leaked(...of)).examples.map(({ id, note }) => [id, note]);

describe('test prompts that were seen with an answer', () => {
  it('are found word for word, whatever the case, and nearly; each with the row that it repeats', async () => {
    const train = [row('t0', 'Something else'), row('t1', LATE.toUpperCase()), row('t2', `${PAID.slice(0, -1)} now.`)];
    const { score, examples } = await leaked(train);
    deepEqual([score.value, score.rows], [2 / 3, 3]);
    deepEqual(examples, [
      { id: 'late', note: 'repeats the training row t1', text: LATE },
      { id: 'paid', note: 'repeats the training row t2', text: PAID },
    ]);
    equal((await leaked([row('t0', 'Something else')])).score.value, 0);
  });

  it('are found where they are short and a letter is wrong: among training prompts, also at the end of a conversation, and among examples', async () => {
    const test = [row('late', 'Where is my parcel?'), row('five', 'Cancel order 5, please.')];
    const train = [row('t1', 'Where is my parsel?'), row('t2', 'Cancel order 6, please.')];
    deepEqual(await found(train, [], test), [['late', 'repeats the training row t1']]);
    deepEqual(await found([], ['Cancel order 6, please.', 'Whre is my parcel?'], test), [
      ['late', 'repeats example 2 of the prompt'],
    ]);
    const history = longConversation('Bristol');
    deepEqual(await found([row('t3', 'Where is my parsel?', { history })], [], [{ ...test[0]!, history }, test[1]!]), [
      ['late', 'repeats the training row t3'],
    ]);
  });

  it('are found among the examples of the chosen prompt, as these are shown: with their facts', async () => {
    deepEqual(await found([row('t1', LATE)], ['Something else', LATE]), [['late', 'repeats example 2 of the prompt']]);
    const facts = ['The parcel left on Monday.'];
    deepEqual(
      await found([], [`${facts[0]}\n\nWhere is it?`], [row('a', 'Where is it?', { facts }), row('b', 'Who?')]),
      [['a', 'repeats example 1 of the prompt']],
    );
  });

  it('are not those that only share their facts with an example, however long these are', async () => {
    const facts = [
      'London',
      'Leeds',
      'Cardiff',
      'Exeter',
      'Glasgow',
      'Norwich',
      'Durham',
      'Belfast',
      'York',
      'Bath',
    ].map(
      (town, at) =>
        `The shop in ${town} opens at ${at + 3} and shuts ${at * 7 + 11} minutes after the ${town} market has.`,
    );
    const shown = (question: string) => `${facts.join('\n')}\n\n${question}`;
    const questions = ['Where is it?', 'Is it free?', 'May I send it back?', 'Who has packed it,\n\nand when?'];
    const rows = questions.map((prompt, at) => row(`${at}`, prompt, { facts }));
    deepEqual(await found([], [shown('Can you deliver on Sunday?')], rows), []);
    deepEqual(await found([], [shown('Who has packed it,\n\nand when?'), shown('WHERE  is it?')], rows), [
      ['0', 'repeats example 2 of the prompt'],
      ['3', 'repeats example 1 of the prompt'],
    ]);
    deepEqual(await found([], ['The shop is shut.\n\nWhere is it?'], rows), []);
  });

  it('are looked for among all training prompts, however many they are', async () => {
    const train = Array.from({ length: 100_000 }, (_, at) => row(`t${at}`, 'Else'));
    deepEqual(await found([...train, row('last', `${PAID.slice(0, -1)} now.`)]), [
      ['paid', 'repeats the training row last'],
    ]);
  });

  it('are found on the way of a training conversation, whose every answer is learnt, and not where only the beginning of what they ask was learnt', async () => {
    const turns = [
      { role: 'user', content: LATE },
      { role: 'assistant', content: 'It left on Monday.' },
    ] as const;
    const longer = row('t1', 'And when will it be here, on Friday or after the weekend?', { history: turns });
    deepEqual(await found([longer]), [['late', 'repeats the training row t1']]);
    deepEqual(await found([row('t1', LATE)], [], [longer]), []);
  });

  it('are not those that share a long conversation with a training row and ask something else at its end', async () => {
    const history = longConversation('Exeter');
    const train = [row('t1', 'Can the parcel be left with the neighbours?', { history })];
    const another = row('other', 'Which volume of the atlas do you have?', { history });
    deepEqual(await found(train, [], [another]), []);
    // Nor those that end as it does, after another conversation.
    const own = longConversation('Norwich').map(({ role, content }) => ({ role, content: content.slice(40, 900) }));
    deepEqual(await found(train, [], [row('elsewhere', train[0]!.prompt, { history: own })]), []);
  });

  it('are found after a long conversation where the last question is nearly the same, however many training rows share the conversation', async () => {
    const history = longConversation('Exeter', 800);
    const crowd = Array.from({ length: 30 }, (_, at) => row(`h${at}`, `May I pay ${at} in cash?`, { history }));
    const question = 'Is it open?';
    // A word of what was said before is another: the two are not the same word for word.
    const twin = row('twin', question, {
      history: history.map(({ role, content }) => ({ role, content: content.replace('opens', 'shuts') })),
    });
    deepEqual(await found([...crowd, twin], [], [row('test', question, { history })]), [
      ['test', 'repeats the training row twin'],
    ]);
    const longer = 'Can the parcel be left with the neighbours at number nine?';
    const near = row('near', longer.replace('parcel', 'parcels'), { history });
    deepEqual(await found([near], [], [row('test', longer, { history })]), [['test', 'repeats the training row near']]);
    deepEqual(await found(crowd, [], [row('test', question, { history })]), []);
  });

  it('are found behind two crowds: of rows that share the conversation, and of rows that end as they do', async () => {
    const history = longConversation('Exeter', 800);
    const question = 'Is it open?';
    const asking = Array.from({ length: 8 }, (_, at) => row(`h${at}`, `May I pay ${at} in cash?`, { history }));
    const ending = ['Leeds', 'Cardiff', 'Glasgow', 'Norwich', 'Durham', 'Belfast', 'York', 'Bath'].map((town, at) =>
      row(`e${at}`, question, {
        history: [
          { role: 'user', content: `${town} has a shop that I know of, number ${at}.` },
          { role: 'assistant', content: 'Yes.' },
        ],
      }),
    );
    const twin = row('twin', question, {
      history: history.map(({ role, content }) => ({ role, content: content.replace('opens', 'shuts') })),
    });
    const test = [row('test', question, { history })];
    deepEqual(await found([...asking, ...ending, twin], [], test), [['test', 'repeats the training row twin']]);
    deepEqual(await found([...asking, ...ending], [], test), []);
  });

  it('warn from more than one in a hundred on', async () => {
    const many = Array.from({ length: 100 }, (_, at) => row(`${at}`, String.fromCodePoint(0x4e00 + at * 7).repeat(9)));
    const verdict = async (copies: number) => {
      const { score } = await leaked(
        many.slice(0, copies).map(({ id, prompt }) => row(`t${id}`, prompt)),
        [],
        many,
      );
      const limit = GenerationGatesSchema.parse({}).leakedPrompts;
      return judgeGate('leakedPrompts', GENERATION_GATE_TABLE.leakedPrompts, score, limit);
    };
    equal((await verdict(1)).verdict, 'pass');
    const two = await verdict(2);
    equal(two.verdict, 'warn');
    match(two.reason, /gates\.leakedPrompts\.max/);
  });
});
