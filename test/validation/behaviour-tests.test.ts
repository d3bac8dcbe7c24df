import { deepEqual, equal, match } from 'node:assert/strict';
import type { StoredTest } from '../../activities/data/behaviour.ts';
import { judgeBehaviour } from '../../activities/validation/behaviour-gates.ts';
import { askBehaviour, listedBehaviour } from '../../activities/validation/behaviour-tests.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import type { ModelOutput } from '../../inference/graph-model.ts';
import { textsOf, type TextInput } from '../../inference/texts.ts';
import { labelsAbove } from '../../inference/labels-above.ts';
import type { BehaviourTest } from '../../pipelines/behaviour/table.ts';

const LABELS = ['card', 'loan'];
/** P(loan) by text. */
const CHANCES: Readonly<Record<string, number>> = { 'a loan': 0.9, 'A LOAN': 0.8, 'a card': 0.1, 'my card!': 0.3 };
const model = {
  runAll: (texts: readonly string[]): Promise<ModelOutput> =>
    Promise.resolve({
      rows: texts.length,
      embeddings: new Float32Array(texts.length),
      probabilities: Float32Array.from(
        texts.flatMap((text) => {
          const loan = CHANCES[text] ?? Number.NaN;
          return [1 - loan, loan];
        }),
      ),
    }),
};
const stored = (table: string, ...tests: readonly BehaviourTest[]): StoredTest[] =>
  tests.map((test, at) => ({ table, file: `${table}.csv`, line: at + 2, test }));
const minimum = (text: string, label: string): BehaviourTest => ({ kind: 'minimum-functionality', text, label });
const moved = (mustNot: 'fall' | 'rise', by: number): BehaviourTest => ({
  kind: 'directional',
  text: 'a loan',
  edited: 'A LOAN',
  label: 'loan',
  mustNot,
  by,
});

describe('behaviour tests', () => {
  it('hold where the label is right, the same, or as likely as it must be, and else say what the model answered', async () => {
    const results = await askBehaviour(model, LABELS, [
      ...stored('plain', minimum('a loan', 'loan'), minimum('a card', 'loan')),
      ...stored(
        'same',
        { kind: 'invariance', text: 'a loan', other: 'A LOAN' },
        { kind: 'invariance', text: 'a loan', other: 'my card!' },
      ),
      ...stored('moved', moved('fall', 0.05), moved('fall', 0.1), moved('fall', 0.2), moved('rise', 0)),
    ]);
    deepEqual(
      results.map(({ name, kind, score: { value, rows } }) => [name, kind, value, rows]),
      [
        ['plain', 'minimum-functionality', 0.5, 2],
        ['same', 'invariance', 0.5, 2],
        ['moved', 'directional', 0.75, 4],
      ],
    );
    deepEqual(results[0]!.score.interval, wilsonInterval(1, 2));
    deepEqual(
      results.flatMap(({ failures }) => failures.map(({ file, line, problem }) => `${file}:${line} ${problem}`)),
      [
        'plain.csv:3 is card (0.90) instead of loan (0.10)',
        'same.csv:3 is loan the one way and card the other',
        'moved.csv:2 loan goes from 0.90 to 0.80 and must not fall by more than 0.05',
      ],
    );
    deepEqual(results[1]!.failures[0]!.texts, ['a loan', 'my card!']);
  });

  it('compare the set of labels where a text may have several, or none, and the probability of the one that is named', async () => {
    const said: Readonly<Record<string, readonly number[]>> = {
      both: [0.6, 0.9],
      also: [0.9, 0.75],
      none: [0.1, 0.2],
      one: [0.5, 0.2],
      unknown: [Number.NaN, Number.NaN],
    };
    const several = {
      runAll: (texts: readonly string[]): Promise<ModelOutput> =>
        Promise.resolve({
          rows: texts.length,
          embeddings: new Float32Array(texts.length),
          probabilities: Float32Array.from(texts.flatMap((text) => said[text]!)),
        }),
    };
    const all = (text: string, ...labels: string[]): BehaviourTest => ({ kind: 'minimum-functionality', text, labels });
    const same = (text: string, other: string): BehaviourTest => ({ kind: 'invariance', text, other });
    const less = (text: string, edited: string): BehaviourTest => ({
      kind: 'directional',
      text,
      edited,
      label: 'loan',
      mustNot: 'fall',
      by: 0.5,
    });
    const results = await askBehaviour(
      several,
      LABELS,
      [
        ...stored('plain', all('both', 'loan', 'card'), all('none'), all('both', 'card'), all('none', 'card')),
        ...stored('strict', all('one', 'card'), all('one'), all('unknown')),
        ...stored('same', same('both', 'also'), same('both', 'one'), same('none', 'unknown')),
        ...stored('moved', less('both', 'also'), less('both', 'none')),
      ],
      { decide: (chances) => labelsAbove(chances, [0.5, 0.7]) },
    );
    deepEqual(
      results.map(({ score, failures }) => [score.value, ...failures.map(({ line, problem }) => `${line} ${problem}`)]),
      [
        [0.5, '4 is card (0.60) and loan (0.90) instead of card (0.60)', '5 is none instead of card (0.10)'],
        [1 / 3, '3 is card (0.50) instead of none', '4 is answered with a probability that is no number'],
        [
          1 / 3,
          '3 is card and loan the one way and card the other',
          '4 is answered with a probability that is no number',
        ],
        [0.5, '3 loan goes from 0.90 to 0.20 and must not fall by more than 0.5'],
      ],
    );
  });

  it('ask both texts of a pair at once, in their order, and keep both of what fails', async () => {
    const chances: Readonly<Record<string, number>> = {
      'why|so': 0.2,
      'so|why': 0.9,
      'why?|so': 0.3,
      'why|as so': 0.1,
    };
    const pairs = {
      runAll: (inputs: readonly TextInput[]): Promise<ModelOutput> => {
        const loans = inputs.map((input) => chances[textsOf(input).join('|')] ?? Number.NaN);
        const probabilities = Float32Array.from(loans.flatMap((loan) => [1 - loan, loan]));
        return Promise.resolve({ rows: inputs.length, embeddings: new Float32Array(inputs.length), probabilities });
      },
    };
    const both = { text: 'why', pair: 'so' };
    const results = await askBehaviour(pairs, LABELS, [
      ...stored(
        'plain',
        { kind: 'minimum-functionality', ...both, label: 'card' },
        { kind: 'minimum-functionality', text: 'so', pair: 'why', label: 'card' },
      ),
      ...stored(
        'same',
        { kind: 'invariance', ...both, other: 'why?', otherPair: 'so' },
        { kind: 'invariance', ...both, other: 'so', otherPair: 'why' },
      ),
      ...stored('moved', {
        kind: 'directional',
        ...both,
        edited: 'why',
        editedPair: 'as so',
        label: 'loan',
        mustNot: 'fall',
        by: 0.05,
      }),
    ]);
    deepEqual(
      results.flatMap(({ failures }) => failures.map(({ file, line, texts }) => [`${file}:${line}`, texts])),
      [
        ['plain.csv:3', [['so', 'why']]],
        [
          'same.csv:3',
          [
            ['why', 'so'],
            ['so', 'why'],
          ],
        ],
        [
          'moved.csv:2',
          [
            ['why', 'so'],
            ['why', 'as so'],
          ],
        ],
      ],
    );
  });

  it('hold nothing where a probability is no number', async () => {
    const unknown = 'never seen';
    const results = await askBehaviour(model, LABELS, [
      ...stored('plain', minimum(unknown, 'card'), minimum(unknown, 'loan')),
      ...stored('same', { kind: 'invariance', text: unknown, other: unknown }),
      ...stored('moved', {
        kind: 'directional',
        text: unknown,
        edited: 'a loan',
        label: 'loan',
        mustNot: 'rise',
        by: 1,
      }),
    ]);
    deepEqual(
      results.map(({ score }) => score.value),
      [0, 0, 0],
    );
  });

  it('are listed without their texts, the first twenty failures', async () => {
    const wrong = Array.from({ length: 25 }, () => minimum('a card', 'loan'));
    const [listed] = listedBehaviour(await askBehaviour(model, LABELS, stored('plain', ...wrong)));
    equal(listed?.failures.length, 20);
    equal(listed.score.rows, 25);
    deepEqual(Object.keys(listed.failures[0]!).toSorted(), ['file', 'line', 'problem']);
  });
});

describe('the gates of behaviour tables', () => {
  const spec = { kind: 'minimum-functionality', file: 'plain.csv', min: 0.9, severity: 'fail' } as const;
  const failure = { file: 'plain.csv', line: 3, problem: 'is card instead of loan' };
  const result = (value: number) => ({
    name: 'plain',
    kind: 'minimum-functionality' as const,
    score: { value, interval: wilsonInterval(value * 10, 10), rows: 10 },
    failures: value === 1 ? [] : [failure],
  });

  it('judge the share itself, name the first test that does not hold, and fail what was not measured', () => {
    deepEqual(
      [1, 0.9, 0.8].map((value) => judgeBehaviour({ plain: spec }, [result(value)])[0]?.verdict),
      ['pass', 'pass', 'fail'],
    );
    const [failed] = judgeBehaviour({ plain: { ...spec, severity: 'warn' } }, [result(0.8)]);
    equal(failed?.verdict, 'warn');
    match(failed.reason, /behaviour\.plain\.min \(0\.9\); plain\.csv:3 is card instead of loan$/);
    equal(judgeBehaviour({ plain: spec }, [])[0]?.verdict, 'fail');
    equal(judgeBehaviour({ plain: spec }, [])[0]?.measured, null);
  });
});
