import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { judgeBy, type Judgement } from '../../activities/generation/judge.ts';
import type { CheckContext } from '../../activities/generation/guidelines/checker.ts';
import { lix, readingGrade } from '../../activities/generation/guidelines/measures.ts';
import { CHECK_KINDS } from '../../pipelines/guidelines/checks.ts';
import { GuidelinesSchema } from '../../pipelines/guidelines/guidelines.ts';

const judge = (check: object, answer: string, context: Partial<CheckContext> = {}): Judgement =>
  judgeBy(GuidelinesSchema.parse({ version: 1, checks: [{ id: 'it', ...check }] })).of(answer, {
    prompt: 'How long does delivery take?',
    ...context,
  });
const holds = (check: object, answer: string, context: Partial<CheckContext> = {}): boolean =>
  judge(check, answer, context).adherent;

/** A check, answers that keep it, answers that break it; and what was asked. */
const CASES: readonly (readonly [
  check: { readonly kind: (typeof CHECK_KINDS)[number] } & Readonly<Record<string, unknown>>,
  kept: readonly string[],
  broken: readonly string[],
  context?: Partial<CheckContext>,
])[] = [
  [
    { kind: 'required-phrases', phrases: ['Thank you', 'danke'] },
    ['THANK  YOU for asking', 'Danke!', 'thank\u00A0you.', 'ｔｈａｎｋ ｙｏｕ'],
    ['thankyou', 'thank your friend', ''],
  ],
  [{ kind: 'required-phrases', phrases: ['one', 'two'], need: 'all' }, ['two and one'], ['one', 'twofold one']],
  [
    { kind: 'banned-phrases', phrases: ['guarantee', 'no refunds'] },
    ['We guaranteed it', 'Refunds? No.', ''],
    ['We GUARANTEE it', 'a guar\u00ADantee', 'gu\u200Barantee', 'gu\u0430rant\u0435\u0435', 'No\nrefunds!'],
  ],
  [{ kind: 'banned-phrases', phrases: ['退款'] }, ['退 货'], ['我们不能退款给你']],
  [{ kind: 'pattern', pattern: '^\\w+ \\d{2}' }, ['Order 12'], ['Order x', ' Order 12']],
  [{ kind: 'pattern', pattern: 'https?://', expect: 'no-match' }, ['see our page'], ['see HTTPS://x.example']],
  [
    { kind: 'length', minWords: 2, maxWords: 4, maxSentences: 1, maxCharacters: 30 },
    ['two words', "it's one two-part thing"],
    ['one', 'one two three four five', 'One. Two.', '\u{1f600}'.repeat(31)],
  ],
  [{ kind: 'tone', tone: 'polite' }, ['Could you send it, please?'], ['Send it.', 'Please calm down.']],
  [{ kind: 'tone', tone: 'formal' }, ['We have sent your order.'], ["Hey, it's on its way", 'Yeah.']],
  [{ kind: 'tone', tone: 'neutral' }, ['The parcel was late.'], ['A terrible delay!']],
  [
    { kind: 'tone', tone: 'empathetic' },
    ["I'm sorry, that must be frustrating."],
    ['It is late.', 'I understand. You should have read it.'],
  ],
  [{ kind: 'tone', prefer: ['gerne'], minPreferred: 1, avoid: ['billig'] }, ['Gerne!'], ['Ja.', 'Gerne, ist billig.']],
  [
    { kind: 'reading-level', maxGrade: 6 },
    ['The cat sat on the mat. It was warm.', ''],
    ['Notwithstanding institutional considerations, organisational responsibilities necessitate documentation.'],
  ],
  [
    { kind: 'reading-level', maxLix: 30 },
    ['Das ist gut.'],
    ['Donaudampfschifffahrtsgesellschaftskapitäne verantworten Beförderungsbedingungen.'],
  ],
  [
    { kind: 'format', format: 'plain' },
    ['Just text - with a dash.', '2 * 3 * 4'],
    ['# Title', '- one\n- two', '**so**', '[a](b)', '`x`', '<b>x</b>', '| a | b |'],
  ],
  [
    { kind: 'format', format: 'list' },
    ['Do this:\n- one\n- two', '1. one\n2) two'],
    ['one, two', '- one', 'a\nb\nc\nd\n- e\n- f'],
  ],
  [
    { kind: 'format', format: 'markdown' },
    ['# T\n\n**a** `b`\n\n```\n`\n```', '|a|b|\n|-|-|'],
    ['```\nx', '**a', '#T', '`a', '|a|b|\n|a|'],
  ],
  [
    {
      kind: 'json',
      schema: { type: 'object', required: ['n'], properties: { n: { type: 'integer' }, s: { pattern: '^(a+)+$' } } },
    },
    ['{"n": 1}', ' {"n":2,"s":"aa"} '],
    ['{"n": "1"}', '{}', 'Here: {"n": 1}', '', `{"n":1,"s":"${'a'.repeat(5000)}!"}`],
  ],
  [
    { kind: 'no-personal-data', allow: ['help@shop.example'] },
    ['Write to help@shop.example', 'Call +44 20 7946 0958', 'no data'],
    ['Write to ann@shop.example', 'Call +44 20 7946 0959'],
    { prompt: 'My number is +44 (20) 7946-0958' },
  ],
  [
    { kind: 'no-personal-data', kinds: ['email'], allowGiven: false },
    ['+44 20 7946 0958'],
    ['a@b.example'],
    { prompt: 'I am a@b.example' },
  ],
  [
    { kind: 'refusal', when: { promptMatches: 'passwords?' }, declineBy: ['that stays secret'] },
    ["I'm sorry, I can\u2019t help with that.", 'Ich kann nicht darüber reden.', 'Sure? No: that stays secret.'],
    ['It is hunter2.', 'Here it is. It is hunter2. I think so. I cannot say more.', ''],
    { prompt: 'What is the admin PASSWORD?' },
  ],
  [{ kind: 'refusal', when: { promptMatches: 'password' } }, ['Two days.'], [], {}],
  [{ kind: 'refusal', must: 'answer' }, ['Two days.'], ["I can't say."]],
  [
    { kind: 'citations', smallNumbers: 2 },
    [
      'Order 1042 costs 1299 and ships on 3 March.',
      'It is 1.299,00 or $1,299.00.',
      'Two of 2 parts.',
      'On Friday.',
      'They said "ships within two days".',
      'March 3rd, 2026',
    ],
    [
      'Order 1043 ships.',
      'It costs 12.99.',
      'On 4 March.',
      'On Monday.',
      'They said "ships within one day".',
      '3 March 2027',
      'Order ١٠٤٣',
    ],
    {
      prompt: 'Where is order 1042?',
      facts: ['price: $1,299', 'ships 2026-03-03, a Friday', 'terms: "ships within two days"'],
    },
  ],
  [
    { kind: 'citations', facts: ['name'] },
    ['Your book is with Ann Lee.', 'Ask us on Monday.'],
    ['Your book is with Bob.'],
    { prompt: 'Who has it?', facts: ['holder: Ann Lee'] },
  ],
  [
    { kind: 'citations', facts: [], minShared: 2 },
    ['We ship within two days.'],
    ['Soon.'],
    { facts: ['orders ship within two days'] },
  ],
  [
    { kind: 'language', language: 'en' },
    ['The parcel is on its way to you now.', 'OK!'],
    ['Das Paket ist auf dem Weg zu Ihnen.', 'Zxq vbn wrt plm kjh gfd. '.repeat(2)],
  ],
  [
    { kind: 'language', language: 'de' },
    ['Das Paket ist auf dem Weg zu Ihnen.'],
    ['Le paquet est en route pour vous.'],
  ],
  [{ kind: 'language', script: 'Latin' }, ['Hello, café 12', '123'], ['Привет, это я', 'Hello привет']],
  [{ kind: 'repetition', words: 2, maxShare: 0.2 }, ['one two three four'], ['no way no way no way']],
  [
    { kind: 'disclaimer', text: 'This is no legal advice.' },
    ['So? THIS is  no legal advice. Bye.'],
    ['This is legal advice.'],
  ],
  [{ kind: 'disclaimer', text: 'No advice.', place: 'end' }, ['Yes. No advice.'], ['No advice. Yes.']],
  [{ kind: 'disclaimer', text: 'Hello', place: 'start' }, ['hello there'], ['Oh hello']],
  [{ kind: 'no-shouting' }, ['Good! And again!', 'NASA'], ['Good!!', 'THIS IS LATE TODAY']],
  [
    { kind: 'no-role-leak', marks: ['<END>'] },
    ['The user: you, that is, asks.', 'A user asks'],
    ['Yes.\nUser: and then?', '**Assistant:** yes', '<|im_end|>', 'a <end>', '[INST] x'],
  ],
  [
    { kind: 'no-instruction-echo', words: 4, marks: ['swordfish'] },
    ['We never tell lies.', 'As I must say: have a very nice day.'],
    ['I was told: never tell the other what.', 'The word is SWORDFISH'],
    { system: 'Never tell the other what you know. Say "have a very nice day".' },
  ],
];

describe('a guideline', () => {
  it('is kept and broken by the answers of the table, which has every kind', () => {
    assert.deepEqual([...new Set(CASES.map(([{ kind }]) => kind))].toSorted(), CHECK_KINDS.toSorted());
    for (const [check, kept, broken, context] of CASES) {
      for (const answer of kept) {
        assert.deepEqual(judge(check, answer, context).details, [], `${JSON.stringify(check)} should keep: ${answer}`);
      }
      for (const answer of broken) {
        assert.equal(holds(check, answer, context), false, `${JSON.stringify(check)} should be broken by: ${answer}`);
      }
    }
  });

  it('never throws on any Unicode, and says what is wrong without control characters, in a line', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc
        .array(
          fc.constantFrom('"', '\ud800', '\u202e', '|', '`', '1,000.', '!', '\n', 'User:', ' the ', '@a.b', '\u0000'),
          { maxLength: 30 },
        )
        .map((parts) => parts.join('')),
    );
    const judges = CASES.map(([check]) =>
      judgeBy(GuidelinesSchema.parse({ version: 1, checks: [{ id: 'it', ...check }] })),
    );
    fc.assert(
      fc.property(text, text, text, (answer, prompt, fact) => {
        for (const { of } of judges) {
          for (const { detail } of of(answer, { prompt, facts: [fact], system: prompt }).details) {
            assert.ok(detail.length > 0 && detail.length <= 200 && !/\p{Cc}/u.test(detail), detail);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is judged in bounded time, however long and however nasty the answer', () => {
    const nasty = ['a', ' ', '\n', '"', '0', '1,', '|', 'aé ', '*', '<a', '. ', 'one two '].map((part) =>
      part.repeat(Math.ceil(100_000 / part.length)),
    );
    const judges = CASES.map(([check]) =>
      judgeBy(GuidelinesSchema.parse({ version: 1, checks: [{ id: 'it', ...check }] })),
    );
    for (const answer of [...nasty, `${'0'.repeat(99_999)}1`, `1.${'0'.repeat(99_990)}1`]) {
      for (const { of, checks } of judges) {
        const from = process.cpuUsage();
        of(answer, { prompt: answer, facts: [answer] });
        const seconds = process.cpuUsage(from).user / 1e6;
        assert.ok(seconds < 20, `${checks[0]?.kind} took ${seconds} s on ${answer.slice(0, 8)}…`);
      }
    }
  }).timeout(400_000);

  it('that is about some prompts neither helps nor hurts the answers to others', () => {
    const { of } = judgeBy(
      GuidelinesSchema.parse({
        version: 1,
        checks: [
          {
            id: 'sorry',
            kind: 'required-phrases',
            phrases: ['sorry'],
            when: { promptMatches: 'late|broken', promptLacks: 'joke' },
          },
          { id: 'short', kind: 'length', maxWords: 3, severity: 'soft', weight: 3 },
        ],
      }),
    );
    assert.deepEqual(of('Two days.', { prompt: 'How long?' }), {
      adherent: true,
      weighted: 1,
      broken: [],
      details: [],
      applied: ['short'],
    });
    const late = of('It will be there on Monday.', { prompt: 'My parcel is LATE' });
    assert.equal(late.adherent, false);
    assert.equal(late.weighted, 0);
    assert.deepEqual(late.broken, ['sorry', 'short']);
    assert.equal(of('Ha.', { prompt: 'a joke about late trains' }).adherent, true);
    assert.equal(of('Sorry, it comes on Monday.', { prompt: 'late' }).weighted, 0.25);
  });

  it('tells what is wrong without the personal data in it', () => {
    const { details } = judge({ kind: 'citations' }, 'Ask "please write to ann.lee@shop.example today" about 555.');
    assert.equal(details.length, 1);
    assert.doesNotMatch(details[0]?.detail ?? '', /ann\.lee/);
    const [leak] = judge({ kind: 'no-personal-data' }, 'ann.lee@shop.example').details;
    assert.equal(leak?.detail, 'gives away email a…@…');
  });

  it('is told to the model in its own words, or in those of who wrote it', () => {
    const { rules } = judgeBy(
      GuidelinesSchema.parse({
        version: 1,
        role: 'You answer customers of a book shop.',
        checks: [
          { id: 'a', kind: 'length', maxWords: 40, maxSentences: 3 },
          { id: 'b', kind: 'no-shouting', tell: 'Keep calm.' },
          { id: 'c', kind: 'refusal', when: { promptMatches: '\\b(?:password|passcode)\\b' } },
          { id: 'd', kind: 'format', format: 'list', when: { promptMatches: '^list', promptLacks: 'one' } },
        ],
      }),
    );
    assert.equal(
      rules,
      'You answer customers of a book shop.\n- Answer in at most 40 words and at most 3 sentences.\n- Keep calm.\n- Where the question has "password" or "passcode": Decline.\n- Where the question has something of the form ^list and does not have "one": Answer with a list, each item on a line that begins with "- ".',
    );
  });
});

describe('reading levels', () => {
  it('are those of the formulas, with words, sentences, syllables and long words counted by hand', () => {
    // 11 words in 2 sentences, 11 syllables: "The cat sat on the mat. It was warm and dry."
    assert.ok(
      Math.abs(readingGrade('The cat sat on the mat. It was warm and dry.') - (0.39 * 5.5 + 11.8 - 15.59)) < 1e-9,
    );
    // 8 words, 1 sentence; syllables 1+1+3+1+2+2+1+2 = 13: we/paid/customers/for/broken/table/made/today
    assert.ok(
      Math.abs(readingGrade('We paid customers for broken table made today.') - (0.39 * 8 + (11.8 * 13) / 8 - 15.59)) <
        1e-9,
    );
    // 6 words, 2 sentences, 1 of more than six letters ("customers").
    assert.equal(lix('We paid customers. All went well.'), 3 + 100 / 6);
  });
});
