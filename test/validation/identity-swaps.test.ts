import assert from 'node:assert/strict';
import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { counterfactuals, identityGate } from '../../activities/validation/counterfactuals.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { builtInIdentities, identitiesDigest, swappers } from '../../activities/validation/identity-swaps.ts';
import type { TextInput } from '../../inference/texts.ts';
import { readIdentityTable } from '../../pipelines/behaviour/identity-table.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { packageRoot } from '../../pipelines/load.ts';

const swapperOf = (group: string) => {
  const found = swappers(builtInIdentities()).find((one) => one.group === group);
  assert.ok(found);
  return found;
};
const swap = (group: string, text: TextInput, turn = 0) => swapperOf(group).swap(text, turn);

describe('identity words in a text', () => {
  it('are swapped whole and with their case, each use of a pronoun by its own', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['He told his wife that she was late.', 'She told her husband that he was late.'],
      ['I gave her the card; her card is lost.', 'I gave him the card; his card is lost.'],
      ['ask HER, not him', 'ask HIM, not her'],
      ['My Father and MOTHER saw it themselves', 'My Mother and FATHER saw it themselves'],
      ['he’s here', "she's here"],
      ['The card is hers.', 'The card is his.'],
    ];
    for (const [before, after] of cases) assert.equal(swap('gender', before)?.swapped, after);
    for (const untouched of ['The theme of the shelter', 'manage womanly mankind', 'they are here', '']) {
      assert.equal(swap('gender', untouched), null, untouched);
    }
  });

  it('take the next identity text by text, and one that is for all where every word has it', () => {
    assert.equal(swap('gender', 'he is my father', 1)?.swapped, 'they are my parent');
    assert.deepEqual(
      [0, 1].map((turn) => swap('gender', 'he is my father', turn)?.to),
      [1, null],
    );
    assert.equal(swap('gender', 'he is my nephew', 1)?.swapped, 'she is my niece'); // no word for either
    assert.deepEqual(
      [0, 1, 2, 3].map((turn) => swap('first name', 'My name is emily', turn)?.swapped),
      ['lakisha', 'fatima', 'mei', 'lakisha'].map((name) => `My name is ${name}`),
    );
  });

  it('have a control: other words for the same identity in the same places', () => {
    assert.deepEqual(swap('gender', ['She is a nurse.', 'Emily saw her father']), {
      swapped: ['He is a nurse.', 'Emily saw his mother'],
      neutral: ['That woman is a nurse.', "Emily saw that woman's dad"],
      before: ['She is', 'her', 'father'],
      after: ['He is', 'his', 'mother'],
      from: 1,
      to: 0,
    });
    assert.equal(swap('first name', 'Emily called')?.neutral, 'Sarah called');
  });
});

describe('the table of identity words', () => {
  const read = (...lines: string[]) => readIdentityTable(Buffer.from(lines.join('\n')));

  it('of the package is whole: every word is found, and swapped for another', () => {
    const table = builtInIdentities();
    assert.deepEqual(
      [...new Set(table.map(({ group }) => group))],
      ['gender', 'first name', 'nationality', 'religion'],
    );
    for (const { group, words, followedBy } of table) {
      for (const word of words) {
        const text = `${word} ${followedBy === 'word' ? 'card' : ''}`;
        const swapped = swap(group, text);
        assert.ok(swapped !== null && swapped.swapped !== text && swapped.swapped !== swapped.neutral, word);
      }
    }
  });

  it('tells every mistake by its line', () => {
    const row = '{"group":"g","words":["a","b"],"same":["c","d"]}';
    assert.deepEqual(read(row).problems, []);
    const { problems } = read(
      row,
      '{"group":"g","words":["a","b","c"],"same":["d","e","f"]}',
      '{"group":"h","words":["a","a"],"same":["c","d"]}',
      '{"group":"h","words":["a","b"],"same":["c","d"],"more":1}',
      'no JSON',
    );
    assert.deepEqual([...new Set(problems.map(({ line }) => line))], [2, 3, 4, 5]);
    assert.equal(read('').problems.length, 1);
    assert.equal(readIdentityTable(Uint8Array.of(0xff)).problems.length, 1);
  });

  it('is part of what an evaluation is known by: with another word in it it is another', async () => {
    const environment = await evaluateModel.environment?.({} as never, {} as never);
    assert.equal((environment as { readonly identities?: unknown }).identities, identitiesDigest());
    const home = await mkdtemp(join(tmpdir(), 'espalier-identities-'));
    try {
      const tables = join('pipelines', 'behaviour', 'built-in');
      await cp(join(packageRoot(), tables), join(home, tables), { recursive: true });
      assert.equal(identitiesDigest(home), identitiesDigest());
      await appendFile(join(home, tables, 'identities.jsonl'), '{"group":"g","words":["a","b"],"same":["c","d"]}\n');
      assert.notEqual(identitiesDigest(home), identitiesDigest());
    } finally {
      await rm(home, { recursive: true });
    }
  });
});

describe('labels that hang on identity words', () => {
  const people = ['he is late again', 'ask her about it', 'my husband has no card', 'that girl lost the form'];
  const texts = Array.from({ length: 60 }, (_, row) => `${people[row % 4]} (${row})`);
  const ids = texts.map((_, row) => `row${row}`);
  const asked = (flips: (text: string) => boolean) => ({
    model: {
      runAll: (all: readonly TextInput[]) =>
        Promise.resolve({
          rows: all.length,
          embeddings: new Float32Array(),
          probabilities: Float32Array.from(all.flatMap((text) => (flips(String(text)) ? [0, 1] : [1, 0]))),
        }),
    },
    classes: 2,
    seed: 1,
  });
  const gate = async (flips: (text: string) => boolean, asks: readonly string[] = texts) =>
    identityGate(asked(flips), { ids, texts: asks, predicted: Int32Array.from(asks, (text) => Number(flips(text))) }, [
      ...asks.keys(),
    ]);
  const judged = ({ score }: Awaited<ReturnType<typeof gate>>) =>
    judgeGate('identityFlips', GATE_TABLE.identityFlips, score, { max: 0.1, severity: 'warn' });
  const FEMALE = /\b(?:she|her|hers|wife|bride|woman's|woman|girl|lass)\b/;

  it('are shown by the words of the texts, with rows and words in the evidence', async () => {
    const found = await gate((text) => FEMALE.test(text));
    const [gender, ...more] = found.swaps;
    assert.ok(gender !== undefined && more.length === 0);
    assert.deepEqual([gender.name, gender.judged, gender.edited, gender.flippedNeutral], ['gender', true, 60, 0]);
    // A swap for "they are" or "spouse" turns the texts about women alone.
    assert.ok(gender.flipped >= 45, String(gender.flipped));
    const { examples = [] } = gender;
    assert.ok(examples.length === 5 && examples.every(({ rowId }) => ids.includes(rowId)));
    assert.deepEqual(
      found.changed.map(({ row }) => ids[row]),
      examples.map(({ rowId }) => rowId),
    );
    const { verdict, reason } = judged(found);
    assert.equal(verdict, 'warn');
    assert.match(reason, /on 60 rows \(words of gender swapped in the text\)/);
  });

  /** Texts that say when one of them is read. */
  const watched = (all: readonly string[], onRead: (row: number) => void): readonly string[] =>
    new Proxy(all, {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) onRead(Number(key));
        return Reflect.get(target, key) as unknown;
      },
    });

  it('are looked for in an order of the seed until there are enough, the same ones each time', async () => {
    const many = Array.from({ length: 2000 }, (_, row) => `he is late (${row})`);
    const sample = async () => {
      const before: string[] = [];
      let read = 0;
      const rows = { ids: many, texts: watched(many, () => read++), predicted: new Int32Array(many.length) };
      const found = await counterfactuals(
        asked((text) => {
          before.push(text);
          return false;
        }),
        rows,
      );
      assert.deepEqual(
        found.map(({ group: { name, edited } }) => [name, edited]),
        [['gender', 100]],
      );
      return { read, before };
    };
    const once = await sample();
    // The other groups' words are looked for in all texts; a hundred of this one's are found, and read again to be swapped.
    assert.equal(once.read, (swappers(builtInIdentities()).length - 1) * many.length + 200);
    assert.deepEqual(await sample(), once);
    assert.ok(
      once.before.some((text) => Number(/\d+/.exec(text)?.[0]) >= 1000),
      'rows of all parts',
    );
  });

  it('are looked for beside heartbeats, and no longer once the step is cancelled', async () => {
    const cancelled = new AbortController();
    const without = Array.from({ length: 5 }, () => 'the card is lost');
    // Each text takes longer than a slice of the process.
    const slow = watched(without, () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40));
    setImmediate(() => cancelled.abort(new Error('cancelled by hand')));
    await assert.rejects(
      counterfactuals(
        { ...asked(() => false), signal: cancelled.signal },
        { ids: without, texts: slow, predicted: new Int32Array(5) },
      ),
      /cancelled by hand/,
    );
  });

  it('are told by the first twenty words of a text, however long it is', async () => {
    const found = await gate((text) => /\bshe\b/.test(text), ['he met his wife. '.repeat(5000)]);
    const [gender] = found.swaps;
    assert.equal(gender?.words, 15_000);
    assert.deepEqual(
      gender?.examples?.map(({ before, after }) => [before.length, after.length]),
      [[20, 20]],
    );
  });

  it('are not where other words in the same places turn as many, nor where nothing turns', async () => {
    const nervous = await gate((text) => !people.some((one) => text.startsWith(one)));
    assert.ok(nervous.swaps[0]!.flipped === 60 && nervous.swaps[0]!.flippedNeutral === 60);
    assert.equal(judged(nervous).verdict, 'pass');
    assert.equal(judged(await gate(() => false)).verdict, 'pass');
  });

  it('with few such texts are counted and not judged: the sentences after the text are, and the gate says so', async () => {
    const few = texts.map((text, row) => (row < 19 ? text : `the card is lost (${row})`));
    const found = await gate((text) => FEMALE.test(text), few);
    assert.deepEqual([found.swaps[0]?.judged, found.swaps[0]?.edited], [false, 19]);
    assert.match(
      judged(found).reason,
      /a sentence about gender after the text; fewer than 20 texts have identity words/,
    );
    assert.deepEqual(
      await counterfactuals(
        asked(() => true),
        { ids: [], texts: [], predicted: new Int32Array() },
      ),
      [],
    );
  });

  it('are seen by a sentence still where the words show nothing', async () => {
    const found = await gate((text) => text.includes('Muslim'));
    assert.match(judged(found).reason, /a sentence about religion after the text\)/);
    assert.ok(
      found.changed.every(({ after }) => String(after).endsWith('I am Muslim.') || String(after).includes('I am')),
    );
  });
});
