import type { DataSubset, HalvedCandidates } from '../../activities/contract/prototype.ts';
import type { Trial, TrialResult } from '../../activities/contract/search.ts';
import type { Allowance } from '../../activities/contract/training.ts';
import type { SearchSpec } from '../../pipelines/definition/search.ts';
import { searchOf, seedsOfTrial } from '../../pipelines/search.ts';
import { StepLeftOut } from '../failures.ts';
import type { Run } from '../run.ts';
import { cutShort, nthSeed, searchRungRows } from '../rungs.ts';
import { searchSteps, secondsNeeded, trialsOf, trialStep } from '../search-plan.ts';
import { searchRungInput, trialTrainingInput } from '../step-inputs.ts';
import { tryStep } from '../training.ts';
import type { Selected } from './select.ts';

/** The recommended settings: what the others are held against on every rung. */
const RECOMMENDED = 'trial-1';

/**
 * Trains the chosen model at settings around the recommended ones on growing parts of the training rows, on each rung
 * side by side, and settles what is better beyond chance. Where the budget ends, or nothing comes through, what is known
 * decides.
 */
export async function searchSettings(run: Run, selected: Selected): Promise<void> {
  const search = searchOf(run.input.pipeline);
  if (search === undefined) return;
  const { trials } = await run.step('light', 'search', 'drawTrials', () => ({
    recommended: run.openTraining ?? [],
    method: run.classification().training.method,
    trials: search.trials,
    seed: run.classification().training.seed,
  }));
  const { method } = run.classification().training;
  const climbed: Climbed = trials.length < 2 ? { results: [], left: [] } : await climb(run, search, selected, trials);
  run.engine.close(
    searchSteps(run.input.pipeline).filter((id) => id !== 'settings'),
    'skipped',
  );
  // Where nothing could be trained the step waits for somebody who names a setting: it is asked for anew.
  const searched = await run.step('light', 'settings', 'chooseSettings', () => ({
    recommended: run.openTraining ?? [],
    trials,
    ...climbed,
  }));
  run.facts.searched = searched;
  run.settleOn(method, searched.settings);
}

interface Climbed {
  readonly results: readonly TrialResult[];
  readonly left: HalvedCandidates['left'];
  /** Why it ended before the last rung. */
  readonly stopped?: string;
}

async function climb(run: Run, search: SearchSpec, selected: Selected, trials: readonly Trial[]): Promise<Climbed> {
  const results: TrialResult[] = [];
  const left: HalvedCandidates['left'][number][] = [];
  let going: readonly string[] = trials.map(({ id }) => id);
  for (const [at, share] of search.rungs.entries()) {
    const rung = at + 1;
    const last = rung === search.rungs.length;
    const { train: rows } = selected.dataset.rows;
    const next = search.rungs[at + 1];
    // Of few rows the next rung has the very same ones: what is halved twice by one figure is halved by chance.
    if (next !== undefined && searchRungRows(next, rows) === searchRungRows(share, rows)) {
      run.engine.close([`search-subset:${rung}`, ...trialsOf(search, rung), `search-halve:${rung}`], 'skipped');
      continue;
    }
    const seeds = last ? seedsOfTrial(search, rows) : 1;
    const needed = secondsNeeded(results, { next: searchRungRows(share, rows), full: rows }, going.length * seeds);
    const stopped = (await run.budget.ended()) ?? (await tooLittleLeft(run, rung, needed));
    if (stopped !== undefined) return { results, left, stopped };
    // Nothing is left to hold against each other.
    if (going.every((id) => id === RECOMMENDED)) break;
    const placed = placesFor(going).map(({ id, place }) => ({ trial: trials.find((one) => one.id === id)!, place }));
    const reservedSeconds = secondsNeeded(results, { next: rows, full: rows }, 0);
    const tried = await tryRung(run, search, selected, placed, { rung, share, seeds, reservedSeconds });
    results.push(...tried);
    const cut = cutShort(rung, tried);
    if (cut !== undefined) return { results, left, stopped: cut };
    if (last) break;
    const halved = await run.step('light', `search-halve:${rung}`, 'halveCandidates', () => ({
      results,
      rung,
      kept: RECOMMENDED,
    }));
    going = halved.survivors;
    left.push(...halved.left);
  }
  return { results, left };
}

/** What is spent on a search must not be missing for the training that it is for. */
async function tooLittleLeft(run: Run, rung: number, neededSeconds: number): Promise<string | undefined> {
  const endsAt = await run.budget.stopTrainingAt();
  if (endsAt === undefined) return undefined;
  const seconds = (Date.parse(endsAt) - Date.now()) / 1000;
  if (seconds >= neededSeconds) return undefined;
  return `rung ${rung} and the training after it would take about ${Math.round(neededSeconds)} s, and the budget leaves ${Math.round(seconds)} s`;
}

/** The recommended settings have the first place, also where they failed; the others follow in their order. */
function placesFor(going: readonly string[]): readonly { readonly id: string; readonly place: number }[] {
  const others = going.filter((id) => id !== RECOMMENDED).map((id, at) => ({ id, place: at + 2 }));
  return going.includes(RECOMMENDED) ? [{ id: RECOMMENDED, place: 1 }, ...others] : others;
}

interface Placed {
  readonly trial: Trial;
  readonly place: number;
}

async function tryRung(
  run: Run,
  search: SearchSpec,
  selected: Selected,
  placed: readonly Placed[],
  {
    rung,
    share,
    seeds,
    reservedSeconds,
  }: { readonly rung: number; readonly share: number; readonly seeds: number; readonly reservedSeconds: number },
): Promise<readonly TrialResult[]> {
  const part = await run.step('light', `search-subset:${rung}`, 'subsetData', () =>
    searchRungInput(run.classification(), selected.dataset, share),
  );
  const trainings = placed.flatMap(({ trial, place }) =>
    Array.from({ length: seeds }, (_, at) => ({ trial, rung, place, seed: at + 1 })),
  );
  const taken = new Set(trainings.map(({ place, seed }) => trialStep(rung, place, seed)));
  run.engine.close(
    trialsOf(search, rung).filter((id) => !taken.has(id)),
    'skipped',
  );
  // Who is cut is out of the comparison: its figure would be that of fewer epochs.
  const allowance = await run.budget.trainingAllowance(trainings.length, reservedSeconds);
  return Promise.all(trainings.map((training) => tryTrial(run, selected, part, { ...training, allowance })));
}

async function tryTrial(
  run: Run,
  { dataset, winner }: Selected,
  part: DataSubset,
  {
    trial,
    rung,
    place,
    seed: nth,
    allowance,
  }: Placed & { readonly rung: number; readonly seed: number; readonly allowance: Allowance | undefined },
): Promise<TrialResult> {
  const seed = nthSeed(run.classification().training.seed, nth);
  const about = {
    candidate: trial.id,
    rung,
    seed,
    trainRows: part.rows.train,
    validationRows: part.rows.validation,
  };
  try {
    const input = () => ({
      ...trialTrainingInput(winner, { ...dataset, dataset: part.dataset }, run.classification(), {
        ...trial.settings,
        seed,
      }),
      ...(allowance === undefined ? {} : { allowance }),
    });
    const trained = await tryStep(run, trialStep(rung, place, nth), input, `t${rung}-${place}-${nth}`);
    const seconds = (Date.parse(trained.finishedAt) - Date.parse(trained.startedAt)) / 1000;
    return { ...about, accuracy: trained.output.validationAccuracy ?? null, seconds };
  } catch (error) {
    if (!(error instanceof StepLeftOut)) throw error;
    return { ...about, accuracy: null, seconds: null, error: error.record.message, errorKind: error.record.kind };
  }
}
