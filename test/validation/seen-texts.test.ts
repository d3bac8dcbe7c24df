import { deepEqual, equal, match } from 'node:assert/strict';
import { judgeGate } from '../../activities/validation/gates.ts';
import { sampleIndices, seededRandom } from '../../activities/validation/random.ts';
import { findTwins, seenScore } from '../../activities/validation/seen-texts.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';

const BLOCK = 1000;
const other = (row: number): string => `question ${row * 7919} of many`;

/** Training rows in blocks, of which one is what `at` says. */
async function* training(rows: number, at: ReadonlyMap<number, string>) {
  for (let from = 0; from < rows; from += BLOCK) {
    const places = Array.from({ length: Math.min(BLOCK, rows - from) }, (_, row) => from + row);
    yield await Promise.resolve({
      ids: places.map((row) => `t${row}`),
      texts: places.map((row) => at.get(row) ?? other(row)),
    });
  }
}
const { signal } = new AbortController();
const LIMIT = GatesSchema.parse({}).leakedTestRows;

describe('test texts that training texts repeat', () => {
  it('are found beyond the first hundred thousand training rows', async function () {
    this.timeout(120_000);
    const test = ['Where has my parcel been since Monday?', 'A text of its own, about nothing else'];
    const rows = new Map([[120_001, 'Where has my parcel been since Monday']]);
    const { twins, compared } = await findTwins({ test, allTrain: () => training(121_000, rows) }, signal);
    deepEqual([...twins], [[0, 't120001']]);
    deepEqual(compared, { rows: 121_000, partly: 0 });
  });

  it('are named with the first row that repeats them, also where two test texts are the same', async () => {
    const text = 'Where has my parcel been since Monday?';
    const rows = new Map([
      [3, `${text}!`],
      [5, text],
    ]);
    const test = [text, text, 'another matter'];
    const { twins } = await findTwins({ test, allTrain: () => training(10, rows) }, signal);
    deepEqual(Object.fromEntries(twins), { 0: 't3', 1: 't3' });
  });

  it('are found where they are short and a letter is wrong, whatever the case; not where a figure is another', async () => {
    const rows = new Map([
      [4, 'where  is my parsel?'],
      [6, 'Cancel order 6, please'],
    ]);
    const test = ['Where is my parcel?', 'Cancel order 5, please', 'another matter'];
    const { twins } = await findTwins({ test, allTrain: () => training(10, rows) }, signal);
    deepEqual(Object.fromEntries(twins), { 0: 't4' });
    const pair = (first: string): [string, string] => [first, 'a parcel'];
    async function* pairs() {
      yield await Promise.resolve({ ids: ['t1', 't2'], texts: [pair('Whose is that?'), pair('where is taht?')] });
    }
    deepEqual(
      Object.fromEntries((await findTwins({ test: [pair('Where is that?')], allTrain: pairs }, signal)).twins),
      {
        0: 't2',
      },
    );
  });

  it('are said to be more, maybe, where training rows were compared with only part of them', async () => {
    // Each has every other one of a hundred clauses, its own choice.
    const test = Array.from({ length: 300 }, (_, at) => {
      const random = seededRandom(at, 5);
      const clauses = Array.from({ length: 100 }, (_, clause) => `clause ${clause * 7919}`);
      return clauses.filter(() => random.below(2) === 0).join(', ');
    });
    const rows = new Map([
      [1, `${test[4]!}?`],
      [7, `${test[9]!}?`],
    ]);
    const { twins, compared } = await findTwins({ test, allTrain: () => training(10, rows) }, signal, 1000);
    deepEqual([...twins.keys()], [4, 9]);
    deepEqual(compared, { rows: 10, partly: 2 });
    const { leakedTestRows: gate } = GATE_TABLE;
    const told = judgeGate('leakedTestRows', gate, seenScore(twins.size, 150, compared), LIMIT).reason;
    match(
      told,
      /^leakedTestRows is 0\.\d+ \(2 of 10 training rows were compared with only part of the test rows, .*more may be seen\), above/,
    );
    const whole = judgeGate('leakedTestRows', gate, seenScore(3, 3000, { rows: 10, partly: 0 }), LIMIT);
    match(whole.reason, /^leakedTestRows is 0\.001, at most /);
  });

  it('are no texts in which a name is another, however few of them are asked about', async () => {
    const names =
      'mia ben tom eva kim ian amy leo zoe max joe ava sam lea jim pia ron una ted ivy rob liv pat noa'.split(' ');
    const days = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
    const forms = ['please call', 'i have to ring', 'a letter to', 'lunch with', 'no answer from', 'the keys of'];
    const all = forms.flatMap((form) => names.flatMap((name) => days.map((day) => `${form} ${name} on ${day}`)));
    const random = seededRandom(3, 1);
    const texts = [...sampleIndices(all.length, 500, random)].map((at) => all[at]!);
    const train = texts.slice(12);
    async function* allTrain() {
      yield await Promise.resolve({ ids: train.map((_, row) => `t${row}`), texts: train });
    }
    deepEqual([...(await findTwins({ test: texts.slice(0, 12), allTrain }, signal)).twins], []);
  });

  it('are said to be more, maybe, where a training row shares too much with too many short test texts', async () => {
    const said = (syllable: number): string => `이 글자는 ${String.fromCharCode(0xac00 + syllable)} 인데 어떻게 읽나요`;
    const test = Array.from({ length: 2000 }, (_, at) => said(at));
    const rows = new Map([
      [1, said(5000)],
      [2, said(5001)],
    ]);
    const { compared } = await findTwins({ test, allTrain: () => training(10, rows) }, signal);
    deepEqual(compared, { rows: 10, partly: 2 });
  });

  it('are looked for no longer than there are any left', async () => {
    let read = 0;
    const rows = new Map<number, string>();
    async function* allTrain() {
      for await (const block of training(5000, rows)) {
        read += 1;
        yield block;
      }
    }
    const long = (row: number): string =>
      `${other(row)}, asked by somebody who tells all that went before, and where, and when`;
    rows.set(7, long(7)).set(1003, long(1003));
    await findTwins({ test: [long(7), long(1003)], allTrain }, signal);
    equal(read, 2);
    // For short ones all are read before, for their words.
    await findTwins({ test: [other(8), other(1004)], allTrain }, signal);
    equal(read, 2 + 5 + 2);
  });

  it('end with the signal', async () => {
    const stopped = findTwins(
      { test: ['a text'], allTrain: () => training(20_000, new Map()) },
      AbortSignal.abort(new Error('enough')),
    ).then(
      () => 'went on',
      (error: Error) => error.message,
    );
    equal(await stopped, 'enough');
  });
});
