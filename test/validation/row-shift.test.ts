import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { judgeGate } from '../../activities/validation/gates.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { pictureShift, textShift } from '../../activities/validation/row-shift.ts';
import { twoSampleTest } from '../../activities/validation/shift.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';

const DIMENSION = 48;
const { signal } = new AbortController();
const limit = GatesSchema.parse({}).domainShift;
const verdict = (score: Parameters<typeof judgeGate>[2]) =>
  judgeGate('domainShift', GATE_TABLE.domainShift, score, limit).verdict;

interface Made {
  readonly texts: readonly string[];
  readonly classes: Int32Array;
  readonly embeddings: Float32Array;
}

/** Rows of one kind: each `forms` times, with a letter more in its text and near itself. */
const kind = (seed: number) => {
  const random = seededRandom(seed, 5);
  const normal = (): Float32Array => Float32Array.from({ length: DIMENSION }, () => random.normal());
  const letters = (): string => Array.from({ length: 6 }, () => String.fromCharCode(97 + random.below(26))).join('');
  const centres = Array.from({ length: 4 }, normal);
  return (count: number, { forms = 1, away = 0 } = {}): Made => {
    const texts: string[] = [];
    const classes = new Int32Array(count);
    const embeddings = new Float32Array(count * DIMENSION);
    let [source, label, scene] = ['', 0, normal()];
    for (let row = 0; row < count; row++) {
      if (row % forms === 0) {
        source = Array.from({ length: 8 }, letters).join(' ');
        label = random.below(4);
        const own = normal();
        scene = centres[label]!.map((number, at) => number + own[at]! + (at === 0 ? away : 0));
      }
      texts.push(row % forms === 0 ? source : `${source.slice(0, 9)}${letters()[0]}${source.slice(9)}`);
      classes[row] = label;
      embeddings.set(
        scene.map((number) => number + 0.2 * random.normal()),
        row * DIMENSION,
      );
    }
    return { texts, classes, embeddings };
  };
};
const joined = (one: Made, other: Made): Made => ({
  texts: [...one.texts, ...other.texts],
  classes: Int32Array.from([...one.classes, ...other.classes]),
  embeddings: Float32Array.from([...one.embeddings, ...other.embeddings]),
});
const compared = (train: Made, test: Made, seed = 3) => {
  const frozen = { dimension: DIMENSION, train: train.embeddings, test: test.embeddings };
  const options = { seed, signal };
  return {
    texts: () => textShift(frozen, { train: train.texts, test: test.texts }, options),
    pictures: () => pictureShift(frozen, { train: train.classes, test: test.classes }, options),
    plain: () => twoSampleTest(train.embeddings, test.embeddings, DIMENSION, options),
  };
};

describe('the domain shift of a classifier', function () {
  this.timeout(60_000);

  it('is not told of forms of one text, nor of bursts, on one side or both, which a test row by row tells', async () => {
    let told = 0;
    for (const seed of [1, 2, 3]) {
      const made = kind(seed);
      const test = made(400, { forms: 10 });
      for (const train of [made(500), made(500, { forms: 10 })]) {
        const asked = compared(train, test, seed);
        told += Number(verdict((await asked.plain()).score) === 'warn');
        for (const way of [asked.texts, asked.pictures]) {
          const { score } = await way();
          equal(verdict(score), 'pass', JSON.stringify(score));
        }
      }
      equal(verdict((await compared(made(500, { forms: 5 }), made(200), seed).texts()).score), 'pass');
    }
    ok(told > 0, 'these rows would not need it');
  });

  it('is told of rows half or all from elsewhere, in forms and bursts, too, which are named', async () => {
    const made = kind(7);
    const train = made(600);
    for (const forms of [1, 4]) {
      const half = compared(train, joined(made(200, { forms }), made(200, { forms, away: 9 })));
      for (const way of [half.texts, half.pictures]) {
        const { score, surest } = await way();
        equal(verdict(score), 'warn', JSON.stringify(score));
        ok(surest.length === 5 && surest.every((row) => row >= 200), String(surest));
      }
    }
    const { score } = await compared(train, made(60, { away: 9 })).texts();
    deepEqual([verdict(score), score.rows], ['warn', 60]);
  });

  it('has an interval of as many rows as there are patterns, and none of fewer than twenty', async () => {
    const made = kind(7);
    const train = made(600);
    const once = (await compared(train, made(80)).texts()).score;
    const oftener = (await compared(train, made(400, { forms: 5 })).texts()).score;
    const width = ({ interval }: typeof once): number => interval!.high - interval!.low;
    ok(Math.abs(width(oftener) / width(once) - 1) < 0.1, JSON.stringify([once, oftener]));
    const few = compared(train, made(60, { forms: 4 }));
    match((await few.texts()).score.notApplicable ?? '', /60 test rows, of 15 patterns, are too few/);
    match(
      (await few.pictures()).score.notApplicable ?? '',
      /60 test pictures, of which 15 are no near kin of one another, are too few/,
    );
  });

  it('has none of a few texts in very many forms, each a quarter of the rows and more', async () => {
    for (const [texts, forms] of [
      [3, 66],
      [2, 100],
    ] as const) {
      const made = kind(texts);
      const { score } = await compared(made(700), made(texts * forms, { forms })).texts();
      match(score.notApplicable ?? JSON.stringify(score), new RegExp(`, of ${texts} patterns, are too few`));
    }
  });

  it('has none where a third of a side is of one pattern, which would hide that all others are from elsewhere', async () => {
    const made = kind(5);
    const side = (count: number, away: number): Made =>
      joined(made(count * 0.35, { forms: count * 0.35 }), made(count * 0.65, { away }));
    const hidden = compared(side(800, 0), side(400, 9));
    for (const [way, rows] of [
      [hidden.texts, 'rows'],
      [hidden.pictures, 'pictures'],
    ] as const) {
      const { score, surest } = await way();
      equal(verdict(score), 'off', JSON.stringify(score));
      match(score.notApplicable!, new RegExp(`800 training ${rows} tell no more than 8 different ones.*keep fewer of`));
      deepEqual(surest, []);
    }
    const test = (await compared(made(800), side(400, 9)).texts()).score;
    match(test.notApplicable ?? '', /400 test rows tell no more than 8 different ones/);
    for (const away of [0, 9]) {
      const { score } = await compared(made(800), made(200, { forms: 5, away })).texts();
      equal(verdict(score), away === 0 ? 'pass' : 'warn', 'forms of forty texts are judged');
    }
  });

  it('is not told of products in tight groups where the training pictures are ten times as many', async () => {
    for (const seed of [1, 2, 3]) {
      const random = seededRandom(seed, 6);
      const normal = (): Float32Array => Float32Array.from({ length: DIMENSION }, () => random.normal());
      const products = Array.from({ length: 60 }, normal);
      const others = normal();
      const shop = (count: number): Made => {
        const classes = Int32Array.from({ length: count }, () =>
          random.uniform() < 0.7 ? 1 + random.below(products.length) : 0,
        );
        const embeddings = new Float32Array(count * DIMENSION);
        for (const [row, label] of classes.entries()) {
          const [centre, spread] = label === 0 ? [others, 1] : [products[label - 1]!, 0.2];
          embeddings.set(
            centre.map((number) => number + spread * random.normal()),
            row * DIMENSION,
          );
        }
        return { texts: [], classes, embeddings };
      };
      const { score } = await compared(shop(1000), shop(100), seed).pictures();
      equal(verdict(score), 'pass', JSON.stringify(score));
    }
  });
});
