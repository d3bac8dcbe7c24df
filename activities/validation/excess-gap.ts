/**
 * How much a model learnt by heart beyond what such rows make any model learn. On few or hard rows a linear probe, too, is right oftener on
 * rows that it was fitted to than on others; a model that learnt wrong labels has a gap that the simplest probe that knows no less has not.
 * Only what the probe loses beyond a usual loss is taken off, so that nobody is accused whose plain gap is not: a tuned encoder that has its
 * training rows whole may be better than any probe.
 * Simplest is that with the strongest penalty whose log-loss out of fold is within some standard errors of the least (as in Breiman, Friedman,
 * Olshen & Stone, Classification and Regression Trees, 1984, § 3.4.3, where it is one). Pure.
 */
import type { Score } from '../contract/measures.ts';
import type { LabelledEmbeddings } from '../selection/knn.ts';
import { fitLinearProbe, highestClasses, linearScores } from '../selection/linear-probe.ts';
import {
  FOLD_LIMITS,
  LEAST_ROWS_PER_LABEL,
  MOST_CELLS,
  outOfFold,
  placesByLabel,
  rowsOf,
  type ProbeSettings,
} from './label-quality.ts';
import { countCorrect } from './metrics.ts';
import { pairedDifferenceInterval } from './paired.ts';
import { shareDifference, type Count } from './shares.ts';
import { wilsonInterval } from './statistics.ts';

/** Chosen on the design halves (docs/benchmarks.md): with one a probe of wrong labels may learn them, too. */
const STANDARD_ERRORS = 3;
/** Penalties that are tried are half a power of ten apart, up to the strongest that selection's probe chooses among. */
const [STEP, STRONGEST] = [Math.sqrt(10), 1000];

/** On 700 rows of TREC-6 a head with the penalty that cross-validation chose has a gap of 18 points: the threshold stands five above this. */
const USUAL = 0.15;

export interface Known extends LabelledEmbeddings {
  /** What the model answers to these training rows. */
  readonly predicted: Int32Array;
}

/**
 * Training minus validation accuracy, less what the probe loses beyond USUAL from rows that it was fitted to to rows that it was not; `rows`
 * are those of validation. The plain difference where `known` is a sample of what the model learnt from, since a probe of few rows loses
 * more, and where there are fewer than eight rows a label, or so many labels and numbers of an embedding that no more could be learnt from.
 */
export async function excessGap(
  known: Known,
  validation: Count,
  settings: ProbeSettings & { readonly sampled: boolean },
  mostCells = MOST_CELLS,
): Promise<Score> {
  const { classes, dimension, seed } = settings;
  const all = known.classes.length;
  const plain = shareDifference({ hits: countCorrect(known.classes, known.predicted), rows: all }, validation);
  const count = Math.min(all, Math.floor(mostCells / (classes * dimension)));
  if (plain.value === null || settings.sampled || count < LEAST_ROWS_PER_LABEL * classes) return plain;
  const places = placesByLabel(known.classes, count, seed);
  const rows = rowsOf(known, places, dimension);
  const { l2, fitted, unseen } = await simplestProbe(rows, settings);
  const lost = (countCorrect(rows.classes, fitted) - countCorrect(rows.classes, unseen)) / count;
  if (lost <= USUAL) return plain;
  // Of a training row: whether the model is right, less what the probe loses on it.
  const kept = Array.from(rows.classes, (label, row) => {
    const [own, seen, held] = [known.predicted[places[row]!], fitted[row], unseen[row]];
    return Number(own === label) - Number(seen === label) + Number(held === label);
  });
  return {
    ...shifted(excessOf(kept, validation), USUAL),
    of: `less ${(lost - USUAL).toFixed(3)}: a probe of ${count} training rows with penalty ${l2.toPrecision(3)} loses ${lost.toFixed(3)}, of which ${USUAL} are usual`,
  };
}

/**
 * The excess of which a probe says `kept`: of each training row whether the model is right, less what the probe loses on it (−1 to 2). Throws
 * RangeError where there are no training or no validation rows.
 */
export function excessOf(kept: readonly number[], validation: Count): Score {
  const trained = meanFromMinusOneToTwo(kept);
  const share = validation.hits / validation.rows;
  const asked = wilsonInterval(validation.hits, validation.rows);
  const value = trained.value - share;
  return {
    value,
    // Of a difference of independent numbers, by the distances to the ends of their intervals, as of two shares.
    interval: {
      low: value - Math.hypot(trained.value - trained.low, asked.high - share),
      high: value + Math.hypot(trained.high - trained.value, share - asked.low),
      confidence: asked.confidence,
    },
    rows: validation.rows,
  };
}

function shifted({ value, interval, ...rest }: Score, by: number): Score {
  if (value === null || interval === null) return { value, interval, ...rest };
  const { low, high, confidence } = interval;
  return { ...rest, value: value + by, interval: { low: low + by, high: high + by, confidence } };
}

/** A row of either end is added, as where differences are of −1 to 1. */
function meanFromMinusOneToTwo(numbers: readonly number[]) {
  const { low, high } = pairedDifferenceInterval(numbers.map((one) => (one - 0.5) / 1.5));
  const value = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  return { value, low: 0.5 + 1.5 * low, high: 0.5 + 1.5 * high };
}

/** What it answers to the rows that it was fitted to, and what probes with its penalty answer to the rows of the fold that they did not see. */
async function simplestProbe(rows: LabelledEmbeddings, settings: ProbeSettings) {
  const { classes } = settings;
  const heldOut = async (l2: number) => {
    const probabilities = await outOfFold(rows, { ...settings, l2 });
    return { l2, unseen: highestClasses(probabilities, classes), ...logLoss(probabilities, rows.classes, classes) };
  };
  let simplest = await heldOut(settings.l2);
  let best = simplest;
  for (let l2 = settings.l2 * STEP; l2 < STRONGEST * 1.01; l2 *= STEP) {
    const next = await heldOut(l2);
    if (next.mean > best.mean + STANDARD_ERRORS * best.error) break;
    simplest = next;
    if (next.mean < best.mean) best = next;
  }
  const { l2, unseen } = simplest;
  const probe = await fitLinearProbe(rows, l2, { ...settings, limits: FOLD_LIMITS });
  return { l2, unseen, fitted: highestClasses(linearScores(probe, rows.embeddings), classes) };
}

/** Its mean over the rows, and that mean's standard error. */
function logLoss(probabilities: Float64Array, given: Int32Array, classes: number) {
  const losses = Array.from(given, (label, row) => -Math.log(Math.max(probabilities[row * classes + label]!, 1e-30)));
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / losses.length;
  return { mean, error: Math.sqrt(variance / losses.length) };
}
