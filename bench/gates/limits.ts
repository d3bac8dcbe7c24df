/**
 * Gates that hold a model to a limit which a definition sets: models within it and models beyond it are measured in turn, and judged
 * as a run judges them. The first measurement sets the limits, and is not judged: of times three times what the slowest model within
 * took, of sizes half-way, geometrically, between the models within and those beyond. What a busy machine does not tell is counted by
 * itself.
 */
import { loadavg } from 'node:os';
import type { Latency, Score } from '../../activities/contract/measures.ts';
import { timeScore } from '../../activities/selection/busy-machine.ts';
import { judgeGate, type GateDefinition } from '../../activities/validation/gates.ts';
import { median } from '../support.ts';
import type { Rate } from './rates.ts';

/** Of one model, measured once: the score of each gate. */
export type Scores = Readonly<Record<string, Score>>;
export type Measured = ReadonlyMap<string, readonly Scores[]>;

export interface HeldGate {
  readonly gate: string;
  readonly row: GateDefinition;
  /** Models by their names: those that keep the limit, and those that do not. Others are not asked about. */
  readonly within: readonly string[];
  readonly beyond: readonly string[];
  /** Of times: how many times what the slowest within took. Missing: the limit stands half-way. */
  readonly timesWithin?: number;
}

/** A limit that is nearer to what a quiet machine measures may accuse on a busy one (docs/benchmarks.md). */
export const SLOW_FROM = 3;

/** As classifiers and finders are judged. */
export function latencyScores(latency: Latency): Scores {
  return { latencyP95Ms: timeScore(latency.p95Ms, latency.runs, latency) };
}

/** One draw more than are judged. Tells each figure as it comes, and the machine's load. */
export async function measureInTurn<Model>(
  models: Readonly<Record<string, Model>>,
  draws: number,
  measure: (model: Model, draw: number) => Promise<Scores>,
): Promise<Measured> {
  const measured = new Map<string, Scores[]>();
  const loads: number[] = [];
  for (let draw = 0; draw <= draws; draw++) {
    for (const [name, model] of Object.entries(models)) {
      const scores = await measure(model, draw);
      measured.set(name, [...(measured.get(name) ?? []), scores]);
      loads.push(loadavg()[0]!);
      const figures = Object.entries(scores).map(
        ([gate, { value, noMoreThan, noLessThan }]) =>
          `${gate} ${value?.toPrecision(3)}${noMoreThan === undefined ? '' : ` (a bound, at least ${noLessThan?.toPrecision(3) ?? 'unknown'})`}`,
      );
      console.error(`draw ${draw} of ${draws}, ${name}: ${figures.join(', ')}`);
    }
  }
  console.log(`load in the last minute: ${Math.min(...loads)} to ${Math.max(...loads)}, median ${median(loads)}`);
  return measured;
}

/** A rate for each model that is beyond a limit; `tell` is told every figure. */
export function limitRates(
  measured: Measured,
  gates: readonly HeldGate[],
  on: string,
  tell: (line: string) => void = console.log,
): readonly Rate[] {
  return gates.flatMap(({ gate, row, within, beyond, timesWithin }) => {
    const scoresOf = (model: string): readonly Score[] => (measured.get(model) ?? []).map((scores) => scores[gate]!);
    const firstOf = (model: string): number => scoresOf(model)[0]?.value ?? Number.NaN;
    const most = Math.max(...within.map(firstOf));
    const limit = timesWithin === undefined ? Math.sqrt(most * Math.min(...beyond.map(firstOf))) : timesWithin * most;
    const verdictsOf = (model: string): Verdicts => {
      const judged = scoresOf(model).slice(1);
      return countVerdicts(judged.map((score) => judgeGate(gate, row, score, { max: limit, severity: 'fail' })));
    };
    tell(`${on}: ${gate} max ${limit.toPrecision(3)}`);
    for (const model of [...within, ...beyond]) {
      const values = scoresOf(model).flatMap(({ value }) => value ?? []);
      const [low, high, middle] = [Math.min(...values), Math.max(...values), median(values)];
      const { kept, broken, untold } = verdictsOf(model);
      tell(
        `  ${model}: ${low.toPrecision(3)} to ${high.toPrecision(3)}, median ${middle.toPrecision(3)}; ` +
          `kept ${kept}, broken ${broken}, not measured ${untold}`,
      );
    }
    const clean = within.map(verdictsOf);
    const sum = (of: keyof Verdicts): number => clean.reduce((total, verdicts) => total + verdicts[of], 0);
    return beyond.map((model): Rate => {
      const { kept, broken, untold } = verdictsOf(model);
      return {
        gate,
        defect: model,
        on,
        caught: broken,
        planted: kept + broken,
        accused: sum('broken'),
        clean: sum('kept') + sum('broken'),
        notMeasured: { planted: untold, clean: sum('untold') },
      };
    });
  });
}

interface Verdicts {
  readonly kept: number;
  readonly broken: number;
  readonly untold: number;
}

function countVerdicts(judged: readonly Pick<ReturnType<typeof judgeGate>, 'verdict' | 'measured'>[]): Verdicts {
  const untold = judged.filter(({ measured }) => measured === null).length;
  const kept = judged.filter(({ verdict }) => verdict === 'pass').length;
  return { kept, untold, broken: judged.length - kept - untold };
}
