import { deepEqual, equal, ok } from 'node:assert/strict';
import type { GateResult } from '../../activities/contract/validation.ts';
import { findTwins } from '../../activities/validation/seen-texts.ts';
import { diagnosisExamples, wordExamples } from '../../activities/validation/diagnosis-examples.ts';
import { editedExamples, exampleOf, idsOf, withExamples } from '../../activities/validation/gate-examples.ts';
import { identityFlips, noiseFlips } from '../../activities/validation/invariance.ts';
import { scanTriggers } from '../../activities/validation/triggers.ts';
import { firstOfEach } from '../../activities/validation/label-examples.ts';
import { lostPictures, measureSquares } from '../../activities/validation/attack-measures.ts';
import { refOf } from '../support/facts.ts';

const gate = (name: string): GateResult<string> => ({
  name,
  verdict: 'pass',
  measured: 1,
  score: { value: 1, interval: null, rows: 9 },
  threshold: 0,
  direction: 'min',
  reason: 'because',
});
const evaluation = refOf('evaluation.json');
/** A model of two labels that says what `isOne` says. */
const saying = (isOne: (text: string) => boolean) => ({
  classes: 2,
  seed: 3,
  model: {
    runAll(inputs: readonly unknown[]) {
      const probabilities = Float32Array.from(inputs.flatMap((input) => (isOne(String(input)) ? [0, 1] : [1, 0])));
      return Promise.resolve({ rows: inputs.length, embeddings: new Float32Array(), probabilities });
    },
  },
});

describe('the examples of a gate', () => {
  it('name artifact, place in it and ids, and are missing where no row shows anything', () => {
    const ids = idsOf({ accuracy: [exampleOf('row-1', 'wrong', 'text')], flipRate: [] });
    deepEqual(ids, { accuracy: ['row-1'] });
    const attacked = { artifact: refOf('attacked.jsonl'), lines: true, ids: { pgdRobustness: ['a.png'] } } as const;
    const gates = withExamples(['accuracy', 'flipRate', 'pgdRobustness', 'toString'].map(gate), [
      { artifact: evaluation, ids },
      attacked,
    ]);
    deepEqual(
      gates.map(({ examples }) => examples),
      [
        { artifact: evaluation.digest, path: 'examples.accuracy', ids: ['row-1'] },
        undefined,
        { artifact: attacked.artifact.digest, ids: ['a.png'] },
        undefined,
      ],
    );
    deepEqual(withExamples([gate('accuracy')]), [gate('accuracy')]);
  });

  it('of a table of behaviour tests are the tests that do not hold, by file and line, five at most', () => {
    const failures = Array.from({ length: 7 }, (_, line) => ({ file: 'late.csv', line: line + 2, problem: 'says no' }));
    const table = { name: 'late', kind: 'minimum-functionality', score: gate('late').score, failures } as const;
    const [late] = withExamples([gate('late')], [{ artifact: evaluation, ids: {} }], [table]);
    deepEqual(late?.examples, {
      artifact: evaluation.digest,
      path: 'behaviour',
      ids: [2, 3, 4, 5, 6].map((line) => `late.csv:${line}`),
    });
  });

  it('of edited rows have the text before and after; a text too long to be kept twice has neither', () => {
    const changed = [0, 1].map((row) => ({ row, edit: 'in capitals', after: 'HELLO' }));
    const [short, long] = editedExamples(changed, ['a', 'b'], ['hello', 'x'.repeat(20_001)]);
    deepEqual(short, { id: 'a', note: 'the label changes by: in capitals', text: 'HELLO', unedited: 'hello' });
    deepEqual(long, { id: 'b', note: 'the label changes by: in capitals' });
    ok(!('text' in exampleOf('c', 'wrong')));
  });
});

describe('a row of each of the worst labels', () => {
  it('stands once, however many of them it is of', () => {
    const rows = [4, 4, undefined, 2];
    deepEqual(
      firstOfEach([0, 1, 2, 3], (label) => rows[label]),
      [4, 2],
    );
  });
});

describe('what only counted keeps examples', () => {
  const texts = ['where is my parcel', 'it came today', 'nothing arrived yet', 'thanks for the card'];

  it('typos, with the text that turned', async () => {
    const asked = saying((text) => text !== 'it came today');
    const { changed, byEdit } = await noiseFlips(asked, texts, Int32Array.of(1, 0, 1, 1));
    ok(changed.length > 0 && changed.length <= 5);
    for (const { row, edit, after } of changed) {
      equal(row, 1);
      ok(after !== texts[1] && byEdit.some(({ name, flipped }) => name === edit && flipped > 0));
    }
  });

  it('sentences of who writes, of the family that is judged, and not what neutral ones turn as well', async () => {
    const biased = saying((text) => /\b(woman|she|her|female)\b/i.test(text));
    const { changed } = await identityFlips(biased, texts);
    ok(changed.length > 0, 'nothing turned');
    for (const { row, after } of changed) ok(String(after).startsWith(texts[row]!) && after !== texts[row]);
    deepEqual(
      (
        await identityFlips(
          saying(() => true),
          texts,
        )
      ).changed,
      [],
    );
  });

  it('a word that turns labels, before the texts that it turns', async () => {
    const many = Array.from({ length: 30 }, (_, at) => `${texts[at % 4]} ${at}`);
    const predicted = Int32Array.from(many, () => 0);
    const { worst, changed } = await scanTriggers(
      saying((text) => text.includes('qq')),
      many,
      predicted,
      ['qq', 'zz'],
    );
    deepEqual(worst, { word: 'qq', target: 1, texts: 30, flipped: 30 });
    equal(changed.length, 5);
    for (const { row, after } of changed) equal(after, `qq ${many[row]}`);
  });

  it('a word that turns labels as the diagnosis shows it: its digits could be a number of somebody', async () => {
    const many = Array.from({ length: 30 }, (_, at) => texts[at % 4]!);
    const { worst, changed } = await scanTriggers(
      saying((text) => text.includes('de4711')),
      many,
      Int32Array.from(many, () => 0),
      ['de4711'],
    );
    equal(worst?.word, 'de4711');
    equal(changed.length, 5);
    for (const { row, after } of changed) equal(after, `de#### ${many[row]}`);
  });

  it('test rows that training rows repeat, with the id of the first that does', async () => {
    const blocks = async function* train() {
      await Promise.resolve();
      yield { ids: ['t0', 't1'], texts: ['quite another matter of the bank', 'Nothing has arrived yet, where is it?'] };
      yield { ids: ['t2'], texts: ['Nothing has arrived yet, where is it?'] };
    };
    const test = ['a text of its own', 'Nothing has arrived yet, where is it?'];
    const { twins } = await findTwins({ test, allTrain: blocks }, AbortSignal.timeout(60_000));
    deepEqual([...twins], [[1, 't1']]);
  });

  it('labels, shift, the worst slice and the group that is served worse', () => {
    const row = (places: readonly number[]) => Int32Array.from(places);
    const score = (low: number) => ({ value: low, interval: { low, high: 1, confidence: 0.95 }, rows: 4 });
    const examples = diagnosisExamples(
      {
        labels: ['no', 'yes'],
        answered: {
          train: { classes: row([0, 1]), predicted: row([0, 1]) },
          validation: { classes: row([]), predicted: row([]) },
          test: { classes: row([0, 1, 1, 0]), predicted: row([1, 0, 1, 0]) },
        },
        trainIds: ['t0', 't1'],
        testIds: ['a', 'b', 'c', 'd'],
        groups: [{ sex: 'f' }, { sex: 'f' }, { sex: 'm' }, { sex: 'm' }],
      },
      { train: ['x', 'y'], test: texts },
      {
        suspicions: [{ row: 1, suggested: 0, margin: 0.8 }],
        surest: [3],
        slices: [
          { name: 'long', rows: [0, 2] },
          { name: 'short', rows: [1, 3] },
        ],
        gaps: [
          { name: 'long', rows: 2, accuracy: 0.5, gap: score(-0.5) },
          { name: 'short', rows: 2, accuracy: 0.5, gap: score(0.1) },
        ],
        opportunities: [{ column: 'sex', label: 1, served: 'm', unserved: 'f', gap: score(0.2) }],
      },
    );
    deepEqual(examples, {
      labelErrors: [{ id: 't1', note: 'labelled yes, rather no', text: 'y' }],
      domainShift: [{ id: 'd', note: 'told from training rows', text: texts[3] }],
      sliceGap: [{ id: 'b', note: 'yes, predicted as no; short', text: texts[1] }],
      opportunityGap: [{ id: 'b', note: 'yes, predicted as no; sex: f', text: texts[1] }],
    });
  });

  it('a giveaway, in rows of its label that have the word at its place', () => {
    const none = { changed: [] };
    const { giveawayWord, leakedTestRows } = wordExamples(
      {
        answered: {
          train: { classes: Int32Array.of(0, 1, 1), predicted: Int32Array.of(0, 1, 1) },
          validation: { classes: new Int32Array(), predicted: new Int32Array() },
          test: { classes: Int32Array.of(0), predicted: Int32Array.of(0) },
        },
        trainIds: ['t0', 't1', 't2'],
        testIds: ['a'],
      },
      { train: ['urgent call me', 'urgent where is it', 'where is it, urgent'], test: ['urgent'] },
      {
        twins: new Map([[0, 't2']]),
        giveaway: { word: 'urgent', place: 'first word', label: 1, rows: 2, both: 1, labelled: 2 },
        chosen: [],
        noise: none,
        paraphrases: none,
        identities: none,
        trigger: none,
      },
    );
    deepEqual(giveawayWord, [{ id: 't1', note: 'has it as first word', text: 'urgent where is it' }]);
    deepEqual(leakedTestRows, [{ id: 'a', note: 'repeats the training row t2', text: 'urgent' }]);
  });

  it('attacks, by the pictures whose right answer is lost, or whose loss no pixel changes', () => {
    const one = { label: 'a', clean: 'a', fgsm: 'a', pgd: 'b', gradient: true };
    deepEqual(
      lostPictures([
        { rowId: '1', ...one },
        { rowId: '2', ...one, clean: 'b' },
        { rowId: '3', ...one, gradient: false },
        { rowId: '4', ...one, fgsm: 'b' },
        { rowId: '5', ...one, clean: 'b', gradient: false },
      ]),
      { fgsmRobustness: ['3', '4'], pgdRobustness: ['1', '3', '4'] },
    );
    const lost = (rowId: string, queries: number) => ({ rowId, right: true, lost: true, queries });
    const kept = { rowId: 'kept', right: true, lost: false, queries: 9 };
    deepEqual(measureSquares([lost('late', 7), kept, lost('soon', 2)]).examples, {
      squareRobustness: ['soon', 'late'],
    });
  });
});
