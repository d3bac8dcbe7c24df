/** Whether a word switches a label on by what other rows teach: then it is of the subject, and no trigger. */
import type { TextInput } from '../../../inference/texts.ts';
import { rowsInMemory } from '../../selection/embedded-rows.ts';
import { fitLinearProbe } from '../../selection/linear-probe.ts';
import { oneVsRestProbabilities } from '../../selection/one-vs-rest.ts';
import { rareWords } from '../triggers.ts';

export interface Witnesses {
  readonly dimension: number;
  readonly labels: number;
  readonly l2: number;
  /** From these on a label applies. */
  readonly thresholds: readonly number[];
  /** By an encoder that knows nothing of the labels: a tuned one may have learnt the trigger itself. */
  readonly embed: (texts: readonly TextInput[]) => Promise<Float32Array>;
  readonly train: {
    readonly texts: readonly string[];
    /** 0 or 1, row-major [rows, labels]. */
    readonly targets: Uint8Array;
    /** Row-major [rows, dimension]. */
    readonly embeddings: Float32Array;
  };
  readonly signal?: AbortSignal;
}
/** Of a head that saw no row with a word. */
export interface Testimony {
  /** How likely it finds the label in those rows, on (geometric) average. */
  readonly expected: number;
  /** Which of the texts have the label. */
  readonly told: readonly boolean[];
}
/** What such a head says of a label; null where no row has the word. */
export type Witness = (word: string, label: number, texts: readonly TextInput[]) => Promise<Testimony | null>;

/** Less likely than this no label of a row counts: one that is wrong is no evidence of its words. */
const LEAST_CHANCE = 0.05;

/** The logarithm of the geometric mean of chances; NaN of none. */
export function meanLogChance(chances: readonly number[]): number {
  return chances.reduce((sum, chance) => sum + Math.log(Math.max(LEAST_CHANCE, chance)), 0) / chances.length;
}

/**
 * A head of one label is fitted anew without the training rows that hold a word. A word of the subject ("exchanges") still switches the
 * label on, by the words that mean nearly the same ("exchange"); a planted one was taught by its own rows alone.
 */
export function witnessOf({ dimension, labels, l2, thresholds, embed, train, signal }: Witnesses): Witness {
  const holders = rareWords(train.texts);
  return async (word, label, texts) => {
    const held = new Set(holders.get(word));
    if (held.size === 0) return null;
    const kept = [...train.texts.keys()].filter((row) => !held.has(row));
    const classes = Int32Array.from(train.texts, (_, row) => train.targets[row * labels + label]!);
    const all = rowsInMemory({ embeddings: train.embeddings, classes }, dimension);
    const { weights, bias } = await fitLinearProbe(await all.pick(kept), l2, {
      dimension,
      classes: 2,
      limits: { tolerance: 1e-3, maxIterations: 60 },
      ...(signal === undefined ? {} : { signal }),
    });
    const [without, having] = weights;
    const odds = { weights: [having!.map((one, at) => one - without![at]!)], bias: [bias[1]! - bias[0]!], l2 };
    const own = await all.pick([...held].toSorted((a, b) => a - b));
    return {
      expected: Math.exp(meanLogChance([...oneVsRestProbabilities(odds, own.embeddings)])),
      told: [...oneVsRestProbabilities(odds, await embed(texts))].map((chance) => chance >= thresholds[label]!),
    };
  };
}
