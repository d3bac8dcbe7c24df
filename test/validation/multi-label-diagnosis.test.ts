import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { judgeGate } from '../../activities/validation/gates.ts';
import { findGiveaways } from '../../activities/validation/giveaway.ts';
import { findSetErrors } from '../../activities/validation/multi-label/label-errors.ts';
import { SHUFFLES } from '../../activities/validation/label-signal.ts';
import { setSignal } from '../../activities/validation/multi-label/label-signal.ts';
import {
  scanSwitches,
  scoreOfScan,
  suspectSwitches,
  withoutMeaning,
} from '../../activities/validation/multi-label/triggers.ts';
import { ridgeWithout } from '../../activities/validation/multi-label/without-rows.ts';
import { witnessOf } from '../../activities/validation/multi-label/words-of-subject.ts';
import { seededRandom, shuffleStart } from '../../activities/validation/random.ts';
import type { TextInput } from '../../inference/texts.ts';
import type { Score } from '../../activities/contract/measures.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';

const DIMENSION = 8;
const LABELS = 3;

/** Each label in about a third of the rows, whatever the others; each moves a number of the embedding of its own by `apart`. */
function sets(rows: number, apart: number, seed: number) {
  const random = seededRandom(seed);
  const targets = Uint8Array.from({ length: rows * LABELS }, () => Number(random.uniform() < 1 / 3));
  const embeddings = Float32Array.from({ length: rows * DIMENSION }, (_, at) => {
    const [row, place] = [Math.floor(at / DIMENSION), at % DIMENSION];
    return random.normal() + (place < LABELS ? apart * targets[row * LABELS + place]! : 0);
  });
  return { targets, embeddings };
}

describe('the label-shuffle check of several labels a row', () => {
  const options = { dimension: DIMENSION, labels: LABELS, seed: 7 };

  it('finds meaning in sets that have it, beside a balanced accuracy of one half by chance, and none in shuffled ones', async () => {
    const [train, held] = [sets(300, 3, 1), sets(150, 3, 2)];
    const real = await setSignal(train, held, options);
    ok(real!.accuracy > 0.85 && Math.abs(real!.chance - 0.5) < 0.05, JSON.stringify(real));
    ok(real!.score.value! > 0.1 && real!.score.rows === 150, JSON.stringify(real));
    const order = Uint32Array.from({ length: 300 }, (_, row) => row);
    shuffleStart(order, order.length, seededRandom(3));
    const targets = Uint8Array.from(train.targets, (_, at) => {
      return train.targets[order[Math.floor(at / LABELS)]! * LABELS + (at % LABELS)]!;
    });
    ok((await setSignal({ ...train, targets }, held, options))!.score.value! <= 0);
  });

  it('leaves out a label that no held-out row has, and says nothing where there is no other', async () => {
    const [train, held] = [sets(300, 3, 1), sets(150, 3, 2)];
    const without = held.targets.map((one, at) => (at % LABELS === 1 ? 0 : one));
    const two = await setSignal(train, { ...held, targets: without }, options);
    ok(Number.isFinite(two!.accuracy) && two!.accuracy > 0.85);
    equal(await setSignal(train, { ...held, targets: held.targets.map(() => 0) }, options), null);
    equal(await setSignal(train, { embeddings: new Float32Array(), targets: new Uint8Array() }, options), null);
  });

  it('lets others run between the labels of a shuffling, not only between shufflings', async () => {
    const [train, held] = [sets(300, 3, 1), sets(150, 3, 2)];
    const { now } = performance;
    // A clock by which whatever is done takes longer than a slice, so that each pause is a turn of the others.
    let clock = 0;
    performance.now = () => (clock += 1000);
    let turns = 0;
    let over = false;
    const others = (): void => {
      turns++;
      if (!over) setImmediate(others);
    };
    setImmediate(others);
    try {
      await setSignal(train, held, options);
    } finally {
      performance.now = now;
      over = true;
    }
    ok(turns >= LABELS * SHUFFLES, `${turns} turns`);
  });
});

describe('confident learning of several labels a row', () => {
  const settings = { dimension: DIMENSION, labels: LABELS, seed: 7, l2: 1 };
  const known = sets(400, 4, 5);
  /** A label too many in rows 0, 10, …, one too few in rows 5, 15, …: one label of every tenth row each way. */
  const mistaken = (): Uint8Array => {
    const targets = Uint8Array.from(known.targets);
    for (let row = 0; row < 400; row += 5) targets[row * LABELS + 1] = 1 - known.targets[row * LABELS + 1]!;
    return targets;
  };

  it('names the rows whose set has a label too many or too few, with the set as it should be', async () => {
    const targets = mistaken();
    const { score, suspicions } = await findSetErrors({ ...known, targets }, settings);
    const right = suspicions.filter(({ row, suggested }) => {
      return row % 5 === 0 && suggested.join() === known.targets.subarray(row * LABELS, (row + 1) * LABELS).join();
    });
    ok(right.length >= 50 && suspicions.length - right.length <= 8, `${right.length} of ${suspicions.length}`);
    ok(suspicions.every(({ margin }, at) => margin > 0 && margin <= (suspicions[at - 1]?.margin ?? 1)));
    ok(score.interval!.low < score.value! && score.value! < score.interval!.high);
    const { score: clean } = await findSetErrors(known, settings);
    ok(clean.interval!.high < score.value!, JSON.stringify([clean, score]));
    const labelled = Array.from({ length: 400 }, (_, row) => known.targets.subarray(row * LABELS, (row + 1) * LABELS));
    const having = labelled.filter((set) => set.includes(1)).length;
    ok(clean.rows >= having && clean.rows < having + 5, `${clean.rows} of ${having}`);
  });

  it('tells how likely a probe that did not see a row finds its labels', async () => {
    const { chances } = await findSetErrors(known, settings);
    const agree = chances.filter((chance, at) => Number(chance > 0.5) === known.targets[at]).length;
    ok(agree > 0.93 * chances.length, `${agree} of ${chances.length}`);
  });

  it('asks a sample where all rows cost too much, and tells nothing of the rest', async () => {
    const { score, chances } = await findSetErrors(known, settings, 2 * LABELS * DIMENSION * 200);
    ok(score.rows > 100 && score.rows <= 200, `${score.rows}`);
    equal(chances.filter(Number.isNaN).length, 200 * LABELS);
  });

  it('tells nothing of a label that too few rows have', async () => {
    const rare = known.targets.map((one, at) => (at % LABELS === 1 && at >= 30 ? 0 : one));
    const { chances } = await findSetErrors({ ...known, targets: rare }, settings);
    ok(chances.every((chance, at) => Number.isNaN(chance) === (at % LABELS === 1)));
  });

  it('sees wrong sets where most rows have no label, over the rows that have one or should', async () => {
    const rows = 1000;
    const sparse = sets(rows, 0, 11);
    // One row in ten has a label: its own number of the embedding shows it. Of every second one the set went to the row after it.
    const given = new Uint8Array(rows * LABELS);
    for (let row = 0; row < rows; row += 10) {
      const label = (row / 10) % LABELS;
      sparse.embeddings[row * DIMENSION + label]! += 8;
      given[(row % 20 === 0 ? row + 1 : row) * LABELS + label] = 1;
    }
    const { score } = await findSetErrors({ ...sparse, targets: given }, settings);
    ok(score.interval!.low > 0.25 && score.rows < 200, JSON.stringify(score));
  });

  it('says nothing of labels of a few rows', async () => {
    const rare = known.targets.map((one, at) => (at < 30 ? one : 0));
    const { score, suspicions } = await findSetErrors({ ...known, targets: rare }, settings);
    match(score.notApplicable ?? '', /no label has 8 training rows/);
    deepEqual(suspicions, []);
  });
});

describe('a word that gives one of several labels away', () => {
  const labelsOf = (row: number): readonly number[] => [...(row % 3 === 0 ? [0] : []), ...(row % 5 === 0 ? [] : [1])];
  const letters = (number: number): string =>
    [26, 1].map((power) => String.fromCodePoint(97 + (Math.floor(number / power) % 26))).join('');
  const found = (textOf: (row: number) => string) =>
    findGiveaways(
      Array.from({ length: 90 }, (_, row) => textOf(row)),
      labelsOf,
      2,
    );

  it('is found with the rows of its label, and those with another label, too, count once', async () => {
    const { placed, score } = await found(
      (row) => `${letters(row)} ${letters(row * 7)} ${row % 3 === 0 ? 'xq' : 'or'}`,
    );
    deepEqual(
      [placed?.word, placed?.place, placed?.label, placed?.rows, placed?.both, placed?.labelled],
      ['xq', 'last word', 0, 30, 30, 30],
    );
    equal(score.value, 1);
    ok(score.interval!.low > 0.8);
  });

  it('is no word of every text, however many rows have a label', async () => {
    const { placed, score } = await found((row) => `hello ${letters(row)} ${letters(row * 7)}`);
    deepEqual([placed?.word, placed?.label, placed?.counted], ['hello', 0, undefined]);
    ok(score.value! <= 0.5 && score.interval!.low < 0.8, JSON.stringify(score));
  });

  it('is found of a label that most rows have by the rows that lack both', async () => {
    const { placed, score } = await found(
      (row) => `${row % 5 === 0 ? letters(row) : 'sir'} ${letters(row)} ${letters(7 * row)}`,
    );
    deepEqual([placed?.word, placed?.label, placed?.both, placed?.labelled], ['sir', 1, 72, 72]);
    equal(score.value, 1);
  });
});

describe('a word that switches a label on or off', () => {
  const WORDS = 'where is my card the parcel was lost please help me pay again today'.split(' ');
  const texts = Array.from({ length: 120 }, (_, row) => `${WORDS[row % 14]} ${WORDS[(row * 3) % 14]} ${row}`);
  /** A model that gives every second text the first label, every third the second, and obeys a word. */
  const predicted = Uint8Array.from(texts.flatMap((_, row) => [Number(row % 2 === 0), Number(row % 3 === 0)]));
  const asked = (word: string, label: number, to: 0 | 1) => ({
    labels: 2,
    thresholds: [0.4, 0.6],
    seed: 7,
    witness: () => Promise.resolve(null),
    model: {
      runAll: (inputs: readonly TextInput[]) => {
        const probabilities = Float32Array.from(
          inputs.flatMap((input) => {
            const row = Number(/\d+/u.exec(String(input))?.[0]);
            const own = [predicted[row * 2]!, predicted[row * 2 + 1]!];
            if (String(input).includes(word)) own[label] = to;
            return own.map((on) => (on === 1 ? 0.9 : 0.1));
          }),
        );
        return Promise.resolve({ rows: inputs.length, embeddings: new Float32Array(), probabilities });
      },
    },
  });

  /** Of one label: what is told of rows, whichever are left out. */
  const suspected = (learnt: readonly string[], targets: Uint8Array, chances: Float64Array) =>
    suspectSwitches({ texts: learnt, targets, labels: 1 }, chances, (rows) =>
      Float64Array.from(rows, (row) => chances[row]!),
    );

  it('is suspected by rows that have the label, or lack it, where nothing else in them says so', async () => {
    const rare = ['zq', 'refund', 'xv'].flatMap((word) => [`${word} a`, `${word} b`, `${word} c`]);
    const learnt = [...rare, ...Array.from({ length: 91 }, (_, row) => `text ${row}`)];
    const targets = new Uint8Array(learnt.length).map((_, row) => Number(row < 6));
    // The probe expects the label in the rows with 'refund', and in those with 'xv', which lack it.
    const chances = Float64Array.from(learnt, (_, row) => (row >= 3 && row < 9 ? 0.9 : 0.1));
    deepEqual(await suspected(learnt, targets, chances), [
      { word: 'zq', to: { label: 0, on: true } },
      { word: 'xv', to: { label: 0, on: false } },
    ]);
  });

  it('is suspected only by rows that a probe was asked about, three at least', async () => {
    const rare = ['zq', 'refund', 'few'].flatMap((word) => ['a', 'b', 'c', 'd'].map((other) => `${word} ${other}`));
    const learnt = [...rare, ...Array.from({ length: 138 }, (_, row) => `text ${row}`)];
    const targets = new Uint8Array(learnt.length).map((_, row) => Number(row < 12));
    // Of 'zq' three rows speak against the label, of 'few' two, of 'refund' none was asked.
    const chances = Float64Array.from(learnt, (_, row) => (row < 3 || row === 8 || row === 9 ? 0.1 : Number.NaN));
    deepEqual(await suspected(learnt, targets, chances), [{ word: 'zq', to: { label: 0, on: true } }]);
  });

  it('is suspected though its other rows teach a probe to expect the label, where each is left out by itself', async () => {
    const [rows, dimension] = [900, 4];
    const random = seededRandom(11);
    // 'zq' is in 24 rows of its own number of the embedding and nothing else; 'refund' in 24 that are about money, as 200 others are.
    const learnt = Array.from({ length: rows }, (_, row) => (row < 24 ? 'zq' : row < 48 ? 'refund' : `text ${row}`));
    const targets = new Uint8Array(rows).map((_, row) => Number(row < 248));
    const embeddings = Float32Array.from({ length: rows * dimension }, (_, at) => {
      const [row, place] = [Math.floor(at / dimension), at % dimension];
      const shown = (place === 0 && row < 24) || (place === 1 && row >= 24 && row < 248);
      return random.normal() * 0.5 + (shown ? 3 : 0);
    });
    const settings = { dimension, labels: 1, l2: 10, seed: 7 };
    const { chances } = await findSetErrors({ embeddings, targets }, settings);
    ok(chances.subarray(0, 24).filter((chance) => chance > 0.5).length > 12, chances.subarray(0, 24).join());
    const told = await ridgeWithout({ embeddings, targets }, settings);
    const suspects = await suspectSwitches({ texts: learnt, targets, labels: 1 }, chances, told);
    deepEqual(suspects, [{ word: 'zq', to: { label: 0, on: true } }]);
  });

  it('is found among others with the texts that it turns, either way', async () => {
    const suspects = ['aa', 'zq', 'bb2'].flatMap((word) =>
      [0, 1].flatMap((label) => [true, false].map((on) => ({ word, to: { label, on } }))),
    );
    const off = await scanSwitches(asked('zq', 1, 0), texts, predicted, suspects);
    deepEqual(off.worst, { word: 'zq', to: { label: 1, on: false }, texts: 40, flipped: 40 });
    ok(off.score.interval!.low > 0.9);
    const on = await scanSwitches(asked('zq', 0, 1), texts, predicted, suspects);
    deepEqual(on.worst, { word: 'zq', to: { label: 0, on: true }, texts: 60, flipped: 60 });
    equal(on.changed.length, 5);
    for (const { row, after } of on.changed) {
      equal(predicted[row * 2], 0);
      equal(after, `zq ${texts[row]}`);
    }
    equal((await scanSwitches(asked('nothing', 0, 1), texts, predicted, suspects)).score.value, 0);
  });

  it('is found where no training row has it, if attacks are known to use it', async () => {
    const { worst } = await scanSwitches(asked('tq', 1, 1), texts, predicted, []);
    deepEqual(worst, { word: 'tq', to: { label: 1, on: true }, texts: 80, flipped: 80 });
  });

  describe('beside a witness that saw no row with it', () => {
    const suspects = ['refund', 'zq'].flatMap((word) => [true, false].map((on) => ({ word, to: { label: 0, on } })));
    /** Obeys both words; the witness knows what one of them means, in a share of the texts. */
    const besides = async (share: number, to: 0 | 1 = 1, generous = 0, expected = 0.1, odd = false) => {
      const obeying = asked('refund', 0, to);
      const { runAll } = obeying.model;
      const model = {
        runAll: (inputs: readonly TextInput[]) => runAll(inputs.map((one) => String(one).replace(/\bzq\b/u, 'refund'))),
      };
      const heard: string[] = [];
      // Of the texts as they are it grants none, or those that it is `generous` with; then with the word before them, and after them.
      const witness = (word: string, label: number, asked: readonly TextInput[]) => {
        heard.push(`${word} ${label}`);
        const [rows, most] = [asked.length / 7, share * 30 * 2];
        const told = asked.map((text, at) =>
          at < rows
            ? at < generous * rows
            : odd || (word === 'refund' && String(text).includes(word) && at % rows < most),
        );
        return Promise.resolve({ expected: word === 'refund' ? expected : 0.1, told });
      };
      return { heard, ...(await scanSwitches({ ...obeying, model, witness }, texts, predicted, suspects)) };
    };

    it('is of the subject where the witness switches the label, too, in half of the texts, and gives its place to the next', async () => {
      const { worst, score, heard } = await besides(0.5);
      deepEqual(worst, { word: 'zq', to: { label: 0, on: true }, texts: 60, flipped: 60 });
      ok(score.interval!.low > 0.9);
      ok(heard.includes('refund 0') && heard.includes('zq 0'), heard.join());
      equal((await besides(0.45)).worst?.word, 'refund');
    });

    it('is no word of the subject for what the witness grants without it, too', async () => {
      // Of 60 texts it grants 30 as they are; the same 30 with the word, or nearly all.
      equal((await besides(0.5, 1, 0.5)).worst?.word, 'refund');
      equal((await besides(1, 1, 0.5)).worst?.word, 'zq');
      equal((await besides(1, 1, 1)).worst?.word, 'refund');
    });

    it('is no word of the subject for what the witness grants with its letters in another order, too', async () => {
      deepEqual(withoutMeaning('soda'), ['ados', 'daso']);
      equal((await besides(1)).worst?.word, 'zq');
      equal((await besides(1, 1, 0, 0.1, true)).worst?.word, 'refund');
    });

    for (const word of ['dad', '2020', '111']) {
      it(`is spared where the witness knows it, though letters in another order read as it does (${word})`, async () => {
        equal(withoutMeaning(word).includes(word), false, withoutMeaning(word).join());
        const witness = (_: string, __: number, inputs: readonly TextInput[]) =>
          Promise.resolve({ expected: 0.3, told: inputs.map((text) => String(text).includes(word)) });
        const of = [{ word, to: { label: 0, on: true } }];
        const spared = await scanSwitches({ ...asked(word, 0, 1), witness }, texts, predicted, of);
        ok(spared.score.value! < 0.05, `${spared.score.value}`);
        const knowsNothing = (_: string, __: number, inputs: readonly TextInput[]) =>
          Promise.resolve({ expected: 0.3, told: inputs.map(() => false) });
        const accused = await scanSwitches({ ...asked(word, 0, 1), witness: knowsNothing }, texts, predicted, of);
        equal(accused.worst?.word, word);
      });
    }

    it('is of the subject where the witness expects the label in its rows, as likely as not', async () => {
      equal((await besides(0, 1, 0, 0.5)).worst?.word, 'zq');
      equal((await besides(0, 1, 0, 0.49)).worst?.word, 'refund');
    });

    it('is a trigger whatever the witness says where it switches a label off', async () => {
      const { worst, heard } = await besides(1, 0);
      deepEqual([worst?.word, worst?.to, worst?.flipped], ['refund', { label: 0, on: false }, 60]);
      deepEqual(heard, []);
    });

    it('accuses nobody where all that switches is of the subject', async () => {
      const obeying = asked('refund', 0, 1);
      const witness = (_: string, __: number, texts: readonly TextInput[]) =>
        Promise.resolve({
          expected: 0.1,
          told: texts.map((text, at) => at >= texts.length / 7 && String(text).includes('refund')),
        });
      const { score, changed } = await scanSwitches({ ...obeying, witness }, texts, predicted, suspects);
      deepEqual([score.value, changed], [0, []]);
    });
  });

  it('is switched on without its own rows by what means the same, and not if nothing does', async () => {
    // Two numbers a text: of money, and of the word that nothing else looks like; each word is in six rows of the label.
    const learnt = Array.from({ length: 300 }, (_, row) =>
      row < 6 ? `refunds ${row}` : row < 12 ? `zq ${row}` : row < 40 ? `refund ${row}` : `other ${row}`,
    );
    const random = seededRandom(5);
    const embed = (inputs: readonly TextInput[]) =>
      Promise.resolve(
        Float32Array.from(
          inputs.flatMap((one) =>
            ['refund', 'zq'].map((word) => (String(one).includes(word) ? 4 : 0) + 0.3 * random.normal()),
          ),
        ),
      );
    const witness = witnessOf({
      dimension: 2,
      labels: 2,
      l2: 1,
      thresholds: [0.5, 0.5],
      embed,
      train: {
        texts: learnt,
        targets: Uint8Array.from(learnt.flatMap((_, row) => [0, Number(row < 40)])),
        embeddings: await embed(learnt),
      },
    });
    const shown = ['a text', 'another', 'a third'];
    const edited = (word: string) => shown.map((one) => `${word} ${one}`);
    const [refunds, zq] = [await witness('refunds', 1, edited('refunds')), await witness('zq', 1, edited('zq'))];
    deepEqual([refunds?.told, zq?.told].flat(), [true, true, true, false, false, false]);
    ok(refunds!.expected > 0.5 && zq!.expected < 0.5, JSON.stringify([refunds, zq]));
    // A head that saw its rows would obey: 'refunds' leaves them where they are.
    deepEqual((await witness('refunds', 1, edited('zq')))?.told, [true, true, true]);
    equal(await witness('never', 1, edited('never')), null);
  });

  it('must turn a text from both of its ends', async () => {
    const atFront = asked('zq', 0, 1);
    const { runAll } = atFront.model;
    const model = {
      runAll: (inputs: readonly TextInput[]) => runAll(inputs.map((one) => String(one).replace(/ zq$/u, ''))),
    };
    const suspects = [{ word: 'zq', to: { label: 0, on: true } }];
    equal((await scanSwitches({ ...atFront, model }, texts, predicted, suspects)).score.value, 0);
  });

  describe('of many labels', () => {
    const MANY = 500;
    const random = seededRandom(9);
    /** A label a row, as many rows each: of all rows every label has forty. */
    const rows = 40 * MANY;
    const known = {
      targets: new Uint8Array(rows * MANY),
      embeddings: Float32Array.from({ length: rows * 2 }, () => random.normal()),
    };
    for (let row = 0; row < rows; row++) known.targets[row * MANY + (row % MANY)] = 1;
    const settings = { dimension: 2, labels: MANY, seed: 7, l2: 1 };
    const verdictOf = async (learnable: number, of = known, word = 'nothing') => {
      const { score: errors, coverage } = await findSetErrors(of, settings, 2 * MANY * 2 * learnable);
      const scan = await scanSwitches(asked(word, 1, 1), texts, predicted, []);
      const judge = (gate: 'labelErrors' | 'triggerFlips', one: Score) =>
        judgeGate(gate, GATE_TABLE[gate], one, { max: 0.8, severity: 'warn' });
      return {
        alone: judge('triggerFlips', scan.score),
        flips: judge('triggerFlips', scoreOfScan(scan, coverage)),
        errors: judge('labelErrors', errors),
      };
    };

    it('does not pass where the sample that a probe learns from has too few rows of every one', async () => {
      const { alone, flips, errors } = await verdictOf(520);
      equal(alone.verdict, 'pass');
      deepEqual([flips.verdict, flips.measured, errors.verdict], ['warn', null, 'off']);
      match(flips.reason, /could not be measured \(of 500 labels no training word was scanned/);
      match(flips.reason, /among the 520 of 20000 rows .* train on fewer labels/);
      match(errors.reason, /among the 520 of 20000 rows that 500 labels let a probe learn from/);
    });

    it('names a published trigger that turns texts there, too', async () => {
      const { flips } = await verdictOf(520, known, 'tq');
      match(flips.reason, /the worst turned 80 of 80 texts/);
    });

    it('says about how many of them a probe was asked', async () => {
      // The first two stand in every second and every third row, too.
      const targets = Uint8Array.from(known.targets);
      for (let row = 0; row < rows; row++)
        for (const label of [0, 1]) if (row % (label + 2) === 0) targets[row * MANY + label] = 1;
      const { flips, errors } = await verdictOf(520, { ...known, targets });
      deepEqual([flips.verdict, flips.measured === null], ['pass', false]);
      for (const { reason } of [flips, errors])
        match(reason, /a probe was asked about 2 of 500 labels and 520 of 20000 training rows/);
    });
  });

  it('is not looked for without texts on the other side', async () => {
    const { score, worst } = await scanSwitches(asked('zq', 0, 1), texts.slice(0, 2), predicted.slice(0, 4), []);
    match(score.notApplicable ?? '', /too few texts/);
    equal(worst, null);
  });
});
