import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { better } from '../../activities/generation/choice.ts';
import { brokenCounts, chooseExamples, goodAnswers, type GoodAnswer } from '../../activities/generation/examples.ts';
import { judgeBy } from '../../activities/generation/judge.ts';
import { needsTraining } from '../../activities/generation/ranking.ts';
import { searchPrompt, type Asked, type NamedPrompt } from '../../activities/generation/search.ts';
import { promptVariants } from '../../activities/generation/variants.ts';
import { seededRandom, shuffleStart } from '../../activities/validation/random.ts';
import { shareScore } from '../../activities/validation/scores.ts';
import { AdherenceSchema, EXAMPLE_CHOICES, GeneratorSelectionSchema } from '../../pipelines/definition/generation.ts';
import { FIRST_PROMPTS, mostAnswers } from '../../pipelines/prompt-search.ts';
import { GuidelinesSchema } from '../../pipelines/guidelines/guidelines.ts';

const judge = judgeBy(
  GuidelinesSchema.parse({
    version: 1,
    checks: [
      { id: 'calm', kind: 'no-shouting' },
      { id: 'sorry', kind: 'required-phrases', phrases: ['sorry'], when: { promptMatches: 'late' } },
      { id: 'help', kind: 'required-phrases', phrases: ['help'], when: { promptMatches: 'broken' } },
    ],
  }),
);
const row = (prompt: string, completion: string) => ({ id: prompt, prompt, completion });
const TRAIN = [
  row('When do you open?', 'At nine.'),
  row('Where is your shop?', 'In the old town.'),
  row('My parcel is late', 'I am sorry about that.'),
  row('My parcel is late again', 'Bad luck.'),
  row('The cover is broken', 'We will help you.'),
  row('Do you sell maps of the old town?', 'YES WE DO SELL MAPS!!'),
];

// oxlint-disable-next-line require-await -- they are in memory already
async function* inOrder<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

describe('the examples that a model is shown', () => {
  let good: readonly GoodAnswer[];
  before(async () => {
    good = await goodAnswers(inOrder(TRAIN), TRAIN.length, judge, 7);
  });
  const users = (choice: (typeof EXAMPLE_CHOICES)[number], count: number, context = {}): readonly string[] =>
    chooseExamples(choice, good, count, { prompts: [], failed: new Map(), seed: 7, ...context }).map(
      ({ user }) => user,
    );

  it('are answers that keep the guidelines themselves', () => {
    assert.deepEqual(
      good.map(({ user }) => user).toSorted(),
      [TRAIN[0], TRAIN[1], TRAIN[2], TRAIN[4]].map((one) => one?.prompt ?? '').toSorted(),
    );
  });

  it('are the first good ones of a seeded order, however many rows there are', async () => {
    const count = 5000;
    const rows = Array.from({ length: count }, (_, at) =>
      row(`question ${at}`, at % 2 === 0 ? 'At nine.' : 'YES WE DO SELL MAPS!!'),
    );
    const pool = await goodAnswers(inOrder(rows), count, judge, 7);
    const order = rows.map((_, at) => at);
    shuffleStart(order, count, seededRandom(7, 1));
    const expected = order.filter((at) => at % 2 === 0).slice(0, 200);
    assert.deepEqual(
      pool.map(({ user }) => user),
      expected.map((at) => `question ${at}`),
    );
  });

  it('are each shown once, however many answers a dialogue was cut at, wherever its pieces stand', async () => {
    const dialogues = 300;
    const said = (dialogue: number, turn: number) => [
      { role: 'user', content: `question ${dialogue}.${turn}` } as const,
      { role: 'assistant', content: 'At nine.' } as const,
    ];
    const pieces = Array.from({ length: dialogues * 4 }, (_, at) => {
      const [dialogue, turn] = [at % dialogues, Math.floor(at / dialogues)];
      const history = Array.from({ length: turn }, (_one, earlier) => said(dialogue, earlier)).flat();
      return { ...row(`question ${dialogue}.${turn}`, 'At nine.'), ...(turn === 0 ? {} : { history }) };
    });
    const pool = await goodAnswers(inOrder(pieces), pieces.length, judge, 7);
    const order = pieces.map((_, at) => at);
    shuffleStart(order, order.length, seededRandom(7, 1));
    const expected = [...new Set(order.map((at) => `question ${at % dialogues}.0`))].slice(0, 200);
    assert.deepEqual(
      pool.map(({ user }) => user),
      expected,
    );
    for (const choice of EXAMPLE_CHOICES) {
      const shown = chooseExamples(choice, pool, 8, { prompts: ['question 7.3'], failed: new Map(), seed: 7 });
      assert.equal(new Set(shown.map(({ user }) => user)).size, 8, choice);
    }
    // Another answer to the same question is another example.
    const other = [row('When?', 'At nine.'), row('When?', 'At ten.'), row('When?', 'At nine.')];
    assert.equal((await goodAnswers(inOrder(other), 3, judge, 7)).length, 2);
  });

  it('are like what is asked, each like something else', () => {
    const prompts = ['Where is the shop of yours?', 'Where is your new shop?', 'Is my parcel late?'];
    assert.deepEqual(users('similar', 2, { prompts }), ['Where is your shop?', 'My parcel is late']);
  });

  it('show what was done wrong, the most frequent first', () => {
    const failed = brokenCounts([{ broken: ['help'] }, { broken: ['help', 'sorry'] }]);
    assert.deepEqual(users('covering', 2, { failed }), ['The cover is broken', 'My parcel is late']);
  });

  it('are the same for the same seed, all different, never more than there are', () => {
    for (const choice of EXAMPLE_CHOICES) {
      const chosen = users(choice, 16);
      assert.deepEqual(chosen, users(choice, 16));
      assert.equal(new Set(chosen).size, good.length);
    }
  });

  it('make variants of the rules and the systems, each once, up to the number asked for', () => {
    const context = { prompts: ['late'], failed: new Map(), seed: 7 };
    const { prompts } = GeneratorSelectionSchema.parse({
      prompts: { systems: ['Be brief.'], examples: [0, 4, 16], maxVariants: 64 },
    });
    const { variants, untried } = promptVariants(prompts, judge, good, context);
    assert.equal(untried, 0);
    assert.equal(new Set(variants.map(({ name }) => name)).size, variants.length);
    assert.equal(new Set(variants.map(({ prompt }) => JSON.stringify(prompt))).size, variants.length);
    assert.deepEqual(
      variants.filter(({ prompt }) => prompt.examples.length === 0).map(({ name }) => name),
      ['nothing', 'rules', 'system 1', 'system 1 and rules'],
    );
    assert.equal(
      variants.find(({ name }) => name === 'system 1 and rules')?.prompt.system,
      `Be brief.\n\n${judge.rules}`,
    );
    assert.equal(promptVariants({ ...prompts, maxVariants: 3 }, judge, good, context).untried, variants.length - 3);
  });
});

describe('the search for a prompt', () => {
  const named = (name: string): NamedPrompt => ({ name, prompt: { system: name, examples: [] } });
  const asked = (adherent: boolean, weighted: number, promptTokens = 10): Asked => ({
    judgement: { adherent, weighted, broken: [] },
    promptTokens,
    tokens: 5,
  });
  /** Variants that keep the guidelines with a chance of their own; `asks` counts what each was asked. */
  function modelOf(chances: readonly number[], seed: number) {
    const asks = new Map<string, number>();
    return {
      asks,
      variants: chances.map((_, index) => named(`v${index}`)),
      ask: ({ name }: NamedPrompt, from: number, to: number): Promise<readonly Asked[]> => {
        asks.set(name, (asks.get(name) ?? 0) + to - from);
        const index = Number(name.slice(1));
        return Promise.resolve(
          Array.from({ length: to - from }, (_, at) => {
            const adherent = seededRandom(seed, 1000 * index + from + at).uniform() < (chances[index] ?? 0);
            return asked(adherent, adherent ? 1 : 0.5);
          }),
        );
      },
    };
  }

  it('ends by the clock with the best so far, never before a first answer, and after as many tokens at the same place', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 9 }),
        fc.nat(12),
        fc.nat(1000),
        async (chances, looks, seed) => {
          const rules = { rows: 40, firstRows: 5, budgetTokens: 1e9 };
          const model = modelOf(chances, seed);
          let left = looks;
          const cut = await searchPrompt(model.variants, { ...rules, outOfTime: () => left-- <= 0 }, model.ask);
          assert.equal(cut.outOfTime, cut.stoppedBy !== null);
          assert.ok(cut.outcomes.length > 0);
          const budgetTokens = cut.outOfTime ? cut.tokens : rules.budgetTokens;
          const again = await searchPrompt(model.variants, { ...rules, budgetTokens }, model.ask);
          assert.deepEqual([again.best, again.variants, again.tokens], [cut.best, cut.variants, cut.tokens]);
        },
      ),
    );
  });

  it('asks the better ones more, nobody more than there are prompts, and is the same for the same answers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.nat(1000),
        async (chances, rows, firstRows, budgetTokens, seed) => {
          const model = modelOf(chances, seed);
          const rules = { rows, firstRows, budgetTokens };
          const found = await searchPrompt(model.variants, rules, model.ask);
          const most = Math.max(...model.asks.values());
          assert.equal(model.asks.get(found.best.name), most);
          assert.ok(most <= rows);
          assert.equal(found.tokens, 15 * [...model.asks.values()].reduce((sum, one) => sum + one, 0));
          // The budget ends it at the next question of a variant: never more than one round of one too many.
          assert.ok(found.tokens < budgetTokens + 15 * rows);
          if (found.stoppedBy === null) assert.equal(most, rows);
          assert.equal(found.variants[0]?.adherence.rows, found.outcomes.length);
          assert.deepEqual(await searchPrompt(model.variants, rules, modelOf(chances, seed).ask), found);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('finds the best of twelve with under half of the questions that asking all would take', async () => {
    const chances = [0.2, 0.3, 0.1, 0.4, 0.9, 0.3, 0.2, 0.5, 0.35, 0.25, 0.15, 0.45];
    let [right, share] = [0, 0];
    for (let seed = 0; seed < 40; seed += 1) {
      const model = modelOf(chances, seed);
      const { best } = await searchPrompt(model.variants, { rows: 100, firstRows: 12, budgetTokens: 1e9 }, model.ask);
      right += best.name === 'v4' ? 1 : 0;
      share += [...model.asks.values()].reduce((sum, one) => sum + one, 0) / (100 * chances.length) / 40;
    }
    assert.ok(right >= 38, `${right} of 40`);
    assert.ok(share < 0.5, `${share}`);
  });

  it('asks for just as many answers as a plan says at most, where there are as many prompts and variants', async () => {
    for (const [maxVariants, rows] of [
      [2, 5],
      [4, 12],
      [7, 41],
      [12, 100],
      [13, 333],
    ] as const) {
      const model = modelOf(
        Array.from({ length: maxVariants }, (_, at) => at / maxVariants),
        7,
      );
      await searchPrompt(model.variants, { rows, firstRows: FIRST_PROMPTS, budgetTokens: 1e9 }, model.ask);
      const asks = [...model.asks.values()].reduce((sum, one) => sum + one, 0);
      const { prompts } = GeneratorSelectionSchema.parse({
        prompts: { systems: ['a', 'b', 'c', 'd', 'e', 'f'], maxVariants, maxPrompts: rows },
      });
      assert.equal(mostAnswers(prompts), asks, `${maxVariants} variants, ${rows} prompts`);
    }
    const { prompts } = GeneratorSelectionSchema.parse({
      prompts: { systems: ['Be brief.'], examples: [0, 1, 2], maxVariants: 64, maxPrompts: 3 },
    });
    // Four ways to tell it what it is; no example, or one or two chosen in three ways.
    assert.equal(mostAnswers(prompts), 4 * (1 + 2 * 3) * 3);
  });

  it('takes the shorter one of two that are as good', async () => {
    const found = await searchPrompt(
      [named('long'), named('short')],
      { rows: 8, firstRows: 4, budgetTokens: 1e9 },
      ({ name }, from, to) =>
        Promise.resolve(Array.from({ length: to - from }, () => asked(true, 1, name === 'long' ? 90 : 12))),
    );
    assert.equal(found.best.name, 'short');
  });
});

describe('a model is tuned', () => {
  const spec = AdherenceSchema.parse({ target: 0.8, minCompletions: 50 });

  it('only where the lower end of the best prompt misses the target and there is enough to learn from', () => {
    assert.equal(needsTraining(shareScore(95, 100), spec, 500).needed, false);
    const unsure = needsTraining(shareScore(85, 100), spec, 500);
    assert.equal(unsure.needed, true);
    assert.match(
      unsure.reason,
      /85 % of 100 answers; the lower end of its interval, 76\.7 %, is under the target of 80 %: the model is tuned on 500 good answers/,
    );
    assert.equal(needsTraining(shareScore(85, 100), { ...spec, judgedBy: 'estimate' }, 500).needed, false);
    const few = needsTraining(shareScore(10, 100), spec, 49);
    assert.equal(few.needed, false);
    assert.match(few.reason, /49 good answers are too few/);
    assert.equal(needsTraining(shareScore(0, 0), spec, 500).needed, true);
  });

  it('and says so where no prompt could have shown it, for there were too few answers', () => {
    const spotless = needsTraining(shareScore(15, 15), spec, 500);
    assert.match(spotless.reason, /which 15 answers cannot show: 16 would have to keep the guidelines, one and all/);
    assert.equal(needsTraining(shareScore(16, 16), spec, 500).needed, false);
    assert.match(needsTraining(shareScore(9, 9), { ...spec, target: 1 }, 500).reason, /no number of answers can show/);
    assert.doesNotMatch(needsTraining(shareScore(9, 15), { ...spec, judgedBy: 'estimate' }, 500).reason, /cannot show/);
  });

  it('and taken where it is better beyond chance, or alone reaches the target; else the model stays as it came', () => {
    const contender = (name: string, kept: readonly number[]) => ({
      name,
      adherence: shareScore(
        kept.reduce((sum, one) => sum + one, 0),
        kept.length,
      ),
      rows: kept.map((one, index) => ({ rowId: String(index), adherent: one === 1 })),
    });
    const half = contender(
      'prompted',
      Array.from({ length: 100 }, (_, index) => index % 2),
    );
    const all = contender('tuned', Array(100).fill(1));
    assert.equal(better(half, all, spec).road, 'tuned');
    assert.equal(better(half, half, spec).road, 'prompted');
    assert.equal(better(all, half, spec).road, 'prompted');
    const luck = contender(
      'tuned',
      half.rows.map(({ adherent }, index) => (adherent || index === 0 ? 1 : 0)),
    );
    assert.match(better(half, luck, spec).reason, /that can be chance/);
  });
});
