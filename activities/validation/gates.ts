/**
 * The gates: what each measures, and the pure rule that judges it. Where a measure comes with an interval its worse end
 * is judged, so that a small test set cannot pass on luck; a measure that is missing, NaN or without its interval fails.
 */
import type { GateResult, GatesVerdict } from '../contract/validation.ts';
import type { Score } from '../contract/measures.ts';
import type { GateName, GatesSpec, TrainingSpec } from '../../pipelines/definition.ts';

export interface GateDefinition {
  /** `min`: the measure must be at least the threshold; `max`: at most. */
  readonly direction: 'min' | 'max';
  /** `interval`: the interval's worse end; `value`: the measure itself, which has no sampling error of rows. */
  readonly judged: 'interval' | 'value';
  readonly unit: 'share' | 'ms' | 'MB' | 'bits';
  /** One sentence for people. */
  readonly meaning: string;
}

export const GATES: Readonly<Record<GateName, GateDefinition>> = {
  accuracy: {
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    meaning: 'Share of test rows whose label the exported model predicts.',
  },
  macroF1: {
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    meaning: 'Mean F1 over the labels: rare labels count as much as frequent ones.',
  },
  worstLabelF1: {
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    meaning: 'F1 of the label that the model serves worst.',
  },
  gainOverProbe: {
    direction: 'min',
    judged: 'interval',
    unit: 'share',
    meaning: 'Test accuracy of the tuned model minus that of the frozen encoder with a linear probe, on the same rows.',
  },
  trainValidationGap: {
    direction: 'max',
    judged: 'value',
    unit: 'share',
    meaning: 'Accuracy on training rows minus accuracy on validation rows: how much was learnt by heart.',
  },
  latencyP95Ms: {
    direction: 'max',
    judged: 'value',
    unit: 'ms',
    meaning: 'Time that 95 % of single texts stay under, after warm-up, on the machine that evaluated.',
  },
  sizeMb: { direction: 'max', judged: 'value', unit: 'MB', meaning: 'Size of model.onnx (1 MB = 1,000,000 bytes).' },
  edgeInputs: {
    direction: 'min',
    judged: 'value',
    unit: 'share',
    meaning:
      'Share of awkward texts (empty, huge, emoji, other scripts, control characters…) answered with probabilities.',
  },
  flipRate: {
    direction: 'max',
    judged: 'interval',
    unit: 'share',
    meaning: 'Share of test rows whose predicted label changes under an edit that leaves the meaning alone.',
  },
  exportParity: {
    direction: 'max',
    judged: 'value',
    unit: 'share',
    meaning: 'Largest difference of a probability between PyTorch and onnxruntime.',
  },
};

export const GATE_NAMES = Object.keys(GATES) as readonly GateName[];

/**
 * Judges every gate. The verdict is the worst of the gates that are on; the result names each threshold's origin. With
 * training method `head` the gain over the probe is recorded only: a head on the frozen encoder is that probe.
 */
export function judgeGates(
  measures: Readonly<Partial<Record<GateName, Score | null>>>,
  spec: GatesSpec,
  method: TrainingSpec['method'] = 'full',
): GatesVerdict {
  const gates = GATE_NAMES.map((name) => {
    const gate = judgeGate(name, GATES[name], measures[name] ?? MISSING, spec[name]);
    return name === 'gainOverProbe' ? gainAdvised(gate, method) : gate;
  });
  return { verdict: worstOf(gates), gates };
}

/** Of all gates that are on. */
export function worstOf(gates: readonly Pick<GateResult, 'verdict'>[]): GatesVerdict['verdict'] {
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

/** One gate of any family of gates; `name` is its name below `gates` in the definition. */
export function judgeGate<Name extends string>(
  name: Name,
  gate: GateDefinition,
  score: Score,
  limit: GatesSpec[GateName],
): GateResult<Name> {
  const { direction, judged } = gate;
  const threshold = 'min' in limit ? limit.min : limit.max;
  const measured = measuredNumber(score, direction, judged);
  const holds = measured !== null && (direction === 'min' ? measured >= threshold : measured <= threshold);
  return {
    name,
    verdict: limit.severity === 'off' ? 'off' : holds ? 'pass' : limit.severity,
    measured,
    // What is kept must be JSON: a NaN becomes the null that it means.
    score: isFiniteScore(score) ? score : { ...MISSING, rows: score.rows },
    threshold,
    direction,
    reason: reasonFor(name, gate, score, measured, threshold, holds),
  };
}

/** The number that decides, or null when there is none to be trusted. */
function measuredNumber(score: Score, direction: 'min' | 'max', judged: GateDefinition['judged']): number | null {
  if (!isFiniteScore(score)) return null;
  if (judged === 'value') return score.value;
  if (score.interval === null) return null;
  return direction === 'min' ? score.interval.low : score.interval.high;
}

function isFiniteScore({ value, interval }: Score): boolean {
  return (
    Number.isFinite(value) && (interval === null || (Number.isFinite(interval.low) && Number.isFinite(interval.high)))
  );
}

function reasonFor(
  name: string,
  { direction, judged, unit }: GateDefinition,
  score: Score,
  measured: number | null,
  threshold: number,
  holds: boolean,
): string {
  const suffix = unit === 'share' ? '' : ` ${unit}`;
  const limit = `the pipeline's gates.${name}.${direction} (${threshold}${suffix})`;
  if (measured === null) {
    const lack = isFiniteScore(score) ? `${name} has no confidence interval` : `${name} could not be measured`;
    return `${lack}; a gate without its number fails: ${limit} cannot be judged`;
  }
  const { value, interval, rows } = score;
  const what =
    judged === 'value' || interval === null || value === null
      ? `${name} is ${number(measured)}${suffix}`
      : `${name} is ${number(value)}${suffix} on ${rows} rows; the ${direction === 'min' ? 'lower' : 'upper'} end of its ` +
        `${number(interval.confidence * 100)} % interval, ${number(measured)}${suffix},`;
  const comparison = { min: ['at least', 'below'], max: ['at most', 'above'] }[direction][holds ? 0 : 1];
  const joint = judged === 'value' ? ', ' : ' is ';
  return `${what}${joint}${comparison} ${limit}`;
}

/** Four significant digits: enough to compare with a threshold by eye. */
function number(value: number): string {
  return String(Number(value.toPrecision(4)));
}
