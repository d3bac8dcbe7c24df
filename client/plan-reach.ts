/** Whether a run gets to a step that it is planned for: who is tried is known on the way, from how many seeds once the rows are counted. Pure. */
import type { Pipeline } from '../pipelines/definition.ts';
import { placesOf, searchOf, seedsOfTrial } from '../pipelines/search.ts';
import { seedsOfTry } from '../pipelines/seeds-by-rows.ts';
import { prototypeSteps } from '../workflows/plan.ts';

/** `few-rows`: where the training rows are few, which nobody knows yet; `maybe`: whoever goes further than others, too. */
export type Reach = 'run' | 'few-rows' | 'maybe' | 'never';

/** A further training is the same one again from another seed. */
interface Trainings {
  /** Whether as many get there as will, without a rung that is left out. */
  isTaken(place: readonly string[], pipeline: Pipeline): boolean;
  /** Of each, where there are `trainRows` training rows in all. */
  seeds(pipeline: Pipeline, trainRows: number): number;
}

const TRAININGS: Readonly<Record<string, Trainings>> = {
  prototype: {
    isTaken: ([candidate, rung], pipeline) => withinShortlist(candidate, Number(rung), pipeline),
    seeds: ({ selection }, trainRows) => ('prototype' in selection ? seedsOfTry(selection.prototype, trainRows) : 1),
  },
  trial: {
    isTaken([rung, place], pipeline) {
      const search = searchOf(pipeline);
      return search === undefined || Number(place) <= (placesOf(search)[Number(rung) - 1] ?? 0);
    },
    seeds(pipeline, trainRows) {
      const search = searchOf(pipeline);
      return search === undefined ? 1 : seedsOfTrial(search, trainRows);
    },
  },
};

/** Steps of the graph that a definition leaves no work for: the run closes them as skipped. */
function leftOut(pipeline: Pipeline): readonly string[] {
  const { task, data, training } = pipeline;
  return [
    // Pictures have no text to scan.
    ...('onPersonalData' in data ? [] : ['privacy']),
    ...(task === 'image-retrieval' && training === null ? ['train', 'export'] : []),
    // Of a head the frozen figures are the figures.
    ...(task !== 'text-generation' && training?.method === 'head' ? prototypeSteps(pipeline) : []),
  ];
}

/** `trainRows`: in all; null where they are not counted yet, and may be few. */
export function reachOf(id: string, pipeline: Pipeline, trainRows: number | null): Reach {
  if (leftOut(pipeline).includes(id)) return 'never';
  const [kind = '', ...place] = id.split(':');
  const trainings = TRAININGS[kind];
  if (trainings === undefined) return 'run';
  const seed = Number(place[2] ?? 1);
  if (seed > 1 && seed > trainings.seeds(pipeline, trainRows ?? 0)) return 'never';
  if (!trainings.isTaken(place, pipeline)) return 'maybe';
  return seed > 1 && trainRows === null ? 'few-rows' : 'run';
}

/** The same training from the first seed; undefined of one that is from it, or is none. */
export function firstSeedOf(id: string): string | undefined {
  const parts = id.split(':');
  return parts.length === 4 && parts[0] !== undefined && parts[0] in TRAININGS
    ? parts.slice(0, 3).join(':')
    : undefined;
}

/** Who is tried is not known yet: as many of the first as will be, halved on every rung. */
function withinShortlist(candidate: string | undefined, rung: number, { candidates, selection }: Pipeline): boolean {
  if (!('prototype' in selection)) return true;
  const { shortlist, generalist } = selection.prototype;
  const tried = Math.min(candidates.length, shortlist + Number(generalist));
  return candidates.findIndex(({ id }) => id === candidate) < Math.ceil(tried / 2 ** (rung - 1));
}
