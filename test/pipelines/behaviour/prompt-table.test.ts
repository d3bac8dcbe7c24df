import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkProblems,
  MOST_PROMPT_TESTS,
  readPromptTable,
  textsIn,
  withTexts,
} from '../../../pipelines/behaviour/prompt-table.ts';
import { checkPipeline } from '../../../pipelines/check.ts';
import type { BehaviourKind } from '../../../pipelines/definition/behaviour.ts';
import { parseGuidelines } from '../../../pipelines/guidelines/guidelines.ts';
import { loadPipeline } from '../../../pipelines/load.ts';

type Problems = ReturnType<typeof readPromptTable>['problems'];
const lines = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).join('\n');
const read = (rows: readonly unknown[], kind: BehaviourKind = 'minimum-functionality') =>
  readPromptTable(Buffer.from(lines(rows)), kind);
const told = (problems: Problems) => problems.map(({ line, field, message }) => `${line} ${field ?? ''} ${message}`);

describe('a table of behaviour tests of generated text', () => {
  it('asks a prompt or a conversation, with facts, and keeps what is expected; remarks for people are not kept', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello', name: null },
      { role: 'user', content: 'When?' },
    ];
    const { tests, problems } = read([
      { prompt: 'When?', says: ['Friday'], saysNot: ['BLUE-KITE'], givesAway: false, note: 'from the audit' },
      { messages, keeps: ['short'], refuses: false, facts: ['It comes on Friday.'] },
    ]);
    deepEqual(problems, []);
    const kind = 'minimum-functionality';
    deepEqual(tests, [
      {
        line: 1,
        test: { kind, says: ['Friday'], saysNot: ['BLUE-KITE'], givesAway: false, questions: [{ prompt: 'When?' }] },
      },
      {
        line: 2,
        test: {
          kind,
          facts: ['It comes on Friday.'],
          keeps: ['short'],
          refuses: false,
          questions: [
            {
              history: [
                { role: 'system', content: 'Be brief.' },
                { role: 'user', content: 'Hi' },
                { role: 'assistant', content: 'Hello' },
              ],
              prompt: 'When?',
            },
          ],
        },
      },
    ]);
    // A text in place of the last question, a list in place of the conversation.
    const variants = read(
      [
        { messages, other: 'What day?', refusal: true },
        { messages, other: [{ role: 'user', content: 'When?' }], checks: 'all' },
      ],
      'invariance',
    );
    deepEqual(
      variants.tests.map(({ test }) => test.questions.map(({ history = [], prompt }) => [history.length, prompt])),
      [
        [
          [3, 'When?'],
          [3, 'What day?'],
        ],
        [
          [3, 'When?'],
          [0, 'When?'],
        ],
      ],
    );
    const edited = read([{ prompt: 'a', edited: 'b', measure: 'words', must: 'rise', by: 2 }], 'directional');
    deepEqual(edited.problems, []);
  });

  it('tells every mistake by line and field: misspelt, empty, contradicting, expecting nothing', () => {
    const p = 'hello';
    deepEqual(
      told(
        read([
          { prompt: p, sayNot: ['x'], refuses: true },
          { prompt: p },
          { says: ['x'] },
          { prompt: p, messages: [{ role: 'user', content: p }], says: ['x'] },
          { prompt: ' ', says: ['x'] },
          { prompt: p, says: [] },
          { prompt: p, says: 'x' },
          { prompt: p, says: ['x', '\u200b'] },
          { prompt: p, saysNot: ['a', 'a'] },
          { prompt: p, says: ['30 days'], saysNot: ['30  Days'] },
          { prompt: p, keeps: 'some' },
          { prompt: p, keeps: [] },
          { prompt: p, refuses: 'yes' },
          { prompt: p, givesAway: true },
          { prompt: 7, says: ['x'] },
          'no',
          { kind: 'invariance', prompt: p, refuses: true },
          { kind: 'minimum-functionality', prompt: p, refuses: true },
        ]).problems,
      ),
      [
        "1 'sayNot' is no field of such a test; what is for people goes into note",
        '2  expects nothing: write at least one of says, saysOneOf, saysNot, keeps, refuses, givesAway',
        '3 prompt is missing: write it, or messages',
        '4 prompt stands beside messages: write one',
        '5 prompt is empty',
        '6 says is an empty list: leave it out',
        '7 says must be a list of strings',
        '8 says[1] is empty',
        '9 saysNot has the same twice',
        '10 saysNot[0] stands in says, too: no answer can do both',
        "11 keeps must be 'all', or a list of ids of the guidelines",
        '12 keeps is an empty list: leave it out',
        '13 refuses must be true or false',
        '14 givesAway must be false, or left out',
        '15 prompt must be a string',
        '16  is no JSON object',
        "17 kind is another one than the table's, minimum-functionality",
      ],
    );
    const hostile =
      '{"prompt":"a","refuses":true,"__proto__":{"says":["x"]}}\n{"prompt":"a","constructor":{},"refuses":true}';
    deepEqual(
      told(readPromptTable(Buffer.from(hostile), 'minimum-functionality').problems).map((one) => one.slice(0, 15)),
      ["1 '__proto__' i", "2 'constructor'"],
    );
  });

  it('refuses conversations that cannot be asked, by message', () => {
    const says = ['x'];
    const user = { role: 'user', content: 'a' };
    const assistant = { role: 'assistant', content: 'b' };
    const turns = 'must be user and assistant in turn, at most one system text before them, and end with the user';
    deepEqual(
      told(
        read([
          { messages: [user, assistant], says },
          { messages: [user, user, user], says },
          { messages: [user, { role: 'system', content: 's' }], says },
          { messages: [], says },
          { messages: [{ role: 'tool', content: 'x' }], says },
          { messages: [{ ...user, tool_calls: [] }], says },
          { messages: [{ role: 'user', content: [] }], says },
          { messages: 'a', says },
        ]).problems,
      ),
      [
        `1 messages ${turns}`,
        `2 messages ${turns}`,
        `3 messages ${turns}`,
        `4 messages ${turns}`,
        '5 messages[0].role must be system, user or assistant',
        '6 messages[0].tool_calls is not read: a message has role and content',
        '7 messages[0].content must be a string',
        '8 messages must be a list of messages, each with role and content',
      ],
    );
    deepEqual(told(read([{ prompt: 'a', other: [assistant], refusal: true }], 'invariance').problems), [
      `1 other ${turns}`,
    ]);
  });

  it('refuses what always holds: a question beside itself, a move by nothing, no comparison', () => {
    const always = 'is the same as what is asked first, so that the test always holds';
    deepEqual(
      told(
        read(
          [
            { prompt: 'a b', other: ' a  b', refusal: true },
            { prompt: 'a', other: [{ role: 'user', content: 'a' }], refusal: true },
            { prompt: 'a', other: 'b' },
            { prompt: 'a', refusal: true },
            { prompt: 'a', other: 'b', refusal: false },
          ],
          'invariance',
        ).problems,
      ),
      [
        `1 other ${always}`,
        `2 other ${always}`,
        '3  expects nothing: write at least one of checks, refusal, phrases',
        '4 other is missing',
        '5 refusal must be true, or left out',
      ],
    );
    const row = { prompt: 'a', edited: 'b', measure: 'words', must: 'rise', by: 1 };
    deepEqual(
      told(
        read(
          [
            { ...row, by: 0 },
            { ...row, must: undefined },
            { ...row, mustNot: 'fall' },
            { ...row, measure: 'adherence', by: 1.5 },
            { ...row, measure: 'adherence', must: undefined, mustNot: 'fall', by: 1 },
            { ...row, measure: 'kindness' },
            { ...row, must: 'grow' },
            { ...row, by: '1' },
            { ...row, edited: 'a' },
          ],
          'directional',
        ).problems,
      ),
      [
        '1 by must be above 0: by 0 the measure need not move',
        '2 must is missing: write must, or mustNot',
        '3 must stands beside mustNot: write one',
        '4 by must be at most 1: a share cannot move by more',
        '5 by must be below 1: a share cannot move by more',
        '6 measure must be one of words, sentences, readingGrade, lix, adherence',
        '7 must must be fall or rise',
        '8 by must be a number',
        `9 edited ${always}`,
      ],
    );
  });

  it('is refused as a whole where it cannot be read', () => {
    const fault = (content: string | Uint8Array) =>
      readPromptTable(Buffer.from(content), 'minimum-functionality').problems.map(({ message }) => message);
    deepEqual(fault(Uint8Array.of(0x7b, 0xff)), ['the table is not UTF-8']);
    deepEqual(fault('\n \n'), ['the table has no tests']);
    match(fault(lines(Array.from({ length: MOST_PROMPT_TESTS + 1 }, () => ({}))))[0] ?? '', /1001 tests; at most 1000/);
    match(fault(Buffer.alloc(17 * 2 ** 20, 32))[0] ?? '', /larger than 16 MiB/);
  });

  it('names only checks that there are and that are about what is asked: nothing can break another', () => {
    const { checks } = parseGuidelines(
      `version: 1
checks:
  - { id: sorry, kind: required-phrases, phrases: [sorry], when: { promptMatches: late } }
  - { id: kind, kind: no-shouting, when: { promptLacks: bye } }
`,
      'g.yaml',
    );
    const found = (rows: readonly unknown[], kind: BehaviourKind = 'minimum-functionality') =>
      told(checkProblems(read(rows, kind).tests, checks));
    deepEqual(
      found([
        { prompt: 'it is late', keeps: ['sorry', 'kind'] },
        { prompt: 'hello', keeps: ['sorry', 'brief'] },
        { prompt: 'bye', keeps: 'all' },
        { prompt: 'bye', saysNot: ['x'] },
      ]),
      [
        "2 keeps has 'sorry', which is not about this prompt (its `when`)",
        "2 keeps has 'brief', which is the id of no check of the guidelines",
        "3 keeps is 'all', and no guideline is about what is asked",
      ],
    );
    deepEqual(
      found(
        [
          { prompt: 'late', other: 'so late', checks: ['sorry'] },
          { prompt: 'late', other: 'hello', checks: ['sorry'] },
          { prompt: 'late', other: 'late, bye', checks: 'all' },
          { prompt: 'hello', other: 'late, bye', checks: 'all' },
        ],
        'invariance',
      ),
      [
        "2 checks has 'sorry', which is not about both prompts (its `when`)",
        "4 checks is 'all', and no guideline is about what is asked",
      ],
    );
  });

  it('follows adherence only where a guideline is about each prompt: without one it is 1, whatever is answered', () => {
    const { checks } = parseGuidelines(
      `version: 1
checks:
  - { id: sorry, kind: required-phrases, phrases: [sorry], when: { promptMatches: late } }
  - { id: kind, kind: no-shouting, when: { promptMatches: bye } }
`,
      'g.yaml',
    );
    const move = { measure: 'adherence', mustNot: 'fall', by: 0.2 };
    const { tests } = read(
      [
        { ...move, prompt: 'hello', edited: 'late' },
        { ...move, prompt: 'late', edited: 'hello' },
        { ...move, prompt: 'late', edited: 'bye' },
        { ...move, prompt: 'hello', edited: 'hi', measure: 'words' },
      ],
      'directional',
    );
    deepEqual(told(checkProblems(tests, checks)), [
      '1 measure is adherence, and no guideline is about what is asked first',
      '2 measure is adherence, and no guideline is about what is asked in `edited`',
    ]);
    equal(checkProblems(tests, []).length, 3);
  });

  it('gives its texts in one order, and takes others in it', () => {
    const messages = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
      { role: 'user', content: 'c' },
    ];
    const [placed] = read(
      [{ messages, other: 'd', phrases: ['e'], checks: ['short'], facts: ['f'] }],
      'invariance',
    ).tests;
    ok(placed !== undefined);
    deepEqual(textsIn(placed.test), ['a', 'b', 'c', 'a', 'b', 'd', 'f', 'e']);
    const other = withTexts(placed.test, (text) => text.toUpperCase());
    deepEqual(textsIn(other), ['A', 'B', 'C', 'A', 'B', 'D', 'F', 'E']);
    ok(other.kind === 'invariance');
    deepEqual(other.checks, ['short']);
  });
});

describe('the tables of a definition that generates text', () => {
  let folder: string;
  let definition: object;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-prompt-tables-'));
    const shipped = await loadPipeline('support-replies');
    definition = {
      ...(shipped.value as object),
      data: { files: ['s3://bucket/rows.jsonl'], licence: 'CC0-1.0', source: 'x' },
    };
    await writeFile(
      join(folder, 'guidelines.yaml'),
      'version: 1\nchecks:\n  - { id: short, kind: length, maxWords: 60 }\n',
    );
    await writeFile(join(folder, 'good.jsonl'), lines([{ prompt: 'hi', keeps: ['short'] }]));
    await writeFile(
      join(folder, 'bad.jsonl'),
      lines([
        { prompt: 'hi', keeps: ['brief'] },
        { prompt: 'hi', say: [], refuses: true },
      ]),
    );
    await writeFile(join(folder, 'table.csv'), 'prompt,says\nhi,ho\n');
  });
  after(() => rm(folder, { recursive: true }));
  const kind = 'minimum-functionality' as const;
  const problems = (behaviour: Readonly<Record<string, unknown>>) => {
    const checked = checkPipeline({ ...definition, behaviour }, { folder });
    return checked.ok ? [] : checked.problems.map(({ path, message, fix }) => `${path}: ${message} (${fix})`);
  };

  it('are checked with the guidelines before anything runs, each by file, line and field', () => {
    deepEqual(problems({ basics: { kind, file: 'good.jsonl', min: 1 } }), []);
    const fix = 'correct the row (docs/gates.md says what each kind of test needs)';
    deepEqual(problems({ basics: { kind, file: 'bad.jsonl', min: 1 } }), [
      `behaviour.basics.file: bad.jsonl:1: keeps has 'brief', which is the id of no check of the guidelines (${fix})`,
      `behaviour.basics.file: bad.jsonl:2: 'say' is no field of such a test; what is for people goes into note (${fix})`,
    ]);
  });

  it('are JSONL, of names that no gate has, and may lie elsewhere', () => {
    const remote = { kind, file: 'hf:org/tests@0123456789012345678901234567890123456789#a.jsonl', min: 1 };
    deepEqual(problems({ a: remote, b: { kind, file: 's3://bucket/b.jsonl', min: 1 } }), []);
    match(problems({ csv: { kind, file: 'table.csv', min: 1 } })[0] ?? '', /'table.csv' is CSV.*write JSONL/);
    for (const taken of ['injectedAnswers', 'adherence', 'canaryExposure']) {
      match(problems({ [taken]: { kind, file: 'good.jsonl', min: 1 } })[0] ?? '', /is the name of another gate/);
    }
    equal(problems({ accuracy: { kind, file: 'good.jsonl', min: 1 } }).length, 0);
    match(problems({ a: { kind, file: 'nowhere.jsonl', min: 1 } })[0] ?? '', /there is no file 'nowhere.jsonl'/);
  });
});
