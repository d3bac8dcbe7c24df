/** What the whole gallery should find, take and cost, beside what a finder's prototype shows. Pure; kept as evidence. */
import { indexLimitProblem } from '../../inference/retrieval/index-files.ts';
import type { ImageRetrieval } from '../../pipelines/definition.ts';
import type { RunFacts } from '../contract/evidence.ts';
import type { Score } from '../contract/measures.ts';
import type { Prediction } from '../contract/prototype.ts';
import type { ForetoldFindings } from '../contract/retrieval.ts';
import { EXACT_UP_TO } from '../retrieval/graph-trial.ts';
import { predictSeconds } from '../selection/learning-curve.ts';
import type { Cost } from './cost.ts';
import { expense, type Expense } from './worth.ts';

/** Whether a gate should let the whole run through: at worst, not even at best, or neither is shown. */
export type Outlook = 'passes' | 'fails' | 'open';

export interface ForetoldGate {
  readonly name: 'recallAtK' | 'meanAveragePrecision' | 'sizeMb' | 'memoryMb' | 'latencyP95Ms';
  readonly threshold: number;
  readonly direction: 'min' | 'max';
  readonly severity: 'fail' | 'warn';
  /** What the gate would judge: at worst and at best the worse end of an interval; of a limit one figure. */
  readonly judged: number | { readonly low: number; readonly high: number };
  readonly outlook: Outlook;
}

export interface WholeGallery {
  /** Of `money`; null without prices. */
  readonly currency: string | null;
  /** Pictures of the whole gallery, of all splits, and of the test split. */
  readonly galleryRows: number;
  readonly allRows: number;
  readonly testRows: number;
  /** Half of the interval that so many test pictures leave; null where nothing is foretold. */
  readonly halfWidths: Readonly<Record<'recallAtK' | 'meanAveragePrecision', number>> | null;
  /** Reading, decoding and embedding all pictures once. */
  readonly embedding: Expense;
  /** Tuning on all rows; null where nothing is tuned, or the training's result was there already. */
  readonly training: Expense | null;
  readonly indexBytes: number;
  /** Of a process that has model and index, above what it had before; where a graph would be tried, `atLeast`. */
  readonly memoryMb: number;
  readonly atLeast: boolean;
  /**
   * At the 95th percentile: as here, and what an exact search of the whole gallery takes more. Where a graph would be tried, at most. null
   * where the search was not timed.
   */
  readonly latencyP95Ms: number | null;
  /** Why such a gallery is more than an index holds; missing where it fits. */
  readonly tooLarge?: string;
  readonly gates: readonly ForetoldGate[];
  /** Of the gates that may fail; `open` without any. */
  readonly verdict: Outlook;
}

/** What a picture takes of a process beyond its vector: 207 MB more of 48,000 pictures with 4,096 bytes each (docs/images.md). */
const AROUND_A_VECTOR = 200;

/** undefined of a run that is no prototype, or has not been evaluated. */
export function wholeGalleryOf(facts: RunFacts, cost: Cost): WholeGallery | undefined {
  const { retrieval, exported, data, pipeline, steps } = facts;
  const whole = data?.wholeRows;
  if (pipeline.task !== 'image-retrieval' || exported === undefined || !('embedder' in exported)) return undefined;
  if (retrieval?.foretold === undefined || whole === undefined) return undefined;
  const { foretold, measures } = retrieval;
  const { rows, dimension, sizeBytes } = exported;
  const allRows = whole.train + whole.validation + whole.test;
  const exactUpTo = pipeline.retrieval.exactUpTo ?? EXACT_UP_TO;
  const atLeast = whole.train * dimension > exactUpTo;
  const vector = dimension * Float32Array.BYTES_PER_ELEMENT;
  const more = whole.train - rows;
  const indexBytes = sizeBytes + more * (sizeBytes / rows);
  // A graph holds every vector once more, and its links.
  const memoryMb = (measures.memoryMb.value ?? 0) + (more * (vector * (atLeast ? 2 : 1) + AROUND_A_VECTOR)) / 1e6;
  const sizeMb = (measures.sizeMb.value ?? 0) + (indexBytes - sizeBytes) / 1e6;
  const { search } = foretold;
  const latencyHere = measures.latencyP95Ms.value;
  const latencyP95Ms =
    search === undefined || latencyHere === null ? null : latencyHere + Math.max(0, search.wholeMs - search.hereMs);
  const trained = steps.find(({ id }) => id === 'train')?.ranSeconds;
  const trainSeconds = trained === undefined ? null : predictSeconds([{ rows, seconds: trained }], whole.train);
  const gates = [
    ...('not' in foretold ? [] : foundGates(foretold, { measures, testRows: whole.test }, pipeline)),
    ...limitGates({ sizeMb, memoryMb, latencyP95Ms }, atLeast, pipeline),
  ];
  const tooLarge = indexLimitProblem(whole.train, dimension);
  const strict = gates.filter(({ severity }) => severity === 'fail').map(({ outlook }) => outlook);
  return {
    currency: cost.prices?.currency ?? null,
    galleryRows: whole.train,
    allRows,
    testRows: whole.test,
    halfWidths:
      'not' in foretold
        ? null
        : {
            recallAtK: halfAt(measures.recallAtK, whole.test),
            meanAveragePrecision: halfAt(measures.meanAveragePrecision, whole.test),
          },
    embedding: expense(foretold.secondsAPicture * allRows, { cost, queue: 'espalier-cpu', devices: 1, atMost: false }),
    training:
      trainSeconds === null
        ? null
        : expense(trainSeconds, { cost, queue: 'espalier-gpu', devices: cost.devices, atMost: true }),
    indexBytes,
    memoryMb,
    atLeast,
    latencyP95Ms,
    ...(tooLarge === undefined ? {} : { tooLarge }),
    gates,
    verdict: tooLarge !== undefined || strict.includes('fails') ? 'fails' : verdictOf(strict, 'not' in foretold),
  };
}

function verdictOf(strict: readonly Outlook[], isNotForetold: boolean): Outlook {
  return isNotForetold || strict.length === 0 || strict.includes('open') ? 'open' : 'passes';
}

/** A gate judges the worse end of an interval over so many test pictures as the whole run has. */
function foundGates(
  foretold: ForetoldFindings,
  { measures, testRows }: Pick<Required<RunFacts>['retrieval'], 'measures'> & { readonly testRows: number },
  { gates }: ImageRetrieval,
): readonly ForetoldGate[] {
  return (['recallAtK', 'meanAveragePrecision'] as const).flatMap((name): readonly ForetoldGate[] => {
    const { min: threshold, severity } = gates[name];
    if (severity === 'off') return [];
    const half = halfAt(measures[name], testRows);
    const { low, high } = (foretold[name] satisfies Prediction).interval;
    const judged = { low: Math.max(0, low - half), high: Math.max(0, high - half) };
    return [{ name, threshold, direction: 'min', severity, judged, outlook: outlookOf(judged, threshold) }];
  });
}

/** Of a gate that asks for `least`, and judges something between the two. */
export function outlookOf({ low, high }: { readonly low: number; readonly high: number }, least: number): Outlook {
  if (low >= least) return 'passes';
  return high < least ? 'fails' : 'open';
}

/** What a graph leaves open of a limit: memory is at least what is said, latency at most. */
const OPEN_BY_A_GRAPH: Readonly<Partial<Record<ForetoldGate['name'], Outlook>>> = {
  memoryMb: 'passes',
  latencyP95Ms: 'fails',
};

/** A limit that more pictures can only come nearer to. */
function limitGates(
  values: Readonly<Record<'sizeMb' | 'memoryMb', number> & Record<'latencyP95Ms', number | null>>,
  byGraph: boolean,
  { gates }: ImageRetrieval,
): readonly ForetoldGate[] {
  return (['sizeMb', 'memoryMb', 'latencyP95Ms'] as const).flatMap((name): readonly ForetoldGate[] => {
    const { max: threshold, severity } = gates[name];
    const value = values[name];
    if (severity === 'off' || value === null) return [];
    const said = value > threshold ? 'fails' : 'passes';
    const outlook = byGraph && OPEN_BY_A_GRAPH[name] === said ? 'open' : said;
    return [{ name, threshold, direction: 'max', severity, judged: value, outlook }];
  });
}

/** Half of an interval narrows by the root of how many more there are. */
function halfAt({ interval, rows }: Score, testRows: number): number {
  if (interval === null || testRows === 0) return 0;
  return ((interval.high - interval.low) / 2) * Math.sqrt(rows / Math.max(rows, testRows));
}
