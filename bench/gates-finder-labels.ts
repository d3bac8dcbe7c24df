/**
 * The gates of a finder about labels and about what its figures rest on, at their default limits, by embeddings that are made once:
 *
 * - `labelErrors`: as the labels are, and two, three or four in ten of gallery and test pictures with another label, by lot;
 * - `galleryTestGap`: as the encoder came, and learnt by heart: the gallery's embeddings drawn to the mean of their label's;
 * - `validationTestGap`: pictures of one kind in both, and test pictures of which four in ten ask with another picture's embedding.
 *
 * Frozen SqueezeNet 1.1 on clothes of Fashion-MNIST and on CIFAR-10 photographs, and ResNet-20, which learnt from CIFAR-10's training
 * pictures: its gallery is of these, and those that ask are of the test split. In two halves: the limits were chosen on the first, the
 * second, drawn anew each time, says how often the gates speak.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-finder-labels.ts [design | report] [draws = 40] [which of the three = 1,2,3]
 */
import { averagePrecision, recallAt } from '../activities/retrieval/metrics.ts';
import { labelErrorsAround } from '../activities/retrieval/neighbour-labels.ts';
import { defined, differenceInOneMix, type LabelledFigures } from '../activities/retrieval/one-mix.ts';
import { nearestOf, type AroundPictures, type Neighbourhoods } from '../activities/retrieval/neighbourhoods.ts';
import { NEIGHBOURS } from '../activities/retrieval/witnesses.ts';
import type { Score } from '../activities/contract/measures.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { toUnitLength } from '../inference/retrieval/nearest.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { finderClaims } from './gates/claims.ts';
import { nearestFirst } from './gates/near.ts';
import { embeddedHalf, type Photograph } from './gates/photographs.ts';
import { holdToGoals, type Rate } from './gates/rates.ts';
import { exactly } from './support.ts';

const HALF = process.argv[2] === 'design' ? 0 : 1;
const DRAWS = Number(process.argv[3] ?? 40);
const WHICH = (process.argv[4] ?? '1,2,3').split(',').map(Number);
const K = 10;
/** More than any labels of a draw let weigh five. */
const WITNESSES = 50 * NEIGHBOURS;
/** How far the gallery's embeddings are drawn to the mean of their label. */
const BY_HEART = 0.8;
const limits = RetrievalGatesSchema.parse({});
type Gate = 'labelErrors' | 'galleryTestGap' | 'validationTestGap';

/** Of each gate the draws without its defect, and those with it that it is to speak of. */
const HELD = [
  { gate: 'labelErrors', clean: '0 in 10 wrong', defect: '3 in 10 wrong' },
  { gate: 'galleryTestGap', clean: 'as it came', defect: 'learnt by heart' },
  { gate: 'validationTestGap', clean: 'of one kind', defect: '4 in 10 lost' },
] as const satisfies readonly { readonly gate: Gate; readonly clean: string; readonly defect: string }[];

/** So many of a half in a gallery, so many that ask, and as many again for validation. */
const SETS = [
  { model: 'squeezenet1.1', from: 'onnx-zoo', dataset: 'fashion-mnist-sprite', gallery: 300, asking: 75 },
  { model: 'squeezenet1.1', from: 'onnx-zoo', dataset: 'cifar10-jpeg', gallery: 1200, asking: 200 },
  { model: 'resnet20-cifar10', from: 'akamaster', dataset: 'cifar10-jpeg', gallery: 1200, asking: 200 },
] as const;

interface Pool {
  readonly rows: readonly Photograph[];
  readonly classes: readonly number[];
  readonly labels: readonly string[];
  /** Unit vectors, row-major. */
  readonly vectors: Float32Array;
  /** Of every row all rows, the nearest first. */
  readonly near: readonly Uint32Array[];
}

interface Found extends Neighbourhoods {
  readonly recall: Float64Array;
}

/** What pictures find in a gallery, each without itself. `as`: whose embedding each asks with. */
function asked(
  { rows }: Pool,
  near: readonly Uint32Array[],
  asking: readonly number[],
  /** Rows of the pool, each with its place in the gallery. */
  gallery: ReadonlyMap<number, number>,
  classOf: (row: number) => number,
  as: readonly number[] = asking,
): Found {
  const placeOf = new Int32Array(rows.length).fill(-1);
  for (const [row, place] of gallery) placeOf[row] = place;
  const figures = { averagePrecision: new Float64Array(asking.length), recall: new Float64Array(asking.length) };
  const nearest: Uint32Array[] = [];
  for (const [at, row] of asking.entries()) {
    const order = near[as[at]!]!.filter((other) => other !== row && placeOf[other]! >= 0);
    const ranking = {
      // No two are equally near.
      scores: Int32Array.from(order, (_, place) => -place),
      relevant: Uint8Array.from(order, (other) => Number(classOf(other) === classOf(row))),
    };
    figures.averagePrecision[at] = averagePrecision(ranking);
    figures.recall[at] = recallAt(ranking, K);
    nearest.push(
      nearestOf(
        order.map((other) => placeOf[other]!),
        WITNESSES,
      ),
    );
  }
  return { ids: asking.map((row) => rows[row]!.id), classes: Int32Array.from(asking, classOf), nearest, ...figures };
}

/** Every gallery picture a share of the way to the mean of its label. */
function byHeart({ classes, labels, vectors }: Pool, isShown: (row: number) => boolean, share: number): Float32Array {
  const dimension = vectors.length / classes.length;
  const means = new Float64Array(labels.length * dimension);
  for (const [row, label] of classes.entries()) {
    if (!isShown(row)) continue;
    for (let i = 0; i < dimension; i++) means[label * dimension + i]! += vectors[row * dimension + i]!;
  }
  const unit = toUnitLength(Float32Array.from(means), dimension);
  const drawn = vectors.map((value, i) => {
    const row = Math.floor(i / dimension);
    return isShown(row) ? (1 - share) * value + share * unit[classes[row]! * dimension + (i % dimension)]! : value;
  });
  return toUnitLength(drawn, dimension);
}

const rates: Rate[] = [];
for (const set of WHICH.map((at) => SETS[at - 1]!)) {
  const { model, dataset, gallery: shown, asking } = set;
  const { train, test, rows, labels, classes, vectors } = await embeddedHalf(HALF, set);
  const pool: Pool = { rows, classes, labels, vectors, near: nearestFirst(vectors, rows.length) };
  // Of clothes the test split is too small to ask alone: any may ask.
  const apart = test.length >= 2 * asking;
  const random = seededRandom(2026, 41 + HALF);
  const tally = new Map<string, { spoke: number; off: number; lows: number[]; values: number[] }>();
  const tell = (gate: Gate, kind: string, score: Score): void => {
    const name = `${gate}, ${kind}`;
    const own = tally.get(name) ?? { spoke: 0, off: 0, lows: [], values: [] };
    tally.set(name, own);
    const { verdict } = judgeGate(gate, RETRIEVAL_GATE_TABLE[gate], score, limits[gate]);
    own.spoke += Number(verdict === 'warn' || verdict === 'fail');
    own.off += Number(verdict === 'off');
    own.lows.push(score.interval?.low ?? 0);
    own.values.push(score.value ?? 0);
  };
  // A gallery picture is one of the training split, or, where any may ask, one of two thirds.
  const isShown = (row: number): boolean => (apart ? row < train.length : row % 3 !== 0);
  const claims = finderClaims(limits.labelErrors);
  const learnt = nearestFirst(byHeart(pool, isShown, BY_HEART), rows.length);
  for (let draw = 0; draw < DRAWS; draw++) {
    const drawn = (of: readonly number[], count: number): readonly number[] => {
      const order = [...of];
      shuffleStart(order, count, random);
      return order.slice(0, count);
    };
    const all = [...rows.keys()];
    const gallery = drawn(apart ? all.slice(0, train.length) : all, shown);
    const inGallery = new Map(gallery.map((row, place) => [row, place]));
    const others = drawn(
      (apart ? all.slice(train.length) : all).filter((row) => !inGallery.has(row)),
      2 * asking,
    );
    const [queries, validation] = [others.slice(0, asking), others.slice(asking)];
    const aroundAs = (given: readonly number[]) => {
      const classOf = (row: number): number => given[row]!;
      const own = asked(pool, pool.near, gallery, inGallery, classOf);
      const theirs = asked(pool, pool.near, queries, inGallery, classOf);
      const galleryClasses = Int32Array.from(gallery, classOf);
      const around: AroundPictures = { gallery: { ...own, rows: [...gallery.keys()] }, test: theirs, galleryClasses };
      return { classOf, own, theirs, around };
    };
    for (const tenths of [0, 2, 3, 4]) {
      const given = [...classes];
      for (const row of [...gallery, ...queries]) {
        if (random.below(10) < tenths) given[row] = (given[row]! + 1 + random.below(labels.length - 1)) % labels.length;
      }
      const { classOf, own, theirs, around } = aroundAs(given);
      tell('labelErrors', `${tenths} in 10 wrong`, labelErrorsAround(around, labels).score);
      if (tenths > 0) continue;
      await claims.hold(around, labels.length, draw);
      tell('galleryTestGap', 'as it came', differenceInOneMix(precisions(own), precisions(theirs)));
      const before = asked(pool, pool.near, validation, inGallery, classOf);
      tell('validationTestGap', 'of one kind', differenceInOneMix(recalls(before), recalls(theirs)));
      const strangers = queries.map((row, at) => (at % 10 < 4 ? gallery[random.below(gallery.length)]! : row));
      const lost = asked(pool, pool.near, queries, inGallery, classOf, strangers);
      tell('validationTestGap', '4 in 10 lost', differenceInOneMix(recalls(before), recalls(lost)));
    }
    const [mine, asks] = [gallery.filter(isShown), (apart ? queries : others).filter((row) => !isShown(row))];
    const known = new Map(mine.map((row, place) => [row, place]));
    const of = (those: readonly number[]): LabelledFigures =>
      precisions(asked(pool, learnt, those, known, (row) => classes[row]!));
    tell('galleryTestGap', 'learnt by heart', differenceInOneMix(of(mine), of(asks)));
  }
  claims.print(`${model}, ${dataset}`);
  for (const [name, { spoke, off, values, lows }] of tally) {
    console.log(
      `${model}, ${dataset}, ${name}: ${exactly(spoke, DRAWS)}${off > 0 ? `, off in ${off}` : ''}; measured ${spread(values)}, lower end ${spread(lows)}`,
    );
  }
  const spokeOf = (gate: Gate, kind: string): number => tally.get(`${gate}, ${kind}`)?.spoke ?? 0;
  rates.push(
    ...HELD.map(({ gate, clean, defect }) => ({
      gate,
      defect,
      on: `${model}, ${dataset}`,
      caught: spokeOf(gate, defect),
      planted: DRAWS,
      accused: spokeOf(gate, clean),
      clean: DRAWS,
    })),
  );
}
holdToGoals(rates);

function precisions({ averagePrecision, classes }: Found): LabelledFigures {
  return defined({ figures: averagePrecision, classes });
}

function recalls({ recall, classes }: Found): LabelledFigures {
  return defined({ figures: recall, classes });
}

/** Least, median, most. */
function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!].map((value) => value.toFixed(2)).join('–');
}
