/** What tuning on all rows should bring and cost, beside what a small part has brought already. Pure; kept as evidence. */
import type { CandidateCurve, Prototyped } from '../contract/prototype.ts';
import type { Cost } from './cost.ts';

/** Money, time, and whether they are an upper bound: one time is no line. */
export interface Expense {
  readonly seconds: number;
  readonly atMost: boolean;
  /** null without a price of its queue. */
  readonly money: number | null;
}

export interface Worth {
  /** Of `money`; null without prices. */
  readonly currency: string | null;
  /** A training on all rows, by candidate; null where no rung was timed. */
  readonly trainings: Readonly<Record<string, Expense | null>>;
  /** What all rows should bring the chosen one beyond the place of its last rung on its own curve. */
  readonly gain: Gain | null;
  readonly verdict: 'no-curve' | 'flat' | 'too-little' | 'worth' | 'within-noise';
}

export interface Gain {
  readonly fromRows: number;
  /** As shares, 0–1: 0.01 is a point. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Of one point of `value`; null where no rung was timed, or nothing is gained. */
  readonly aPoint: Expense | null;
}

/** A gain below it is nothing that anybody pays for: half a point. */
const LEAST_GAIN = 0.005;

export function worthOf({ curves, winner }: Prototyped, cost: Cost): Worth {
  const trainings = Object.fromEntries(curves.map((one) => [one.candidate, trainingOf(one, cost)]));
  const currency = cost.prices?.perHour['espalier-gpu'] === undefined ? null : cost.prices.currency;
  const known = { currency, trainings };
  const chosen = curves.find(({ candidate }) => candidate === winner);
  const last = chosen?.points.findLast(({ accuracy }) => accuracy !== null);
  const said = chosen?.predictedAccuracy;
  if (chosen === undefined || said == null || last?.accuracy == null) {
    return { ...known, gain: null, verdict: 'no-curve' };
  }
  if (chosen.curve === null || chosen.curve.scale === 0) return { ...known, gain: null, verdict: 'flat' };
  // Between two places of the curve: the last rung may lie below it by chance, which is no gain.
  const { floor, scale, decay } = chosen.curve;
  const from = 1 - floor - scale * last.trainRows ** -decay;
  const [value, low, high] = [said.value - from, said.interval.low - from, said.interval.high - from];
  const verdict = high < LEAST_GAIN ? 'too-little' : low > 0 ? 'worth' : 'within-noise';
  const training = trainings[winner] ?? null;
  const aPoint = training === null || value <= 0 ? null : share(training, 1 / (value * 100));
  return { ...known, gain: { fromRows: last.trainRows, value, low, high, aPoint }, verdict };
}

/** Of a training that holds all its devices for so long. */
function trainingOf({ predictedSeconds: seconds, points }: CandidateCurve, cost: Cost): Expense | null {
  if (seconds === null) return null;
  const atMost = points.filter((one) => one.seconds !== null).length < 2;
  return expense(seconds, { cost, queue: 'espalier-gpu', devices: cost.devices, atMost });
}

/** What so many seconds on so many slots of a queue cost. */
export function expense(
  seconds: number,
  of: { readonly cost: Cost; readonly queue: string; readonly devices: number; readonly atMost: boolean },
): Expense {
  const perHour = of.cost.prices?.perHour[of.queue];
  return {
    seconds,
    atMost: of.atMost,
    money: perHour === undefined ? null : (seconds * of.devices * perHour) / 3600,
  };
}

const share = ({ seconds, atMost, money }: Expense, part: number): Expense => ({
  seconds: seconds * part,
  atMost,
  money: money === null ? null : money * part,
});
