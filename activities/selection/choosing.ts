/** Which candidate is tuned on all rows, after the prototypes, and why. Pure. */
import type {
  CandidateCurve,
  ChooseCandidateInput,
  ChosenCandidate,
  Prototyped,
  RungResult,
} from '../contract/prototype.ts';
import type { RankedCandidate } from '../contract/selection.ts';
import { byAccuracy, isCut, percent } from './halving.ts';
import { areAlike } from './machines.ts';
import { predictAccuracy, predictSeconds } from './learning-curve.ts';
import { rowsInEffect, seedDifference } from './seeds.ts';

const RULE =
  'The best validation accuracy on the last rung that anybody was tuned on; all within the tolerance of it are equals, and the one with the lowest p95 latency wins, or where these equals were not all timed on one kind of machine the most accurate. Who was cut by the budget is not compared; where it left nobody to compare with, the rung before decides. Where no prototype came to an end, the frozen figures decide.';

export function choosePrototyped(input: ChooseCandidateInput): ChosenCandidate {
  const { selection, results, left, fullRows, stopped } = input;
  const curves = curvesOf(input);
  const rung = decidingRung(results);
  const { winner, reason } = decide(input, rung);
  const prototyped: Prototyped = {
    winner,
    curves: curves.toSorted((one, other) => Number(other.candidate === winner) - Number(one.candidate === winner)),
    left,
    fullRows,
    reason,
    rule: RULE,
    ...(stopped === undefined ? {} : { stopped }),
  };
  if (rung === 0) return { selection, prototyped };
  return { selection: { ...selection, winner, ranking: retold(input, prototyped) }, prototyped };
}

/** The last that anybody came through; 0 where nobody did. Whoever was alone there because the budget cut the others was only quicker. */
function decidingRung(results: readonly RungResult[]): number {
  const rungs = [...new Set(results.map(({ rung }) => rung))].filter((rung) => {
    const there = results.filter((one) => one.rung === rung);
    return byAccuracy(there).length > (there.some(isCut) ? 1 : 0);
  });
  return Math.max(0, ...rungs);
}

function decide(
  { selection, results, measured, tolerance }: ChooseCandidateInput,
  last: number,
): Pick<Prototyped, 'winner' | 'reason'> {
  const cut = Math.max(0, ...results.filter(isCut).map(({ rung }) => rung));
  const ended = cut > last ? `The budget ended in the middle of rung ${cut}. ` : '';
  const finalists = byAccuracy(results.filter(({ rung }) => rung === last));
  const [best] = finalists;
  if (best === undefined) {
    const reason = `${ended}No prototype ${cut > last ? 'can be compared' : 'came to an end'}: ${selection.winner} stays, by the frozen figures.`;
    return { winner: selection.winner, reason };
  }
  const equals = finalists.filter(({ accuracy }) => (accuracy ?? 0) >= (best.accuracy ?? 0) - tolerance - 1e-9);
  const latency = ({ candidate }: RungResult): number =>
    measured.find(({ id }) => id === candidate)?.profile?.latency.p95Ms ?? Number.POSITIVE_INFINITY;
  const profiles = equals.flatMap(({ candidate }) => measured.find(({ id }) => id === candidate)?.profile ?? []);
  const alike = areAlike(profiles);
  const chosen = !alike
    ? best
    : equals.reduce((fastest, one) => (latency(one) < latency(fastest) ? one : fastest), best);
  const of = `${percent(chosen.accuracy)} on validation after ${chosen.trainRows} training rows`;
  const others = equals.filter((one) => one !== chosen).map(({ candidate }) => candidate);
  const why =
    others.length > 0
      ? `the ${alike ? 'fastest' : 'best, since latencies are of unlike machines,'} of ${equals.length} within the tolerance (also ${others.join(', ')})`
      : finalists.length > 1
        ? `the best of ${cut > last ? `rung ${last}` : 'the last rung'}`
        : 'the one that was left';
  const changed =
    chosen.candidate === selection.winner
      ? 'as the frozen figures said'
      : `not ${selection.winner}, which led by the frozen figures`;
  const seeds = ofSeeds(chosen, finalists);
  return { winner: chosen.candidate, reason: `${ended}${chosen.candidate} is ${why}: ${of}; ${changed}.${seeds}` };
}

/** How sure the order is, where each was trained from several seeds: the mean is the best guess whatever they leave open. */
function ofSeeds(chosen: RungResult, finalists: readonly RungResult[]): string {
  const count = chosen.accuracies?.length ?? 1;
  const rival = finalists.find((one) => one !== chosen);
  if (count < 2 || rival === undefined) return '';
  const lead = (chosen.accuracy ?? 0) - (rival.accuracy ?? 0);
  const { error, turnable } = seedDifference(chosen, rival);
  const points = (share: number): string => `${(Math.abs(share) * 100).toFixed(1)} points`;
  const open = Math.abs(lead) > turnable ? '' : ': other seeds might turn it';
  return ` Means of ${count} seeds: ${points(lead)} ${lead < 0 ? 'behind' : 'ahead of'} ${rival.candidate}, with one standard error of ${points(error)} between seeds${open}.`;
}

function curvesOf({ results, fullRows, epochsFactor, seed }: ChooseCandidateInput): readonly CandidateCurve[] {
  const ids = [...new Set(byRungAndAccuracy(results).map(({ candidate }) => candidate))];
  return ids.map((candidate): CandidateCurve => {
    const points = results.filter((one) => one.candidate === candidate).toSorted((a, b) => a.rung - b.rung);
    const measured = points.flatMap((one) =>
      one.accuracy === null ? [] : [{ rows: one.trainRows, accuracy: one.accuracy, measuredRows: rowsInEffect(one) }],
    );
    const timed = points.flatMap(({ trainRows, seconds }) => (seconds === null ? [] : [{ rows: trainRows, seconds }]));
    const predicted = predictAccuracy(measured, fullRows, seed);
    return {
      candidate,
      points,
      curve: predicted?.curve ?? null,
      predictedAccuracy: predicted?.prediction ?? null,
      predictedSeconds: predictSeconds(timed, fullRows, epochsFactor),
    };
  });
}

/** Whoever came furthest first, and of these the best. */
function byRungAndAccuracy(results: readonly RungResult[]): readonly RungResult[] {
  return results.toSorted(
    (left, right) =>
      right.rung - left.rung ||
      (right.accuracy ?? -1) - (left.accuracy ?? -1) ||
      (left.candidate < right.candidate ? -1 : 1),
  );
}

/** What the prototypes say of each form that was ranked; the first one's old reason no longer claims the choice. */
function retold(
  { selection }: ChooseCandidateInput,
  { winner, reason, left, curves }: Prototyped,
): readonly RankedCandidate[] {
  return selection.ranking.map((one) => {
    if (one.form !== 'tune') return one;
    const leaving = left.find(({ candidate }) => candidate === one.encoder)?.reason;
    const tried = curves.some(({ candidate }) => candidate === one.encoder);
    const [first = '', ...rest] = one.reasons;
    const old = winner !== selection.winner ? first.replace(/^Chosen:/, 'First by the frozen figures:') : first;
    const said =
      one.encoder === winner
        ? `Chosen after prototypes: ${reason}`
        : (leaving ?? (tried ? 'Not the best of the prototypes.' : undefined));
    return { ...one, reasons: [...(said === undefined ? [] : [said]), old, ...rest] };
  });
}
