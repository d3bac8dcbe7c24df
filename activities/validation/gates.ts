/**
 * The pure rule that judges the gates of pipelines/gates/table.ts. Where a measure comes with an interval one of its ends is
 * judged: the worse one where the model must show that it is good, so that a small test set cannot pass on luck; the better
 * one where a defect must be shown. A measure that is missing, NaN or without its interval fails.
 */
import type { GateResult, GatesVerdict } from '../contract/validation.ts';
import type { Score } from '../contract/measures.ts';
import type { GatesSpec, TrainingSpec } from '../../pipelines/definition.ts';
import { GATE_NAMES, GATE_TABLE, type GateName } from '../../pipelines/gates/table.ts';
import type { GateRow } from '../../pipelines/gates/row.ts';
import { withPlantedErrors } from './planted-errors.ts';

/** What the rule needs to know of a gate, of any family of gates. */
export type GateDefinition = Pick<GateRow, 'direction' | 'judged' | 'meaning'> & {
  readonly unit: GateRow['unit'] | 'bits';
};

/**
 * Judges every gate. The verdict is the worst of the gates that are on; the result names each threshold's origin. With
 * training method `head` the gain over the probe is recorded only: a head on the frozen encoder is that probe.
 */
export function judgeGates(
  measures: Readonly<Partial<Record<GateName, Score | null>>>,
  spec: Partial<GatesSpec>,
  method: TrainingSpec['method'] = 'full',
): GatesVerdict {
  const gates = GATE_NAMES.filter((name) => GATE_TABLE[name].step !== 'compare').flatMap((name) => {
    const limit = spec[name];
    // What its task does not have cannot be measured on it.
    if (limit === undefined) return [];
    const unasked = GATE_TABLE[name].step === 'attack' && limit.severity === 'off';
    const gate = judgeGate(name, GATE_TABLE[name], measures[name] ?? (unasked ? NOT_ATTACKED : MISSING), limit);
    return [name === 'gainOverProbe' ? gainAdvised(gate, method) : gate];
  });
  return { verdict: worstOf(gates), gates };
}

/** Of all gates that are on. */
export function worstOf(gates: readonly Pick<GateResult<string>, 'verdict'>[]): GatesVerdict['verdict'] {
  return (['fail', 'warn'] as const).find((verdict) => gates.some((gate) => gate.verdict === verdict)) ?? 'pass';
}

/** What the gain over the probe means for how it was trained, and the way out where tuning was not worth it. */
function gainAdvised(gate: GateResult, method: TrainingSpec['method']): GateResult {
  if (method === 'head') {
    const gain = gate.score.value === null ? 'could not be measured' : `is ${number(gate.score.value)}`;
    const reason =
      `gainOverProbe ${gain} and is recorded, not judged: training.method 'head' trains a head on the frozen encoder, ` +
      'which is the probe itself; it need not beat itself, and the other gates judge it';
    return { ...gate, verdict: 'off', reason };
  }
  if (gate.measured === null || (gate.verdict !== 'fail' && gate.verdict !== 'warn')) return gate;
  const wayOut =
    "to release the frozen probe itself, set training.method to 'head' with more epochs and a higher headLearningRate: " +
    'the encoder then stays as it is, and this gate only records';
  return { ...gate, reason: `${gate.reason}; ${wayOut}` };
}

const MISSING: Score = { value: null, interval: null, rows: 0 };
/** Of a gate that an attack has to be made for, where nobody asked for one. */
export const NOT_ATTACKED: Score = { ...MISSING, notApplicable: 'the definition does not ask for it (docs/gates.md)' };

/** One gate of any family of gates; `name` is its name below `gates` in the definition. */
export function judgeGate<Name extends string>(
  name: Name,
  gate: GateDefinition,
  asked: Score,
  limit: GatesSpec[GateName],
  /** Where in the definition its threshold stands. */
  section = 'gates',
): GateResult<Name> {
  const { direction, judged } = gate;
  const threshold = 'min' in limit ? limit.min : limit.max;
  if (asked.notApplicable !== undefined) {
    const reason = `${name} was not measured: ${asked.notApplicable}`;
    return { name, verdict: 'off', measured: null, score: MISSING, threshold, direction, reason };
  }
  const holding = (number: number | null): boolean =>
    number !== null && (direction === 'min' ? number >= threshold : number <= threshold);
  const score = told(asked, holding);
  const measured = measuredNumber(score, direction, judged);
  const holds = holding(measured);
  const result: GateResult<Name> = {
    name,
    verdict: limit.severity === 'off' ? 'off' : holds ? 'pass' : limit.severity,
    measured,
    // What is kept must be JSON: a NaN becomes the null that it means.
    score: isFiniteScore(score) ? score : { ...MISSING, rows: score.rows },
    threshold,
    direction,
    reason: reasonFor(`${section}.${name}`, gate, score, measured, threshold, holds),
  };
  return withPlantedErrors(result, asked.planted ?? []);
}

/**
 * What is no more than a bound from above can show that a limit holds, and not that it is broken: a bound from below, where there is
 * one, can. Else nothing was measured.
 */
function told(asked: Score, holding: (number: number | null) => boolean): Score {
  // What the rows can show is told with the verdict, not kept.
  const { noMoreThan, noLessThan, resolution: _, planted: __, ...score } = asked;
  if (noMoreThan === undefined || holding(score.value)) return score;
  if (noLessThan !== undefined && !holding(noLessThan)) return { ...score, value: noLessThan, noLessThan };
  return { ...MISSING, rows: score.rows, lack: noMoreThan };
}

/** The number that decides, or null when there is none to be trusted. */
function measuredNumber(score: Score, direction: 'min' | 'max', judged: GateDefinition['judged']): number | null {
  if (!isFiniteScore(score)) return null;
  if (judged === 'value') return score.value;
  if (score.interval === null) return null;
  return score.interval[judgedEnd(direction, judged)];
}

/** Where a high measure is good its low end speaks against the model; a proof of a defect needs the other end. */
function judgedEnd(direction: 'min' | 'max', judged: 'interval' | 'proof'): 'low' | 'high' {
  return (direction === 'min') === (judged === 'interval') ? 'low' : 'high';
}

function isFiniteScore({ value, interval }: Score): boolean {
  return (
    Number.isFinite(value) && (interval === null || (Number.isFinite(interval.low) && Number.isFinite(interval.high)))
  );
}

function reasonFor(
  path: string,
  { direction, judged, unit }: GateDefinition,
  score: Score,
  measured: number | null,
  threshold: number,
  holds: boolean,
): string {
  const name = path.slice(path.indexOf('.') + 1);
  const suffix = unit === 'share' || unit === 'points' || unit === 'number' ? '' : ` ${unit}`;
  const limit = `the pipeline's ${path}.${direction} (${threshold}${suffix})`;
  if (measured === null) {
    const lack = isFiniteScore(score)
      ? `${name} has no confidence interval`
      : `${name} could not be measured${score.lack === undefined ? '' : ` (${score.lack})`}`;
    return `${lack}; a gate without its number fails: ${limit} cannot be judged`;
  }
  const { value, interval, rows, of, noLessThan } = score;
  const which = of === undefined ? '' : ` (${of})`;
  const what =
    judged === 'value' || interval === null || value === null
      ? `${name} is ${noLessThan === undefined ? '' : 'at least '}${number(measured)}${suffix}${which}`
      : `${name} is ${number(value)}${suffix} on ${rows} rows${which}; the ${judgedEnd(direction, judged) === 'low' ? 'lower' : 'upper'} end of its ` +
        `${number(interval.confidence * 100)} % interval, ${number(measured)}${suffix},`;
  const comparison = { min: ['at least', 'below'], max: ['at most', 'above'] }[direction][holds ? 0 : 1];
  const joint = judged === 'value' ? ', ' : ' is ';
  return `${what}${joint}${comparison} ${limit}`;
}

/** Four significant digits: enough to compare with a threshold by eye. */
function number(value: number): string {
  return String(Number(value.toPrecision(4)));
}
