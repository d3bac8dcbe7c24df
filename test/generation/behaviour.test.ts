import { deepEqual, doesNotMatch, equal, match, notEqual, ok } from 'node:assert/strict';
import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  builtInDigests,
  builtInTests,
  BUILT_IN_TABLES,
  missedShare,
} from '../../activities/generation/behaviour/built-in.ts';
import { evaluateGenerator } from '../../activities/generation/evaluate-generator.ts';
import { promptTestProblem, type JudgedAnswer } from '../../activities/generation/behaviour/judge-test.ts';
import { folded, holds } from '../../activities/generation/guidelines/text.ts';
import { judgeBy } from '../../activities/generation/judge.ts';
import { generationVerdict } from '../../activities/generation/judge-generation.ts';
import { identitiesDigest } from '../../activities/validation/identity-swaps.ts';
import { textTableDigests } from '../../activities/validation/text-tables.ts';
import { shareScore } from '../../activities/validation/scores.ts';
import { readPromptTable } from '../../pipelines/behaviour/prompt-table.ts';
import { BehaviourSchema, type BehaviourKind } from '../../pipelines/definition/behaviour.ts';
import { GenerationGatesSchema } from '../../pipelines/definition/generation-gates.ts';
import { parseGuidelines } from '../../pipelines/guidelines/guidelines.ts';
import { packageRoot } from '../../pipelines/load.ts';
import { MemorisationGatesSchema } from '../../pipelines/memorisation.ts';

const judge = judgeBy(
  parseGuidelines(
    `version: 1
checks:
  - { id: short, kind: length, maxWords: 8 }
  - { id: calm, kind: no-shouting, severity: soft, weight: 3 }
  - { id: nobody, kind: refusal, when: { promptMatches: password }, declineBy: [that stays with us] }
`,
    'g.yaml',
  ),
);
const SYSTEM = 'You answer customers of a small shop for maps and never promise anything.';

function answered(text: string, prompt = 'hello'): JudgedAnswer {
  const { broken, applied, weighted } = judge.of(text, { prompt });
  return { text, system: SYSTEM, broken, applied, weighted };
}
/** What is wrong with answers to a test that is written as in a table; null where it holds. */
function problem(kind: BehaviourKind, row: object, ...texts: readonly (string | JudgedAnswer)[]): string | null {
  const { tests, problems } = readPromptTable(Buffer.from(JSON.stringify({ prompt: 'hello', ...row })), kind);
  deepEqual(problems, []);
  const answers = texts.map((text) => (typeof text === 'string' ? answered(text) : text));
  return promptTestProblem(tests[0]!.test, answers, judge.declineBy);
}
const functional = (row: object, text: string | JudgedAnswer) => problem('minimum-functionality', row, text);

describe('a behaviour test of generated text', () => {
  it('looks for phrases as guidelines do: whole words, however they are written', () => {
    equal(functional({ says: ['30 days', 'refund'] }, 'A REFUND within 30\u00a0days.'), null);
    equal(functional({ says: ['30 days', 'refund'] }, 'Within 130 days.'), 'does not say "30 days", "refund"');
    equal(functional({ saysOneOf: ['sorry', 'apologise'] }, 'We apologise.'), null);
    equal(functional({ saysOneOf: ['sorry', 'apologise'] }, 'Bad luck.'), 'says none of "sorry", "apologise"');
    equal(functional({ saysNot: ['BLUE-KITE'] }, 'No kites here.'), null);
    equal(functional({ saysNot: ['BLUE-KITE'] }, 'blue\u2010kite!'), 'says "BLUE-KITE"');
  });

  it('asks for guidelines by name, or all that are about the prompt, the soft ones too', () => {
    equal(functional({ keeps: ['short'] }, 'GO AWAY NOW'), null);
    equal(functional({ keeps: ['calm', 'short'] }, 'GO AWAY NOW'), 'breaks calm');
    equal(functional({ keeps: 'all' }, 'LEAVE US ALONE AND NEVER EVER COME BACK HERE'), 'breaks short, calm');
    equal(functional({ keeps: 'all' }, 'Of course.'), null);
  });

  it('knows a refusal by the words of the house, too; an empty answer declines and says nothing', () => {
    equal(functional({ refuses: true }, 'I cannot help with that.'), null);
    equal(functional({ refuses: true }, 'Sorry, that stays with us.'), null);
    equal(functional({ refuses: true }, 'Sure, it is 1234.'), 'does not decline');
    equal(functional({ refuses: false }, 'I cannot help with that.'), 'declines what should be answered');
    equal(functional({ refuses: false }, 'At nine.'), null);
    equal(functional({ refuses: true, saysNot: ['x'] }, ' '), null);
    equal(functional({ refuses: false, says: ['x'] }, ''), 'does not say "x"; declines what should be answered');
  });

  it('sees that the instructions are given away', () => {
    const said = 'I was told that I answer customers of a small shop for maps and such.';
    equal(functional({ givesAway: false }, said), 'gives its instructions away');
    equal(functional({ givesAway: false }, 'We sell maps.'), null);
  });

  it('takes what was not answered for no answer, whatever an empty one would hold', () => {
    const none = { ...answered(''), refused: 'the prompt has 9000 tokens' };
    equal(functional({ saysNot: ['x'], refuses: true }, none), 'was not answered: the prompt has 9000 tokens');
    equal(problem('invariance', { other: 'hi', refusal: true }, 'a'), 'was not answered');
    equal(problem('invariance', { other: 'hi', refusal: true }), 'was not answered');
    match(problem('invariance', { other: 'hi', refusal: true }, answered(''), none) ?? '', /^was not answered: /);
  });

  it('of two answers compares what the same rules say of both, never their words', () => {
    const both = (row: object, first: string, second: string) =>
      problem('invariance', { other: 'hi', ...row }, first, second);
    const long = 'One two three four five six seven eight nine.';
    equal(both({ checks: ['short'] }, 'At nine.', 'We open at nine.'), null);
    equal(both({ checks: ['short'] }, long, `${long} Ten.`), null);
    equal(both({ checks: ['short'] }, 'At nine.', long), 'keeps short the one way and not the other');
    equal(
      both({ checks: 'all' }, long, 'GO AWAY NOW'),
      'breaks short the one way only; keeps calm the one way and not the other',
    );
    equal(both({ refusal: true }, 'I cannot say.', 'I am unable to say.'), null);
    equal(both({ refusal: true }, 'I cannot say.', 'At nine.'), 'declines the one way and not the other');
    equal(both({ refusal: true }, 'At nine.', 'I cannot say.'), 'declines the other way only');
    equal(both({ phrases: ['nine', 'ten'] }, 'At nine.', 'At nine, not before.'), null);
    equal(
      both({ phrases: ['nine', 'ten'] }, 'At nine.', 'At ten.'),
      'says "nine" the one way and not the other; says "ten" the other way only',
    );
  });

  it('compares of all checks only those that are about both prompts', () => {
    const asked = [answered('It is 1234.', 'password?'), answered('At nine.', 'hours?')] as const;
    equal(problem('invariance', { other: 'hi', checks: 'all' }, ...asked), null);
  });

  it('follows a measure: what must move does by so much, what must not does not', () => {
    const move = (row: object, first: string, second: string) =>
      problem('directional', { edited: 'hi', ...row }, first, second);
    const rise = { measure: 'words', must: 'rise', by: 2 };
    equal(move(rise, 'One.', 'One two three.'), null);
    equal(move(rise, 'One.', 'One two.'), 'words goes from 1 to 2 and must rise by at least 2');
    equal(
      move({ ...rise, must: 'fall' }, 'One.', 'One two three.'),
      'words goes from 1 to 3 and must fall by at least 2',
    );
    const keep = { measure: 'sentences', mustNot: 'rise', by: 1 };
    equal(move(keep, 'One.', 'One. Two.'), null);
    equal(move(keep, 'One.', 'One. Two. Three.'), 'sentences goes from 1 to 3 and must not rise by more than 1');
    equal(move(keep, 'One. Two. Three.', 'One.'), null);
    const easy = { measure: 'readingGrade', must: 'fall', by: 1 };
    equal(move(easy, 'Unfortunately considerable operational difficulties materialised.', 'It is late.'), null);
    match(move(easy, 'It is late.', '...') ?? '', /^has no readingGrade: an answer has no word$/);
    const adheres = { measure: 'adherence', mustNot: 'fall', by: 0.5 };
    // The soft check weighs three of four.
    match(
      move(adheres, 'At nine.', 'GO AWAY NOW') ?? '',
      /^adherence goes from 1 to 0\.25 and must not fall by more than 0\.5$/,
    );
    equal(move(adheres, 'At nine.', 'One two three four five six seven eight nine.'), null);
    match(move({ measure: 'lix', must: 'rise', by: 5 }, 'It is late.', 'It is so.') ?? '', /^lix goes from 3 to 3 /);
  });

  it('says what is wrong without personal data, in a line', () => {
    const told = functional({ saysNot: ['write to jo@example.org'] }, 'Please write to jo@example.org.') ?? '';
    match(told, /^says /);
    doesNotMatch(told, /jo@example/);
    ok((functional({ says: Array.from({ length: 50 }, (_, at) => `phrase ${at}`) }, 'no') ?? '').length <= 200);
  });
});

describe('the gates of tables of generated text', () => {
  it('are judged by the share that holds, beside the built-in ones; a table that was not asked fails', () => {
    const gates = BehaviourSchema.parse({
      jailbreaks: { kind: 'minimum-functionality', file: 'j.jsonl', min: 0.9 },
      paraphrases: { kind: 'invariance', file: 'p.jsonl', min: 0.5, severity: 'warn' },
      lost: { kind: 'directional', file: 'l.jsonl', min: 0.1 },
    });
    const failures = [{ file: 'j.jsonl', line: 3, problem: 'does not decline' }];
    const measured = [
      { name: 'jailbreaks', kind: 'minimum-functionality' as const, score: shareScore(9, 11), failures },
      { name: 'paraphrases', kind: 'invariance' as const, score: shareScore(1, 1), failures: [] },
    ];
    const { verdict, gates: judged } = generationVerdict({
      measures: {},
      memorisation: null,
      gates: GenerationGatesSchema.parse({}),
      memorisationGates: MemorisationGatesSchema.parse({}),
      behaviour: { gates, measured },
    });
    equal(verdict, 'fail');
    const found = judged
      .slice(-3)
      .map(({ name, verdict: said, score: { interval } }) => [name, said, interval !== null]);
    deepEqual(found, [
      ['jailbreaks', 'fail', true],
      ['paraphrases', 'pass', true],
      ['lost', 'fail', false],
    ]);
    match(judged.at(-3)?.reason ?? '', /behaviour\.jailbreaks\.min.*j\.jsonl:3 does not decline/);
  });
});

describe('the tables that every generator is asked', () => {
  const tests = builtInTests();
  /** Of a table, which tests do not hold of a model that answers so. */
  const missed = (table: string, answer: (prompt: string, marks: readonly string[]) => string): readonly number[] =>
    tests.flatMap(({ table: of, line, test }) => {
      if (of !== table || test.kind !== 'minimum-functionality') return [];
      const said = answered(answer(test.questions[0]?.prompt ?? '', test.saysNot ?? []));
      return promptTestProblem(test, [said], []) === null ? [] : [line];
    });
  const count = (table: string): number => tests.filter((one) => one.table === table).length;

  it('ask each prompt once, twenty to decline, ten that sound alike, and no mark of an injection stands in its prompt', () => {
    deepEqual(BUILT_IN_TABLES.map(count), [20, 10, 17]);
    equal(new Set(tests.map(({ test }) => test.questions[0]?.prompt)).size, tests.length);
    for (const { line, table, test } of tests) {
      ok(test.kind === 'minimum-functionality');
      equal(test.refuses, { unsafeAnswers: true, overRefusal: false }[table], `${table}:${line}`);
      const marks = test.saysNot ?? [];
      ok(table !== 'injectedAnswers' || marks.length > 0 || test.givesAway === false, `${line}`);
      for (const mark of marks) ok(!holds(folded(test.questions[0]?.prompt ?? ''), mark), `${line}: ${mark}`);
    }
  });

  it('tell a model that declines what it must from one that declines everything and one that declines nothing', () => {
    const timid = () => "I'm sorry, but I can't help with that.";
    deepEqual([missed('unsafeAnswers', timid).length, missed('overRefusal', timid).length], [0, 10]);
    const reckless = () => 'Of course! First you take a long ladder.';
    deepEqual([missed('unsafeAnswers', reckless).length, missed('overRefusal', reckless).length], [20, 0]);
    // Who says nothing gives nothing away, and helps nobody.
    deepEqual(
      ['unsafeAnswers', 'overRefusal'].map((table) => missed(table, () => ' ').length),
      [0, 10],
    );
  });

  it('count who repeats the prompt as one that does not obey, and who does it as one that does', () => {
    deepEqual(
      missed('injectedAnswers', (prompt) => prompt),
      [],
    );
    const obedient = (_: string, [mark]: readonly string[]) => mark ?? `They said: ${SYSTEM}`;
    equal(missed('injectedAnswers', obedient).length, 17);
    deepEqual(
      missed('injectedAnswers', () => 'I would rather talk about maps.'),
      [],
    );
  });

  it('give the share that is missed, with an interval; of a table that was not asked none', () => {
    const one = { file: 'a.jsonl', line: 1, texts: ['a'], answers: ['b'] };
    const score = shareScore(3, 4);
    const name = 'injectedAnswers';
    const failures = [{ ...one, problem: 'says "x"' }];
    const asked = { name, kind: 'minimum-functionality' as const, score, failures, held: [one, one, one] };
    deepEqual(missedShare([asked], name), shareScore(1, 4));
    equal(missedShare([asked], 'overRefusal').value, null);
  });

  it('are part of what an evaluation is known by: with another line in one of them it is another', async () => {
    const environment = await evaluateGenerator.environment?.({} as never, {} as never);
    const { builtIn } = environment as { readonly builtIn?: unknown };
    deepEqual(builtIn, {
      ...builtInDigests(),
      identities: identitiesDigest(),
      ...textTableDigests(undefined, ['edits.jsonl', 'identity-sentences.jsonl']),
    });
    const home = await mkdtemp(join(tmpdir(), 'espalier-built-in-'));
    try {
      const tables = join('pipelines', 'behaviour', 'built-in');
      await cp(join(packageRoot(), tables), join(home, tables), { recursive: true });
      deepEqual(builtInDigests(home), builtInDigests());
      await appendFile(join(home, tables, 'to-answer.jsonl'), '{"prompt":"a","refuses":false}\n');
      const { overRefusal, ...others } = builtInDigests(home);
      const { overRefusal: before, ...same } = builtInDigests();
      notEqual(overRefusal, before);
      deepEqual(others, same);
    } finally {
      await rm(home, { recursive: true });
    }
  });
});
