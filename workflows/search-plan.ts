/** The steps of a search for settings, and what the next of them should take. Pure: a function of the definition. */
import type { TrialResult } from '../activities/contract/search.ts';
import type { SearchSpec } from '../pipelines/definition/search.ts';
import { searchOf } from '../pipelines/search.ts';
import type { Planned, PlannedStep } from './plan.ts';
import { searchRungInWords } from './rungs.ts';

/** One training of a place on a rung; all three from 1. */
export function trialStep(rung: number, place: number, seed = 1): string {
  return `trial:${rung}:${place}${seed === 1 ? '' : `:${seed}`}`;
}

/**
 * The trainings that a rung has at most, as far as the graph goes: who is in which place is known when the run gets there.
 * All trials have one on every rung: where the rungs before are left out, nobody was halved.
 */
export function trialsOf(search: SearchSpec, rung: number): readonly string[] {
  const seeds = rung === search.rungs.length ? search.seeds : 1;
  return Array.from({ length: search.trials }, (_, place) =>
    Array.from({ length: seeds }, (__, seed) => trialStep(rung, place + 1, seed + 1)),
  ).flat();
}

/** `after`: the step by whose end the model is known. */
export function planSearch(pipeline: Planned, after: string): readonly PlannedStep[] {
  const search = searchOf(pipeline);
  if (search === undefined) return [];
  const stage = 'select';
  const { rungs } = search;
  const steps = rungs.flatMap((share, at): readonly PlannedStep[] => {
    const rung = at + 1;
    const rows = searchRungInWords(share);
    const [subset, trials] = [`search-subset:${rung}`, trialsOf(search, rung)];
    const before = rung === 1 ? 'search' : `search-halve:${rung - 1}`;
    const judge = `which settings go on from rung ${rung}`;
    return [
      { id: subset, title: `take ${rows}`, stage, needs: [before] },
      ...trials.map((id) => ({ id, title: titleOf(id, rows), stage, needs: [subset] }) as const),
      ...(rung === rungs.length ? [] : [{ id: `search-halve:${rung}`, title: judge, stage, needs: trials } as const]),
    ];
  });
  return [
    { id: 'search', title: 'draw settings to try', stage, needs: [after] },
    ...steps,
    { id: 'settings', title: 'choose the settings', stage, needs: trialsOf(search, rungs.length) },
  ];
}

/** The steps that make up the search. */
export function searchSteps(pipeline: Planned): readonly string[] {
  return planSearch(pipeline, '').map(({ id }) => id);
}

function titleOf(id: string, rows: string): string {
  const [, rung, place, seed] = id.split(':');
  const who = place === '1' ? 'the recommended settings' : rung === '1' ? `trial ${place}` : `trial in place ${place}`;
  return `train ${who} on ${rows}${seed === undefined ? '' : `, seed ${seed}`}`;
}

/**
 * Seconds that the trainings of the next rung take, and the one of all rows after them, one after the other, by a line
 * through what the rungs took. Of one size nothing tells what a training takes besides its rows: it is then in proportion
 * to them, which is rather too much; 0 where nothing was timed.
 */
export function secondsNeeded(
  results: readonly Pick<TrialResult, 'trainRows' | 'seconds'>[],
  rows: { readonly next: number; readonly full: number },
  trainings: number,
): number {
  const timed = results.flatMap(({ trainRows, seconds }) => (seconds === null ? [] : [{ trainRows, seconds }]));
  const sizes = [...new Set(timed.map(({ trainRows }) => trainRows))].toSorted((one, other) => one - other);
  const [small, large] = [sizes.at(-2), sizes.at(-1)];
  if (large === undefined) return 0;
  const mean = (size: number): number => {
    const own = timed.filter(({ trainRows }) => trainRows === size);
    return own.reduce((sum, { seconds }) => sum + seconds, 0) / own.length;
  };
  const aRow = small === undefined ? mean(large) / large : Math.max(0, (mean(large) - mean(small)) / (large - small));
  const at = (size: number): number => mean(large) + aRow * Math.max(0, size - large);
  return trainings * at(rows.next) + at(rows.full);
}
