/**
 * Which interval of a gain on the same queries to judge by: how often each shows a gain, or a loss, where there is none, and how
 * often a gain that is there. Differences of queries are drawn from known distributions. No model, no data.
 *
 *   npx tsx bench/retrieval-gains.ts [draws = 300] [only this interval]
 */
import { gainScore } from '../activities/retrieval/scores.ts';
import { seededRandom, type Random } from '../activities/validation/random.ts';
import { pairedBootstrap, quantile, wilsonInterval } from '../activities/validation/statistics.ts';
import { beta } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 300);
const [RESAMPLES, ALPHA] = [400, 0.05] as const;

interface Ends {
  readonly low: number;
  readonly high: number;
}
type Method = (differences: Float64Array, resampled: Ends, seed: number) => Ends | Promise<Ends>;

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** As this repository had it before: what so many queries leave open may differ by all that can be. */
const byAll: Method = (differences, { low, high }) => {
  const { low: agree } = wilsonInterval(differences.length, differences.length);
  const value = mean(differences);
  return { low: Math.min(low, agree * value - (1 - agree)), high: Math.max(high, agree * value + (1 - agree)) };
};

/** Weights of the queries and of one more at the far end (Gaffke 2004; Learned-Miller & Thomas, arXiv:1905.06208). */
const gaffke: Method = (differences, _, seed) => {
  const random = seededRandom(seed, 94);
  const ends = [-1, 1].map((end) => {
    const drawn = Float64Array.from({ length: RESAMPLES }, () => {
      let weight = -Math.log(1 - random.uniform());
      let sum = end * weight;
      for (const value of differences) {
        const one = -Math.log(1 - random.uniform());
        weight += one;
        sum += one * value;
      }
      return sum / weight;
    });
    return quantile(drawn.toSorted(), end < 0 ? ALPHA / 2 : 1 - ALPHA / 2);
  });
  return { low: ends[0]!, high: ends[1]! };
};

/** Hedged betting for a fixed number of queries (Waudby-Smith & Ramdas, JRSS B 86(1), 2024). */
const betting: Method = (differences) => {
  const values = differences.map((value) => (value + 1) / 2);
  const rows = values.length;
  let [sum, squares] = [0.5, 0.25];
  const bets = values.map((value, at) => {
    const bet = Math.sqrt((2 * Math.log(2 / ALPHA)) / ((rows * squares) / (at + 1)));
    sum += value;
    squares += (value - sum / (at + 2)) ** 2;
    return bet;
  });
  const isRefused = (at: number, side: 1 | -1): boolean => {
    let capital = Math.log(0.5);
    for (const [place, value] of values.entries()) {
      const bet = Math.min(bets[place]!, 0.75 / (side === 1 ? at : 1 - at));
      capital += Math.log1p(side * bet * (value - at));
      if (capital >= Math.log(1 / ALPHA)) return true;
    }
    return false;
  };
  const end = (side: 1 | -1): number => {
    let [refused, kept] = [side === 1 ? 0 : 1, mean(values)];
    for (let step = 0; step < 25; step++) {
      const middle = (refused + kept) / 2;
      if (isRefused(middle, side)) refused = middle;
      else kept = middle;
    }
    return 2 * refused - 1;
  };
  return { low: end(1), high: end(-1) };
};

const METHODS: Readonly<Record<string, Method>> = {
  resamples: (_, resampled) => resampled,
  'by all': byAll,
  gainScore: async (differences, _, seed) => {
    const nothing = new Float64Array(differences.length);
    return (await gainScore(differences, nothing, { seed, resamples: RESAMPLES })).interval!;
  },
  gaffke,
  betting,
};

/** A query's difference where the mean difference is `gain`. */
const FAMILIES: Readonly<Record<string, (random: Random, gain: number) => number>> = {
  'normal, deviation 0.12': (random, gain) => gain + 0.12 * random.normal(),
  'normal, deviation 0.03': (random, gain) => gain + 0.03 * random.normal(),
  'Beta figures around 0.24': (random, gain) => of(random, 0.24 + gain) - of(random, 0.24),
  'Beta figures around 0.9': (random, gain) => of(random, 0.9 + gain / 2) - of(random, 0.9 - gain / 2),
  'skewed: exponential losses': (random, gain) => gain + 0.1 * (1 + Math.log(1 - random.uniform())),
  'one in ten differs, by a half': (random, gain) => rare(random, 0.1, 0.5, gain),
  'one in fifty differs, by all': (random, gain) => rare(random, 0.02, 1, gain),
  'all gain a little, one in 20 loses 0.3': (random, gain) => spoilt(random, 0.3, gain),
  'all gain a little, one in 20 loses all': (random, gain) => spoilt(random, 1, gain),
};
const of = (random: Random, share: number): number => beta(random, 4 * share, 4 * (1 - share));
function rare(random: Random, often: number, by: number, gain: number): number {
  const at = random.uniform();
  if (at < often / 2) return -by;
  return at < often + gain / by ? by : 0;
}
function spoilt(random: Random, loss: number, gain: number): number {
  return random.uniform() < 0.05 ? -loss : (gain + 0.05 * loss) / 0.95 + 0.01 * random.normal();
}

const names = Object.keys(METHODS).filter((name) => (process.argv[3] ?? name) === name);
console.log(`${DRAWS} draws; in per cent; no gain: a gain is shown / a loss is shown; else: the gain is shown`);
console.log(`${''.padEnd(60)}${names.map((name) => name.padStart(14)).join('')}`);
for (const rows of [5, 10, 20, 25, 30, 40, 50, 70, 100, 300]) {
  for (const [family, draw] of Object.entries(FAMILIES)) {
    for (const gain of rows < 50 ? [0] : [0, 0.02, 0.04, 0.06]) {
      const shown = names.map(() => ({ gains: 0, losses: 0 }));
      for (let seed = 0; seed < DRAWS; seed++) {
        const random = seededRandom(seed, rows);
        const differences = Float64Array.from({ length: rows }, () => Math.max(-1, Math.min(1, draw(random, gain))));
        const resampled = (await pairedBootstrap(differences, new Float64Array(rows), { seed, resamples: RESAMPLES }))!;
        for (const [at, name] of names.entries()) {
          const { low, high } = await METHODS[name]!(differences, resampled, seed);
          if (low >= 0) shown[at]!.gains++;
          if (high < 0) shown[at]!.losses++;
        }
      }
      const percent = (count: number): string => ((100 * count) / DRAWS).toFixed(1);
      const cells = shown.map(({ gains, losses }) =>
        (gain === 0 ? `${percent(gains)}/${percent(losses)}` : percent(gains)).padStart(14),
      );
      console.log(`${`${rows} queries, ${family}, gain ${gain}`.padEnd(60)}${cells.join('')}`);
    }
  }
}
