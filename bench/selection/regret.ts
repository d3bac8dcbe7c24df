/** What a choice costs against the best, where what each candidate brings is known from several trainings. Pure. */

/** Test accuracies of each candidate, fully tuned: one a training seed, the same seeds for all. */
export type Tuned = ReadonlyMap<string, readonly number[]>;

export interface Regret {
  /** Best mean over the seeds minus the mean of the chosen: the best of several noisy means is rather too good. */
  readonly ofMeans: number;
  /** Standard error of that difference from seed to seed; the test rows are the same for both. */
  readonly error: number;
  /** Whom the other seeds' means put first, measured on the seed left out, minus the chosen there: rather too small, and below 0 where chance put it first. NaN of one seed. */
  readonly heldOut: number;
  /** By the first seed alone: the luckiest of the candidates' single trainings. */
  readonly ofSingle: number;
}

export function regretOf(tuned: Tuned, chosen: string): Regret {
  const own = tuned.get(chosen) ?? [];
  const bestBy = (figure: (accuracies: readonly number[]) => number): readonly number[] =>
    [...tuned.values()].reduce((best, one) => (figure(one) > figure(best) ? one : best));
  const best = bestBy(mean);
  const differences = best.map((value, at) => value - own[at]!);
  const heldOut = own.map((value, at) => {
    if (own.length < 2) return Number.NaN;
    const others = (accuracies: readonly number[]) => accuracies.filter((_, seed) => seed !== at);
    return bestBy((accuracies) => mean(others(accuracies)))[at]! - value;
  });
  const single = bestBy(([first = 0]) => first);
  return {
    ofMeans: mean(differences),
    error: deviation(differences) / Math.sqrt(differences.length),
    heldOut: mean(heldOut),
    ofSingle: single[0]! - own[0]!,
  };
}

export function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}

export function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return Math.sqrt(values.reduce((total, value) => total + (value - centre) ** 2, 0) / (values.length - 1));
}
