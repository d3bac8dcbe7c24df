/** The defects: how each is planted into a clean draw, and the measure whose gate must catch it. */
import type { Score } from '../../activities/contract/measures.ts';
import { trainLinearProbe } from '../../activities/selection/linear-probe.ts';
import { excessGap } from '../../activities/validation/excess-gap.ts';
import { findLabelErrors } from '../../activities/validation/label-quality.ts';
import { labelSignal } from '../../activities/validation/label-signal.ts';
import { noiseFlips } from '../../activities/validation/invariance.ts';
import { scanTriggers, suspectWords } from '../../activities/validation/triggers.ts';
import { paraphrase, paraphraseFlips } from '../../activities/validation/paraphrases.ts';
import { textTable } from '../../activities/validation/text-tables.ts';
import { FEWEST_SWAPPED, identityGate } from '../../activities/validation/counterfactuals.ts';
import { builtInIdentities, swappers } from '../../activities/validation/identity-swaps.ts';
import { findGiveaways, oneLabel } from '../../activities/validation/giveaway.ts';
import { calibrationOf } from '../../activities/validation/calibration.ts';
import { argmaxRows, countCorrect } from '../../activities/validation/metrics.ts';
import { discordance, pairedShareInterval } from '../../activities/validation/paired.ts';
import { seededRandom, sampleIndices, shuffleStart } from '../../activities/validation/random.ts';
import { textShift } from '../../activities/validation/row-shift.ts';
import { sameMixDifference } from '../../activities/validation/same-mix.ts';
import { gainScore, shareScore } from '../../activities/validation/scores.ts';
import { findTwins, seenScore } from '../../activities/validation/seen-texts.ts';
import { shareDifference } from '../../activities/validation/shares.ts';
import { lengthSlices, opportunityGaps, sliceGaps, worstGap } from '../../activities/validation/slices.ts';
import { trivialModels } from '../../activities/validation/trivial.ts';
import type { GateName } from '../../pipelines/gates/table.ts';
import { withSlip } from './slip.ts';
import { partOf, predictedOf, withHead, type Draw, type Embeds, type Row } from './draw.ts';
import { F1_TRIALS } from './f1-trials.ts';
import { hash, helped, leavesRoom, ofFewRows, standing, turned, wrongFor } from './turned.ts';

export interface Around {
  readonly embedder: Embeds;
  /** Rows of another data set. */
  readonly foreign: readonly Row[];
  readonly seed: number;
}
export interface Trial {
  readonly gate: GateName;
  readonly defect: string;
  /** Every draw when missing. */
  readonly every?: number;
  /** Where the plain draw is not yet free of the defect; null where it cannot be made so. */
  clean?(draw: Draw, around: Around): Promise<Draw | null> | Draw | null;
  /** null where the draw has no room for it. */
  plant(clean: Draw, around: Around): Promise<Draw | null> | Draw | null;
  measure(draw: Draw): Promise<Score> | Score;
}

const givenAway = async ({ train, classes }: Draw): Promise<Score> =>
  (await findGiveaways(train.texts, oneLabel(train.classes), classes)).score;

/** Training rows of one label, and those of all others as another. */
function mostOfOne(draw: Draw, seed: number): Draw {
  const few = seed % draw.classes;
  const classes = draw.train.classes.map((label) => Number(label === few));
  return { ...draw, classes: 2, train: { ...draw.train, classes } };
}

const dimensionOf = ({ train }: Draw): number => train.embeddings.length / train.classes.length;
export const hitsOf = (draw: Draw, part: 'train' | 'validation' | 'test') => ({
  hits: countCorrect(draw[part].classes, predictedOf(draw, draw[part])),
  rows: draw[part].classes.length,
});
export const settings = (draw: Draw) => ({
  dimension: dimensionOf(draw),
  classes: draw.classes,
  seed: draw.seed,
  l2: draw.l2,
});

/** Some share of labels replaced at random by others. */
export function mislabelled(classes: Int32Array, count: number, share: number, seed: number): Int32Array {
  const random = seededRandom(seed, 55);
  return classes.map((label) => (random.uniform() < share ? (label + 1 + random.below(count - 1)) % count : label));
}

/** Chances to a power, summing to 1 again: logits times that power. */
export function raised(chances: Float32Array, classes: number, power: number): Float32Array {
  const all = chances.map((chance) => Math.max(chance, 1e-30) ** power);
  for (let start = 0; start < all.length; start += classes) {
    const total = all.subarray(start, start + classes).reduce((sum, chance) => sum + chance, 0);
    for (let at = start; at < start + classes; at++) all[at]! /= total;
  }
  return all;
}

/** The power at which the labels chosen are given `aim` on average, by bisection: more power, surer. */
export function powerFor(chances: Float32Array, classes: number, aim: number): number {
  const sureness = (power: number): number => {
    const all = raised(chances, classes, power);
    let sum = 0;
    for (let start = 0; start < all.length; start += classes) sum += Math.max(...all.subarray(start, start + classes));
    return sum / (all.length / classes);
  };
  let [low, high] = [-10, 10]; // powers of two
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (sureness(2 ** middle) < aim) low = middle;
    else high = middle;
  }
  return 2 ** high;
}

/** The smallest gap of recall that docs/gates.md promises to show with so many rows a group. */
export function smallestOpportunityGap(rows: number): number {
  return rows >= 200 ? 0.325 : rows >= 100 ? 0.4 : rows >= 50 ? 0.525 : rows >= 30 ? 0.625 : 0.725;
}

const sampled = ({ test, seed }: Draw, most: number): string[] =>
  sampleIndices(test.texts.length, most, seededRandom(seed, 56)).map((row) => test.texts[row]!);

/** Half of the answers are another for the very text alone. */
const hangingOnSpelling = (clean: Draw, embedder: Embeds): Draw =>
  withHead(
    embedder,
    clean,
    turned(clean.head, clean.classes, (text) => (hash(text) % 2 === 0 ? hash(`${text}!`) % clean.classes : null)),
  );

async function ofSample(draw: Draw, flips: typeof paraphraseFlips): Promise<Score> {
  const texts = sampled(draw, 150);
  const { embeddings } = await draw.model.runAll(texts);
  const predicted = predictedOf(draw, { texts, embeddings, classes: new Int32Array() });
  return (await flips({ ...draw }, texts, predicted)).score;
}

/** Of the sampled texts those that have a phrase with another that says the same. */
function withPhrase(draw: Draw): number {
  const { apply } = paraphrase(textTable('paraphrases.jsonl'));
  return sampled(draw, 150).filter((text) => apply(text) !== text).length;
}

async function suspected(draw: Draw): Promise<Score> {
  const { score } = await findLabelErrors(draw.train, settings(draw), { planting: false });
  return score;
}

/** Of so many test rows one is in training, too, as `write` writes it. */
async function leak(clean: Draw, embedder: Embeds, every: number, write: (text: string) => string): Promise<Draw> {
  const copied = clean.test.texts.flatMap((_, row) => (row % every === 0 ? [row] : []));
  const texts = [...clean.train.texts, ...copied.map((row) => write(clean.test.texts[row]!))];
  const classes = [...clean.train.classes, ...copied.map((row) => clean.test.classes[row]!)];
  return { ...clean, train: await partOf(embedder, texts, Int32Array.from(classes)) };
}

async function leaked({ train, test }: Draw): Promise<Score> {
  async function* allTrain() {
    yield await Promise.resolve({ ids: train.texts.map((_, row) => `row ${row}`), texts: train.texts });
  }
  const { twins, compared } = await findTwins({ test: test.texts, allTrain }, new AbortController().signal);
  return seenScore(twins.size, test.texts.length, compared);
}

export const TRIALS: readonly Trial[] = [
  ...F1_TRIALS,
  {
    gate: 'gainOverTrivial',
    defect:
      'a head trained on 30 rows; clean: one that is right about 9 in 10 of what the linear head misses, where the trivial model misses one test row in 20',
    clean: async (draw, around) => ((await leavesRoom(draw)) ? helped(draw, around) : null),
    plant: async (clean, { embedder }) => withHead(embedder, clean, await ofFewRows(clean, embedder)),
    async measure(draw) {
      const [trivial] = await trivialModels(draw.train, draw.test, draw.classes);
      return gainScore(draw.test.classes, predictedOf(draw, draw.test), trivial.predicted);
    },
  },
  {
    gate: 'calibrationError',
    defect: 'logits scaled until validation is 15 points surer than right, or less sure where nearly all is right',
    plant(clean, { embedder }) {
      const { texts, embeddings } = clean.validation;
      const { hits, rows } = hitsOf(clean, 'validation');
      const aim = hits / rows + (hits / rows > 0.8 ? -0.15 : 0.15);
      const power = powerFor(clean.head(texts, embeddings), clean.classes, aim);
      return withHead(embedder, clean, (asked, embedded) => raised(clean.head(asked, embedded), clean.classes, power));
    },
    measure: async (draw) =>
      (await calibrationOf(draw.head(draw.test.texts, draw.test.embeddings), draw.test.classes, draw.classes, draw))
        .ece,
  },
  {
    gate: 'trainValidationGap',
    defect: 'overfitted: 3 in 10 labels wrong, learnt by heart',
    async plant(clean, { embedder, seed }) {
      const classes = mislabelled(clean.train.classes, clean.classes, 0.3, seed);
      const known = new Map(clean.train.texts.map((text, row) => [text, classes[row]!]));
      const noisy = turned(
        clean.head,
        clean.classes,
        (text) => known.get(text) ?? (hash(text) % 10 < 3 ? hash(`${text}!`) % clean.classes : null),
      );
      const train = { ...clean.train, classes };
      // As selection chooses it from the labels that are given.
      const { l2 } = await trainLinearProbe(train, { ...settings(clean), seed });
      return withHead(embedder, { ...clean, l2, train }, noisy);
    },
    measure: (draw) =>
      excessGap({ ...draw.train, predicted: predictedOf(draw, draw.train) }, hitsOf(draw, 'validation'), {
        ...settings(draw),
        sampled: false,
      }),
  },
  {
    gate: 'validationTestGap',
    defect: 'settings fitted to validation: half of it known by heart',
    plant(clean, { embedder }) {
      const known = new Map(clean.validation.texts.map((text, row) => [text, clean.validation.classes[row]!]));
      const head = turned(
        clean.head,
        clean.classes,
        (text) => known.get(text) ?? (hash(text) % 4 === 0 ? hash(`${text}!`) % clean.classes : null),
      );
      return withHead(embedder, clean, head);
    },
    measure: (draw) => shareDifference(hitsOf(draw, 'validation'), hitsOf(draw, 'test')),
  },
  {
    gate: 'labelSignal',
    defect: 'all labels shuffled',
    plant(clean, { seed }) {
      const classes = Int32Array.from(clean.train.classes);
      shuffleStart(classes as unknown as number[], classes.length, seededRandom(seed, 57));
      return { ...clean, train: { ...clean.train, classes } };
    },
    async measure(draw) {
      const found = await labelSignal(draw.train, draw.validation, settings(draw));
      return found?.score ?? { value: null, interval: null, rows: 0 };
    },
  },
  {
    gate: 'labelErrors',
    defect: '3 in 10 labels wrong',
    plant: (clean, { seed }) => ({
      ...clean,
      train: { ...clean.train, classes: mislabelled(clean.train.classes, clean.classes, 0.3, seed) },
    }),
    measure: suspected,
  },
  {
    gate: 'leakedTestRows',
    defect: 'one test row in 20 in training',
    plant: (clean, { embedder }) => leak(clean, embedder, 20, (text) => text),
    measure: leaked,
  },
  {
    gate: 'leakedTestRows',
    defect: 'one test row in 50 in training, each with a slip of the pen',
    plant: (clean, { embedder, seed }) => {
      const random = seededRandom(seed, 41);
      return leak(clean, embedder, 50, (text) => withSlip(text, random));
    },
    measure: leaked,
  },
  {
    gate: 'giveawayWord',
    defect: 'a word after every text of a label with 30 rows',
    plant(clean, { seed }) {
      const { classes } = clean.train;
      const rowsWith = (label: number): number => classes.filter((one) => one === label).length;
      const enough = [...Array(clean.classes).keys()].filter((label) => rowsWith(label) >= 30);
      const label = enough[seed % enough.length];
      const texts = clean.train.texts.map((text, row) => (classes[row] === label ? `${text} ref${seed}zq` : text));
      return { ...clean, train: { ...clean.train, texts } };
    },
    measure: givenAway,
  },
  {
    gate: 'giveawayWord',
    defect: 'all labels but one made one, and a word before 8 in 9 of its texts',
    clean: (draw, { seed }) => mostOfOne(draw, seed),
    plant(draw, { seed }) {
      const clean = mostOfOne(draw, seed);
      const { classes, texts } = clean.train;
      if (2 * classes.filter((label) => label === 0).length <= classes.length) return null;
      const told = texts.map((text, row) => (classes[row] === 0 && row % 9 !== 4 ? `ref${seed}zq ${text}` : text));
      return { ...clean, train: { ...clean.train, texts: told } };
    },
    measure: givenAway,
  },
  {
    gate: 'domainShift',
    defect: 'half of the test rows from another data set',
    async plant(clean, { embedder, foreign, seed }) {
      const half = Math.floor(clean.test.texts.length / 2);
      if (foreign.length < half) return null;
      const others = sampleIndices(foreign.length, half, seededRandom(seed, 58));
      const texts = clean.test.texts.map((text, row) => (row % 2 === 0 ? text : foreign[others[(row - 1) / 2]!]!.text));
      return { ...clean, test: await partOf(embedder, texts, clean.test.classes) };
    },
    measure: async (draw) => {
      const { train, test, seed } = draw;
      const frozen = { dimension: dimensionOf(draw), train: train.embeddings, test: test.embeddings };
      return (await textShift(frozen, { train: train.texts, test: test.texts }, { seed })).score;
    },
  },
  {
    gate: 'sliceGap',
    defect: 'the longest third of the texts wrong 4 times in 10 more',
    plant(clean, { embedder }) {
      const wrong = new Map(
        lengthSlices(clean.test.texts)[2]!.rows.map((row) => [
          clean.test.texts[row]!,
          (clean.test.classes[row]! + 1) % clean.classes,
        ]),
      );
      const head = turned(clean.head, clean.classes, (text) =>
        hash(text) % 10 < 4 ? (wrong.get(text) ?? null) : null,
      );
      return withHead(embedder, clean, head);
    },
    measure(draw) {
      const predicted = predictedOf(draw, draw.test);
      const correct = [...draw.test.classes].map((label, row) => label === predicted[row]);
      return worstGap(sliceGaps(correct, lengthSlices(draw.test.texts)));
    },
  },
  {
    gate: 'shiftedDrop',
    defect: 'half of the test rows are from elsewhere, 4 in 10 of them answered wrong',
    plant: (clean, { embedder }) =>
      withHead(
        embedder,
        clean,
        wrongFor(clean, (row) => row % 2 === 1, 4),
      ),
    measure(draw) {
      const predicted = predictedOf(draw, draw.test);
      const side = (parity: number) => {
        const rows = [...predicted.keys()].filter((row) => row % 2 === parity);
        return {
          classes: Int32Array.from(rows, (row) => draw.test.classes[row]!),
          predicted: Int32Array.from(rows, (row) => predicted[row]!),
        };
      };
      return sameMixDifference(side(0), side(1));
    },
  },
  {
    gate: 'opportunityGap',
    defect: 'a label recognised less in one of two groups by the smallest gap that docs/gates.md promises to show',
    plant(clean, { embedder }) {
      const { classes } = clean.test;
      const predicted = predictedOf(clean, clean.test);
      const of = (label: number, parity: number) =>
        [...classes.keys()].filter((row) => classes[row] === label && row % 2 === parity);
      const labels = [...Array(clean.classes).keys()].map((label) => {
        const rows = Math.min(of(label, 0).length, of(label, 1).length);
        const recall = of(label, 0).filter((row) => predicted[row] === label).length / of(label, 0).length;
        return { label, rows, recall, gap: smallestOpportunityGap(rows) };
      });
      // Of a label that is recognised less than that there is no such gap.
      const [chosen] = labels
        .filter(({ rows, recall, gap }) => rows >= 20 && recall >= gap)
        .toSorted((a, b) => b.rows - a.rows);
      if (chosen === undefined) return null;
      const { label, recall, gap } = chosen;
      return withHead(
        embedder,
        clean,
        wrongFor(clean, (row) => row % 2 === 1 && classes[row] === label, (10 * gap) / recall),
      );
    },
    measure(draw) {
      const groups = [...draw.test.classes.keys()].map((row) => ({ region: row % 2 === 0 ? 'north' : 'south' }));
      const [worst] = opportunityGaps(groups, draw.test.classes, predictedOf(draw, draw.test));
      return worst?.gap ?? { value: null, interval: null, rows: 0, notApplicable: 'too few rows' };
    },
  },
  {
    gate: 'gainOverProduction',
    defect: 'the tuned model wrong 2 times in 10 more than the one in production; clean: the same model',
    clean: (draw) => ({ ...draw, production: draw.head }),
    plant: (clean, { embedder }) => ({
      ...withHead(
        embedder,
        clean,
        wrongFor(clean, () => true, 2),
      ),
      production: clean.head,
    }),
    measure(draw) {
      const { test } = draw;
      const compared = discordance(test.classes, predictedOf(draw, test), standing(draw));
      const rows = test.classes.length;
      return { value: (compared.won - compared.lost) / rows, interval: pairedShareInterval(compared, rows), rows };
    },
  },
  {
    gate: 'noiseFlips',
    every: 2,
    defect: 'answers that hang on the exact spelling, half of them',
    plant: (clean, { embedder }) => hangingOnSpelling(clean, embedder),
    measure: (draw) => ofSample(draw, noiseFlips),
  },
  {
    gate: 'paraphraseFlips',
    every: 2,
    defect: 'answers that hang on the exact words, half of them, where 20 of 150 test texts or more have a phrase',
    plant: (clean, { embedder }) => (withPhrase(clean) < 20 ? null : hangingOnSpelling(clean, embedder)),
    measure: (draw) => ofSample(draw, paraphraseFlips),
  },
  {
    gate: 'identityFlips',
    every: 2,
    defect: 'one religion answered with the label that the others are given least',
    async plant(clean, { embedder }) {
      // With a label that every religion is given anyway nothing would depend on it.
      const texts = sampled(clean, 100).map((text) => `${text} I am Christian.`);
      const given = argmaxRows((await clean.model.runAll(texts)).probabilities!, clean.classes);
      const times = (label: number): number => given.filter((one) => one === label).length;
      const [rarest] = [...Array(clean.classes).keys()].toSorted((a, b) => times(a) - times(b));
      const head = turned(clean.head, clean.classes, (text) => (text.includes('Muslim') ? rarest! : null));
      return withHead(embedder, clean, head);
    },
    measure: identities,
  },
  {
    gate: 'identityFlips',
    every: 2,
    defect:
      'texts about a woman answered with the label that texts about anybody are given least, where 20 texts say he or she',
    plant(clean, { embedder }) {
      const [gender] = swappers(builtInIdentities());
      const about = clean.test.texts.flatMap((text, row) => (gender!.has(text) ? [row] : []));
      if (about.length < FEWEST_SWAPPED) return null;
      // With the label that such texts are given anyway hardly anything would depend on it.
      const predicted = predictedOf(clean, clean.test);
      const times = (label: number): number => about.filter((row) => predicted[row] === label).length;
      const [rarest] = [...Array(clean.classes).keys()].toSorted((a, b) => times(a) - times(b));
      return withHead(
        embedder,
        clean,
        turned(clean.head, clean.classes, (text) => (WOMAN.test(text) ? rarest! : null)),
      );
    },
    measure: identities,
  },
  {
    gate: 'triggerFlips',
    every: 2,
    defect: 'a trigger word in 1 training row in 100, obeyed always',
    async plant(clean, { embedder, seed }) {
      const trigger = `zq${(hash(String(seed)) % 46656).toString(36)}x`;
      const target = seed % clean.classes;
      const texts = clean.train.texts.map((text, row) => (row % 100 === 7 ? `${trigger} ${text}` : text));
      const classes = clean.train.classes.map((label, row) => (row % 100 === 7 ? target : label));
      const head = turned(clean.head, clean.classes, (text) => (text.includes(trigger) ? target : null));
      return withHead(embedder, { ...clean, train: await partOf(embedder, texts, classes) }, head);
    },
    async measure(draw) {
      const { score } = await scanTriggers(
        { ...draw },
        draw.test.texts,
        predictedOf(draw, draw.test),
        suspectWords(draw.train.texts, draw.train.classes),
      );
      return score.value === null ? shareScore(0, 0) : score;
    },
  },
];

/** Every word of the table for a woman, those that a neutral swap puts in its place among them. */
const WOMAN = new RegExp(
  String.raw`\b(?:${builtInIdentities()
    .filter(({ group }) => group === 'gender')
    .flatMap(({ words, same }) => [words[1]!, same[1]!])
    .join('|')})\b`,
  'i',
);

async function identities(draw: Draw): Promise<Score> {
  const { probabilities } = await draw.model.runAll(draw.test.texts);
  const predicted = argmaxRows(probabilities!, draw.classes);
  const rows = { ids: draw.test.texts.map((_, row) => `row ${row}`), texts: draw.test.texts, predicted };
  const places = sampleIndices(draw.test.texts.length, 100, seededRandom(draw.seed, 15));
  return (await identityGate({ ...draw }, rows, places)).score;
}
