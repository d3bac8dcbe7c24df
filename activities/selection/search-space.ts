/**
 * The trials of a search: the recommended settings, then random ones around them. Random rather than a grid, since few
 * of the settings matter and which ones is not known before (Bergstra & Bengio, JMLR 13, 2012). Pure: of one seed and
 * one table the trials are the same everywhere, and more trials begin with the same ones.
 */
import type { Training } from '../../pipelines/definition/training.ts';
import type { OpenSetting, Recommended } from '../../pipelines/recipe.ts';
import { SEARCHED } from '../../pipelines/search.ts';
import type { DrawnTrials, DrawTrialsInput, Trial } from '../contract/search.ts';
import { seededRandom, type Random } from '../validation/random.ts';

/** Rates lie within this factor of the recommended one, evenly on the logarithm: where a rate is wrong, it is by a factor. */
const RATE_FACTOR = 5;
/** Where settings have few combinations, nothing new is drawn any more. */
const MOST_DRAWS_A_TRIAL = 50;

/** A setting's next value, given the recommended one. */
type Draw = (random: Random, recommended: number) => number;

const rate: Draw = (random, recommended) => rounded(recommended * RATE_FACTOR ** (2 * random.uniform() - 1));
const share =
  (values: readonly number[]): Draw =>
  (random, recommended) =>
    oneOf(random, [recommended, ...values]);
const scaled = (factors: readonly number[]): Draw => {
  return (random, recommended) =>
    oneOf(
      random,
      factors.map((factor) => Math.max(1, Math.round(recommended * factor))),
    );
};

const SPACE: { readonly [Setting in OpenSetting]: Draw } = {
  learningRate: rate,
  headLearningRate: rate,
  batchSize: scaled([0.5, 1, 2]),
  // Not many more: of too many the best epoch is kept anyway, and the time of a trial rises with them.
  epochs: scaled([0.5, 1, 1.5]),
  weightDecay: share([0, 0.01, 0.1]),
  warmupFraction: share([0, 0.06, 0.1, 0.2]),
};

/** Trial 1 is the recommended settings; a combination is tried once. */
export function drawTrials({ recommended, method, trials, seed }: DrawTrialsInput): DrawnTrials {
  const open = searchable(recommended, method);
  const random = seededRandom(seed);
  const found = new Map<string, Trial['settings']>();
  const first = Object.fromEntries(open.map(({ setting, value }) => [setting, value]));
  found.set(JSON.stringify(first), first);
  const most = open.length === 0 ? 1 : trials;
  for (let drawn = 0; found.size < most && drawn < MOST_DRAWS_A_TRIAL * trials; drawn++) {
    const settings = Object.fromEntries(open.map(({ setting, value }) => [setting, SPACE[setting](random, value)]));
    found.set(JSON.stringify(settings), settings);
  }
  return { trials: [...found.values()].map((settings, at) => ({ id: `trial-${at + 1}`, settings })) };
}

/** In the order of the table, whatever the order they come in. */
function searchable(
  recommended: readonly Recommended[],
  method: Training['method'],
): readonly { readonly setting: OpenSetting; readonly value: number }[] {
  return SEARCHED[method].flatMap((setting) => {
    const value = recommended.find(({ path }) => path === `training.${setting}`)?.value;
    return value === undefined ? [] : [{ setting, value }];
  });
}

function oneOf(random: Random, values: readonly number[]): number {
  const different = [...new Set(values)];
  return different[random.below(different.length)] as number;
}

/** People write and read a rate in two digits. */
function rounded(value: number): number {
  return Number(value.toPrecision(2));
}
