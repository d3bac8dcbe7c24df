/**
 * Whether a search has found better settings than the recommended ones. Whoever is best of several by chance looks better
 * than it is, so the recommended settings are only left for more than one standard error of the difference (the
 * one-standard-error rule: Breiman et al., Classification and Regression Trees, 1984, 3.4.3). Pure.
 */
import { EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import type { OpenSetting, Recommended } from '../../pipelines/recipe.ts';
import type { ChooseSettingsInput, MeasuredTrial, SearchedSettings, TrialResult } from '../contract/search.ts';
import { isCut, percent } from './halving.ts';

const RULE =
  'The best mean validation accuracy on the last rung that anybody came through, with every seed, if it is more than one standard error of the difference above that of the recommended settings; else these stay. Where these did not come through that rung, the last one counts that both came through; where there is none, they stay. What the budget cut counts nowhere; where it cut the recommended settings, or all others, the rung before decides. Whoever diverged or ran out of memory on any rung never wins, the recommended settings no more than others: then the best of those is taken who came furthest without it. The error is that of two samples, from the validation rows and, where there are several seeds, between the seeds; both answer the same rows, so that it is rather too large, in favour of the recommended settings.';

/** Accuracies this near are equal. */
const SAME = 1e-9;

/** Failures that settings have of themselves; any other says nothing of them. */
const OWN: readonly (ErrorKind | undefined)[] = ['Diverged', 'OutOfMemory'];

type Rung = MeasuredTrial['rungs'][number];
interface Finalist {
  readonly trial: MeasuredTrial;
  readonly at: Rung & { readonly accuracy: number };
}

interface Decision {
  readonly chosen: MeasuredTrial;
  readonly reason: string;
}

/** Throws Diverged or OutOfMemory where no settings can be trained. */
export function chooseSettings(input: ChooseSettingsInput): SearchedSettings {
  const { recommended, stopped } = input;
  const trials = measured(input);
  const [first] = trials;
  if (first === undefined) throw new Error('a search has at least the recommended settings to choose from');
  const { chosen, reason } = decide(trials, first, input);
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
  { results, recommended }: ChooseSettingsInput,
): Decision {
  if (trials.length === 1) {
    return { chosen: first, reason: 'The recommended settings stay: no other value of what is open was to be tried.' };
  }
  const sound = trials.filter((trial) => ownFailure(results, trial) === undefined);
  const broken = ownFailure(results, first);
  if (broken !== undefined) return inPlaceOf(first, broken, sound, { results, trials, recommended });
  const others = sound.filter((trial) => trial !== first);
  const reached = trials.flatMap(({ rungs }) => rungs.filter(isMeasured).map(({ rung }) => rung));
  const last = Math.max(0, ...reached.filter((rung) => !isCutShort(rung, first, others, results)));
  const cut = Math.max(0, ...results.filter(isCut).map(({ rung }) => rung));
  const decided = decideOn(last, first, others, results);
  if (cut <= last) return decided;
  const why = last === 0 ? '' : `, so that rung ${last} decides`;
  return { ...decided, reason: `The budget ended in the middle of rung ${cut}${why}. ${decided.reason}` };
}

/** Whether the budget ended the recommended settings there, or all others: then nothing of it can be compared. */
function isCutShort(
  rung: number,
  first: MeasuredTrial,
  others: readonly MeasuredTrial[],
  results: readonly TrialResult[],
): boolean {
  if (!results.some((one) => one.rung === rung && isCut(one))) return false;
  return measuredOn(first, rung) === undefined || bestOn(rung, others) === undefined;
}

function decideOn(
  last: number,
  first: MeasuredTrial,
  others: readonly MeasuredTrial[],
  results: readonly TrialResult[],
): Decision {
  const challenger = bestOn(last, others);
  if (challenger === undefined) {
    const why = measuredOn(first, last) !== undefined ? 'no other trial reached the last rung' : nothingOf(others);
    return { chosen: first, reason: `The recommended settings stay: ${why}.` };
  }
  const { trial } = challenger;
  const failed = results.findLast(({ candidate, accuracy }) => candidate === first.id && accuracy === null);
  const met = first.rungs.filter(isMeasured).findLast(({ rung }) => measuredOn(trial, rung) !== undefined);
  if (met === undefined) {
    const why = failed === undefined ? '' : ` (${errorText(failed)})`;
    const shown = `${trial.id} has ${accuracyText(challenger.at)}`;
    return {
      chosen: first,
      reason: `The recommended settings stay: ${shown}, and these have nothing to compare, for a cause that says nothing of them${why}.`,
    };
  }
  const compared = compare(first, met, { trial, at: measuredOn(trial, met.rung) ?? challenger.at });
  if (met.rung === last || failed === undefined) return compared;
  const why = `The recommended settings failed on rung ${failed.rung} (${errorText(failed)}), so that rung ${met.rung} decides.`;
  return { ...compared, reason: `${why} ${compared.reason}` };
}

/** Why nothing is held against the recommended settings, which were measured on no rung that decides. */
function nothingOf(others: readonly MeasuredTrial[]): string {
  return others.some(({ rungs }) => rungs.some(isMeasured))
    ? 'what others came to has nothing of these to be compared with'
    : 'no trial came to an end';
}

/**
 * The recommended settings cannot be trained: whoever came furthest without failing of itself stands in for them. Throws
 * what these failed of where nobody did: to train at them on all rows would fail the same, only later.
 */
function inPlaceOf(
  first: MeasuredTrial,
  broken: TrialResult,
  sound: readonly MeasuredTrial[],
  {
    results,
    trials,
    recommended,
  }: Pick<ChooseSettingsInput, 'results' | 'recommended'> & { readonly trials: readonly MeasuredTrial[] },
): Decision {
  const reached = sound.flatMap(({ rungs }) => rungs.filter(isMeasured).map(({ rung }) => rung));
  // Who was alone there since the budget cut the others was only quicker.
  const compared = reached.filter((rung) => !leavesOneAlone(rung, sound, results));
  const best = bestOn(Math.max(0, ...(compared.length > 0 ? compared : reached)), sound);
  const cut = results.filter(isCut);
  const why = `the recommended settings could not be trained on rung ${broken.rung} (${errorText(broken)})`;
  if (best !== undefined) {
    const ended = Math.max(0, ...cut.map(({ rung }) => rung));
    const budget = ended > best.at.rung ? `The budget ended in the middle of rung ${ended}. ` : '';
    return { chosen: best.trial, reason: `${budget}${best.trial.id} has ${accuracyText(best.at)}, and ${why}.` };
  }
  const own = trials.filter((trial) => ownFailure(results, trial) !== undefined).length;
  const others = new Set(cut.map(({ candidate }) => candidate)).size;
  const rest = others > 0 ? `the budget ended ${others} before they were whole` : 'no other came to an end';
  const shown = `${own} of ${trials.length} trials diverged or ran out of memory, and ${rest}`;
  if (isNamedSince(first, recommended)) {
    return { chosen: first, reason: `What was named since holds: ${shown}; ${why}.` };
  }
  throw new EspalierError(broken.errorKind ?? 'Diverged', `no settings could be trained: ${shown}; ${why}`, {
    where: 'training.search',
    fix: "give the budget more room where it ended trials; or retry the step 'settings' with one that is named, such as training.learningRate ten times smaller (or training.batchSize, where memory ran out); look at the rows that the error names",
  });
}

function leavesOneAlone(rung: number, sound: readonly MeasuredTrial[], results: readonly TrialResult[]): boolean {
  if (!results.some((one) => one.rung === rung && isCut(one))) return false;
  return sound.filter((trial) => measuredOn(trial, rung) !== undefined).length < 2;
}

/** Whether the recommended settings are others by now: an operator has named one, or another method. */
function isNamedSince({ settings }: MeasuredTrial, recommended: readonly Recommended[]): boolean {
  return Object.entries(settings).some(
    ([setting, value]) => recommended.find(({ path }) => path === `training.${setting}`)?.value !== value,
  );
}

function bestOn(rung: number, trials: readonly MeasuredTrial[]): Finalist | undefined {
  return trials
    .flatMap((trial): readonly Finalist[] => {
      const at = measuredOn(trial, rung);
      return at === undefined ? [] : [{ trial, at }];
    })
    .toSorted((one, other) => other.at.accuracy - one.at.accuracy)[0];
}

function compare(first: MeasuredTrial, recommended: Finalist['at'], { trial, at }: Finalist): Decision {
  const shown = `${trial.id} has ${accuracyText(at)}`;
  const gain = at.accuracy - recommended.accuracy;
  const error = standardError(at, recommended);
  const against = `${shown} against ${accuracyText(recommended)} of the recommended settings`;
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
  const failed = last.find(({ accuracy }) => accuracy === null);
  if (failed === undefined) return undefined;
  return `${isCut(failed) ? 'It was not whole' : 'It failed'} on rung ${failed.rung}: ${errorText(failed)}`;
}

function errorText({ error }: TrialResult): string {
  return error ?? 'no accuracy was measured';
}

function ownFailure(results: readonly TrialResult[], { id }: MeasuredTrial): TrialResult | undefined {
  return results.find(({ candidate, errorKind }) => candidate === id && OWN.includes(errorKind));
}

function together(trainings: readonly TrialResult[]): Rung {
  const [{ rung, trainRows, validationRows }] = trainings as readonly [TrialResult, ...TrialResult[]];
  const accuracies = trainings.flatMap(({ accuracy }) => (accuracy === null ? [] : [accuracy]));
  const sum = accuracies.reduce((total, accuracy) => total + accuracy, 0);
  return {
    rung,
    trainRows,
    validationRows,
    accuracy: accuracies.length < trainings.length ? null : sum / accuracies.length,
    ...(trainings.some(isCut) ? { cut: true as const } : {}),
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

function measuredOn({ rungs }: MeasuredTrial, rung: number): Finalist['at'] | undefined {
  return rungs.filter(isMeasured).find((one) => one.rung === rung);
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
