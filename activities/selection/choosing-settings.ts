/**
 * Whether a search has found better settings than the recommended ones. Whoever is best of several by chance looks better
 * than it is, so the recommended settings are only left for more than one standard error of the difference (the
 * one-standard-error rule: Breiman et al., Classification and Regression Trees, 1984, 3.4.3). Pure.
 */
import type { OpenSetting, Recommended } from '../../pipelines/recipe.ts';
import type { ChooseSettingsInput, MeasuredTrial, SearchedSettings, TrialResult } from '../contract/search.ts';
import { percent } from './halving.ts';

const RULE =
  'The best mean validation accuracy on the last rung that anybody was trained on, if it is more than one standard error of the difference above that of the recommended settings; else these stay. The error is that of two samples, from the validation rows and, where there are several seeds, between the seeds; both answer the same rows, so that it is rather too large, in favour of the recommended settings.';

/** Accuracies this near are equal. */
const SAME = 1e-9;

type Rung = MeasuredTrial['rungs'][number];
interface Finalist {
  readonly trial: MeasuredTrial;
  readonly at: Rung & { readonly accuracy: number };
}

export function chooseSettings(input: ChooseSettingsInput): SearchedSettings {
  const { recommended, stopped } = input;
  const trials = measured(input);
  const [first] = trials;
  if (first === undefined) throw new Error('a search has at least the recommended settings to choose from');
  const { chosen, reason } = decide(trials, first);
  return {
    chosen: chosen.id,
    trials: trials.toSorted((one, other) => Number(other === chosen) - Number(one === chosen) || furthest(one, other)),
    settings: chosen === first ? [] : settled(chosen, recommended, reason),
    reason,
    rule: RULE,
    ...(stopped === undefined ? {} : { stopped }),
  };
}

function decide(
  trials: readonly MeasuredTrial[],
  first: MeasuredTrial,
): { readonly chosen: MeasuredTrial; readonly reason: string } {
  if (trials.length === 1) {
    return { chosen: first, reason: 'The recommended settings stay: no other value of what is open was to be tried.' };
  }
  const last = Math.max(0, ...trials.flatMap(({ rungs }) => rungs.filter(isMeasured).map(({ rung }) => rung)));
  const finalists = trials
    .flatMap((trial): readonly Finalist[] => {
      const at = trial.rungs.filter(isMeasured).find(({ rung }) => rung === last);
      return at === undefined ? [] : [{ trial, at }];
    })
    .toSorted((one, other) => other.at.accuracy - one.at.accuracy);
  const recommended = finalists.find(({ trial }) => trial === first);
  const challenger = finalists.find(({ trial }) => trial !== first);
  if (challenger === undefined) {
    const why = recommended === undefined ? 'no trial came to an end' : 'no other trial reached the last rung';
    return { chosen: first, reason: `The recommended settings stay: ${why}.` };
  }
  const { trial, at } = challenger;
  const shown = `${trial.id} has ${accuracyText(at)}`;
  if (recommended === undefined) {
    return { chosen: trial, reason: `${shown}, and the recommended settings could not be trained on that rung.` };
  }
  const gain = at.accuracy - recommended.at.accuracy;
  const error = standardError(at, recommended.at);
  const against = `${shown} against ${accuracyText(recommended.at)} of the recommended settings`;
  if (gain <= SAME) return { chosen: first, reason: `The recommended settings stay: ${against}, which is no more.` };
  const beside = `${points(gain)} more, one standard error of the difference being ${points(error)}`;
  return gain > error
    ? { chosen: trial, reason: `${against}: ${beside}.` }
    : { chosen: first, reason: `The recommended settings stay, not beaten beyond chance: ${against}, ${beside}.` };
}

/**
 * Of the difference of two accuracies: the rows that were asked, and the seeds, are two sources of chance. Where a row is
 * right in part (of several labels), its variance is less than that of yes and no, and this is its upper bound.
 */
export function standardError(one: Finalist['at'], other: Finalist['at']): number {
  const ofRows = ({ accuracy, validationRows }: Finalist['at']): number =>
    (accuracy * (1 - accuracy)) / Math.max(1, validationRows);
  const ofSeeds = ({ accuracies, accuracy }: Finalist['at']): number => {
    const { length } = accuracies;
    if (length < 2) return 0;
    return accuracies.reduce((sum, value) => sum + (value - accuracy) ** 2, 0) / (length - 1) / length;
  };
  return Math.sqrt(ofRows(one) + ofRows(other) + ofSeeds(one) + ofSeeds(other));
}

function measured({ trials, results, left }: ChooseSettingsInput): readonly MeasuredTrial[] {
  return trials.map((trial) => {
    const own = results.filter(({ candidate }) => candidate === trial.id);
    const rungs = [...new Set(own.map(({ rung }) => rung))].toSorted((one, other) => one - other);
    const why = left.find(({ candidate }) => candidate === trial.id)?.reason ?? failure(own);
    return {
      ...trial,
      rungs: rungs.map((rung) => together(own.filter((one) => one.rung === rung))),
      ...(why === undefined ? {} : { left: why }),
    };
  });
}

/** Of the last rung, after which nobody is halved. */
function failure(own: readonly TrialResult[]): string | undefined {
  const last = own.filter(({ rung }) => rung === Math.max(...own.map((one) => one.rung)));
  if (last.length === 0 || last.some(({ accuracy }) => accuracy !== null)) return undefined;
  return `It failed on rung ${last[0]?.rung}: ${last[0]?.error ?? 'no accuracy was measured'}`;
}

function together(trainings: readonly TrialResult[]): Rung {
  const [{ rung, trainRows, validationRows }] = trainings as readonly [TrialResult, ...TrialResult[]];
  const accuracies = trainings.flatMap(({ accuracy }) => (accuracy === null ? [] : [accuracy]));
  const sum = accuracies.reduce((total, accuracy) => total + accuracy, 0);
  return {
    rung,
    trainRows,
    validationRows,
    accuracy: accuracies.length === 0 ? null : sum / accuracies.length,
    accuracies,
    seconds: trainings.reduce((total, { seconds }) => total + (seconds ?? 0), 0),
  };
}

function settled(
  { id, settings }: MeasuredTrial,
  recommended: readonly Recommended[],
  reason: string,
): readonly Recommended[] {
  return recommended.flatMap(({ path, value: table }): readonly Recommended[] => {
    const value = settings[path.slice('training.'.length) as OpenSetting];
    if (value === undefined) return [];
    const was = value === table ? 'as the table says' : `the table says ${table}`;
    return [{ path, value, reason: `found by the search in ${id} (${was}): ${reason}` }];
  });
}

function isMeasured(rung: Rung): rung is Finalist['at'] {
  return rung.accuracy !== null;
}

function furthest(one: MeasuredTrial, other: MeasuredTrial): number {
  const [left, right] = [one.rungs.at(-1), other.rungs.at(-1)];
  return (right?.rung ?? 0) - (left?.rung ?? 0) || (right?.accuracy ?? -1) - (left?.accuracy ?? -1);
}

function accuracyText({ accuracy, accuracies, trainRows }: Finalist['at']): string {
  const seeds = accuracies.length > 1 ? ` as the mean of ${accuracies.length} seeds` : '';
  return `${percent(accuracy)} on validation${seeds} after ${trainRows} training rows`;
}

function points(share: number): string {
  return `${(share * 100).toFixed(1)} points`;
}
