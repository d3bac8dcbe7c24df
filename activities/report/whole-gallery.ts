/** What the whole gallery should find, take and cost, beside what a finder's prototype shows. Pure; kept as evidence. */
import { indexLimitProblem } from '../../inference/retrieval/index-files.ts';
import type { ImageRetrieval } from '../../pipelines/definition.ts';
import type { RunFacts } from '../contract/evidence.ts';
import type { Score } from '../contract/measures.ts';
import type { Prediction } from '../contract/prototype.ts';
import type { ForetoldFindings, ForetoldSearch } from '../contract/retrieval.ts';
import { EXACT_UP_TO } from '../retrieval/graph-trial.ts';
import { predictSeconds } from '../selection/learning-curve.ts';
import type { Cost } from './cost.ts';
import { expense, type Expense } from './worth.ts';

/** Whether a gate should let the whole run through: at worst, not even at best, or neither is shown. */
export type Outlook = 'passes' | 'fails' | 'open';

/** Between what and what a figure is; null where that end is not known. */
interface Ends {
  readonly low: number | null;
  readonly high: number | null;
}

export interface ForetoldGate {
  readonly name: 'recallAtK' | 'meanAveragePrecision' | 'sizeMb' | 'memoryMb' | 'latencyP95Ms';
  readonly threshold: number;
  readonly direction: 'min' | 'max';
  readonly severity: 'fail' | 'warn';
  /** What the gate would judge: the worse end of an interval at worst and at best; of a limit one figure, or what it lies between. */
  readonly judged: number | Ends;
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
   * At the 95th percentile: as here, and what an exact search of the whole gallery takes more. Where a graph would be tried, or the machine
   * was busy, at most. null where the search was not timed.
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
  const latency = latencyEnds(measures.latencyP95Ms, search, atLeast);
  const trained = steps.find(({ id }) => id === 'train')?.ranSeconds;
  const trainSeconds = trained === undefined ? null : predictSeconds([{ rows, seconds: trained }], whole.train);
  const gates = [
    ...('not' in foretold ? [] : foundGates(foretold, { measures, testRows: whole.test }, pipeline)),
    ...limitGates(
      {
        sizeMb: { low: sizeMb, high: sizeMb },
        memoryMb: { low: memoryMb, high: atLeast ? null : memoryMb },
        latencyP95Ms: latency,
      },
      pipeline,
    ),
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
    latencyP95Ms: latency.high,
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

/**
 * From a file to its neighbours in the whole gallery. A time of a busy machine is no more than a bound from above, as its gate has it
 * (activities/validation/gates.ts); without the time of a search it is at least as long as here.
 */
function latencyEnds(
  { value, noMoreThan, noLessThan }: Score,
  search: ForetoldSearch | undefined,
  byGraph: boolean,
): Ends {
  const more = search === undefined ? 0 : Math.max(0, search.wholeMs - search.hereMs);
  const least = noMoreThan === undefined ? value : (noLessThan ?? null);
  return {
    // A graph may answer sooner than the exact search of this gallery.
    low: least === null || byGraph ? null : least + more,
    high: value === null || search === undefined ? null : value + more,
  };
}

/** A limit that more pictures can only come nearer to. */
function limitGates(
  values: Readonly<Record<'sizeMb' | 'memoryMb' | 'latencyP95Ms', Ends>>,
  { gates }: ImageRetrieval,
): readonly ForetoldGate[] {
  return (['sizeMb', 'memoryMb', 'latencyP95Ms'] as const).flatMap((name): readonly ForetoldGate[] => {
    const { max: threshold, severity } = gates[name];
    if (severity === 'off') return [];
    const { low, high } = values[name];
    const judged = low !== null && low === high ? low : { low, high };
    return [{ name, threshold, direction: 'max', severity, judged, outlook: limitOutlook({ low, high }, threshold) }];
  });
}

function limitOutlook({ low, high }: Ends, most: number): Outlook {
  if (high !== null && high <= most) return 'passes';
  return low !== null && low > most ? 'fails' : 'open';
}

/** Half of an interval narrows by the root of how many more there are. */
function halfAt({ interval, rows }: Score, testRows: number): number {
  if (interval === null || testRows === 0) return 0;
  return ((interval.high - interval.low) / 2) * Math.sqrt(rows / Math.max(rows, testRows));
}
