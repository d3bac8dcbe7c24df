import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { averagePrecision } from '../../activities/retrieval/metrics.ts';
import { precisionByLuck, precisionLost, type RankedPictures } from '../../activities/retrieval/precision-lost.ts';
import { seededRandom, shuffleStart } from '../../activities/validation/random.ts';

const random = seededRandom(7, 3);
const luck = Float64Array.from({ length: 10 }, () => 0.12);
const HARD = 5;

/** Of labels of which from the sixth on all are ranked for half as well; `lost`: by what share all, at most. */
function pictures(count: number, { lost = 0, labelOf = () => random.below(10) } = {}): RankedPictures {
  const classes = Int32Array.from({ length: count }, labelOf);
  return {
    averagePrecision: Array.from(
      classes,
      (label) => (1 - lost) * (label < HARD ? 0.8 : 0.4) * (0.6 + 0.4 * random.uniform()),
    ),
    classes,
  };
}

describe('precision that some pictures lose against others', () => {
  it('is the share by which it is lower within each label, whatever labels either side has', () => {
    const mostly = (hard: boolean) => (): number => random.below(HARD) + (hard === random.uniform() < 0.8 ? HARD : 0);
    const easy = pictures(2000, { labelOf: mostly(false) });
    const alike = precisionLost(easy, pictures(2000, { labelOf: mostly(true) }), { luck });
    ok(Math.abs(alike.value!) < 0.02 && alike.interval!.low < 0 && alike.interval!.high > 0, JSON.stringify(alike));
    const worse = precisionLost(easy, pictures(2000, { labelOf: mostly(true), lost: 0.3 }), { luck });
    ok(Math.abs(worse.value! - 0.3) < 0.02 && worse.interval!.low > 0.27 && worse.interval!.high < 0.33);
  });

  it('has an interval that says too much of equal sides in no more draws than it allows', () => {
    let low = 0;
    for (let draw = 0; draw < 400; draw++) {
      low += Number(precisionLost(pictures(70), pictures(35), { luck }).interval!.low > 0);
    }
    // 2.5 % of 400, and three standard errors.
    ok(low <= 19, `${low} of 400`);
  });

  it('is certain of nothing where all pictures of a side are alike', () => {
    const alike = (count: number, figure: number): RankedPictures => ({
      averagePrecision: new Float64Array(count).fill(figure),
      classes: new Int32Array(count),
    });
    const { value, interval } = precisionLost(alike(30, 1), alike(30, 1), { luck });
    ok(value === 0 && interval!.low < -0.1 && interval!.high > 0.1, JSON.stringify(interval));
    const { interval: lost } = precisionLost(alike(30, 1), alike(30, 0.12), { luck });
    ok(lost!.low > 0.5 && lost!.low < 0.88 && lost!.high > 0.88 && lost!.high < 1, JSON.stringify(lost));
  });

  it('says what so few can show, and that they can show nothing where chance is hardly worse', () => {
    const of = (rows: number, by: ArrayLike<number>) =>
      precisionLost(pictures(2 * rows), pictures(rows), { luck: by }).resolution!;
    const [few, many] = [of(30, luck), of(1000, luck)];
    ok(few.beyond > 0.4 && many.beyond < 0.2 && many.beyond > 0.01, JSON.stringify([few, many]));
    ok(few.beyond < few.most && many.most > 0.7);
    const nearlyChance = of(
      30,
      luck.map(() => 0.45),
    );
    ok(nearlyChance.beyond > nearlyChance.most, JSON.stringify(nearlyChance));
  });

  it('is not measured of labels that only one side has, and leaves them out beside others', () => {
    const side = (...classes: number[]): RankedPictures => ({
      averagePrecision: classes.map((label) => (label === 3 ? 0.5 : 0.25)),
      classes: Int32Array.from(classes),
    });
    match(precisionLost(side(0, 0), side(1, 1), { luck }).notApplicable ?? '', /no label has pictures on both sides/);
    const { value, rows } = precisionLost(side(3, 3, 0), side(3, 3, 3, 1), { luck });
    deepEqual([value, rows], [0, 3]);
  });
});

describe('average precision by luck', () => {
  it('is what galleries in random order give, label by label', () => {
    const classes = Int32Array.from([0, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
    const expected = precisionByLuck(classes, 4);
    for (const label of [0, 1, 2]) {
      let sum = 0;
      const order = [...classes.keys()];
      for (let draw = 0; draw < 5000; draw++) {
        shuffleStart(order, order.length, random);
        sum += averagePrecision({
          scores: order.map((_, at) => -at),
          relevant: order.map((row) => Number(classes[row] === label)),
        });
      }
      ok(Math.abs(sum / 5000 - expected[label]!) < 0.02, `${label}: ${sum / 5000} and ${expected[label]}`);
    }
    ok(Number.isNaN(expected[3]), 'of a label that the gallery lacks there is none');
    equal(precisionByLuck(Int32Array.from([0, 0]), 1)[0], 1);
  });
});
