/** Who wins, and why each of the others lost. Pure. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { CandidateOutcome, RankCandidatesInput, RankedCandidate, Selection } from '../contract.ts';

/** A candidate with every figure the ranking needs. */
interface Measured {
  readonly id: string;
  readonly accuracy: number;
  readonly neighbours: number;
  readonly p95Ms: number;
  readonly sizeMb: number;
}

/**
 * Ranks what the candidates measured. The best linear-probe validation accuracy sets the bar; all within
 * `selection.tolerance` of it are equals, and of equals the fastest (p95, one text) wins. Below them accuracy decides,
 * then kNN accuracy. Throws NoCandidate listing every reason when none is left.
 */
export function rankOutcomes({ candidates, selection }: RankCandidatesInput): Selection {
  const judged = candidates.map((candidate) => ({
    candidate,
    measured: measuredOf(candidate),
    faults: faultsOf(candidate, selection),
  }));
  const eligible = judged.flatMap(({ measured, faults }) =>
    measured !== null && faults.length === 0 ? [measured] : [],
  );
  const best = Math.max(...eligible.map((one) => one.accuracy));
  const isEqual = (one: Measured): boolean => one.accuracy >= best - selection.tolerance - 1e-9;
  const ranked = eligible.toSorted(
    (left, right) =>
      Number(isEqual(right)) - Number(isEqual(left)) ||
      (isEqual(left) && isEqual(right) ? left.p95Ms - right.p95Ms : 0) ||
      right.accuracy - left.accuracy ||
      right.neighbours - left.neighbours ||
      left.p95Ms - right.p95Ms ||
      (left.id < right.id ? -1 : 1),
  );
  const winner = ranked[0];
  if (winner === undefined) {
    const lines = judged.map(({ candidate, faults }) => `${candidate.id}: ${faults.join('; ')}`);
    throw new EspalierError('NoCandidate', `no candidate is left. ${lines.join(' | ') || 'None was given.'}`, {
      where: 'candidates',
      fix: 'loosen selection.maxLatencyP95Ms, maxSizeMb or maxMemoryMb, or add a candidate whose source and licence fit',
    });
  }
  const rankOf = new Map(ranked.map((one, at) => [one.id, at + 1]));
  const ranking = judged.map(({ candidate, measured, faults }): RankedCandidate => {
    const rank = rankOf.get(candidate.id);
    if (measured === null || rank === undefined)
      return { id: candidate.id, rank: null, eligible: false, reasons: faults };
    const why =
      measured === winner
        ? winning(winner, ranked.filter(isEqual), selection.tolerance)
        : losing(measured, winner, isEqual(measured), selection.tolerance);
    return { id: candidate.id, rank, eligible: true, reasons: [why, front(measured, eligible)] };
  });
  return {
    winner: winner.id,
    ranking: ranking.toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || 0),
    rule: ruleOf(selection),
  };
}

function measuredOf({ id, profile, probe }: CandidateOutcome): Measured | null {
  const accuracy = probe?.linearAccuracy.value ?? null;
  if (profile === undefined || accuracy === null) return null;
  return {
    id,
    accuracy,
    neighbours: probe?.knnAccuracy.value ?? 0,
    p95Ms: profile.latency.p95Ms,
    sizeMb: profile.sizeMb,
  };
}

/** Why a candidate may not win; empty when it may. */
function faultsOf(candidate: CandidateOutcome, selection: RankCandidatesInput['selection']): string[] {
  const licence = candidate.resolved?.licence;
  if (licence?.verdict === 'deny') {
    return [
      `Its licence (${licence.spdx ?? licence.declared ?? 'none declared'}) forbids the intended use: ${licence.reasons.join(' ')}`,
    ];
  }
  if (candidate.error !== undefined) return [`It dropped out (${candidate.error.kind}): ${candidate.error.message}`];
  const { profile, probe } = candidate;
  if (profile === undefined) return ['It was not measured.'];
  if (probe === undefined || probe.linearAccuracy.value === null) return ['It has no probe accuracy.'];
  const limits: readonly [what: string, value: number, limit: number | undefined, unit: string, field: string][] = [
    ['p95 latency', profile.latency.p95Ms, selection.maxLatencyP95Ms, 'ms', 'maxLatencyP95Ms'],
    ['size', profile.sizeMb, selection.maxSizeMb, 'MB', 'maxSizeMb'],
    ['memory', profile.memoryMb, selection.maxMemoryMb, 'MB', 'maxMemoryMb'],
  ];
  return limits.flatMap(([what, value, limit, unit, field]) =>
    // Written so that a NaN is over every limit.
    limit === undefined || value <= limit
      ? []
      : [`Its ${what} of ${figure(value)} ${unit} is over the limit of ${figure(limit)} ${unit} (selection.${field}).`],
  );
}

function winning(winner: Measured, equals: readonly Measured[], tolerance: number): string {
  const score = `probe accuracy ${percent(winner.accuracy)}, p95 ${figure(winner.p95Ms)} ms`;
  if (equals.length === 1) return `Chosen: the best probe accuracy by more than ${points(tolerance)} (${score}).`;
  const others = equals.filter((one) => one !== winner).map((one) => one.id);
  return `Chosen: the fastest of ${equals.length} within ${points(tolerance)} of the best (${score}; the others: ${others.join(', ')}).`;
}

function losing(one: Measured, winner: Measured, isEqual: boolean, tolerance: number): string {
  const gap = `probe accuracy ${percent(one.accuracy)} against ${percent(winner.accuracy)} of ${winner.id}`;
  return isEqual
    ? `Equal within ${points(tolerance)} (${gap}) but not faster: p95 ${figure(one.p95Ms)} ms against ${figure(winner.p95Ms)} ms.`
    : `Less accurate: ${gap}, more than ${points(tolerance)} below the best.`;
}

/** Whether another eligible candidate is at least as good in quality, latency and size, and better in one. */
function front(one: Measured, eligible: readonly Measured[]): string {
  const dominating = eligible.filter(
    (other) =>
      other.accuracy >= one.accuracy &&
      other.p95Ms <= one.p95Ms &&
      other.sizeMb <= one.sizeMb &&
      (other.accuracy > one.accuracy || other.p95Ms < one.p95Ms || other.sizeMb < one.sizeMb),
  );
  return dominating.length === 0
    ? 'No other candidate is as good in quality, latency and size at once.'
    : `At least as good in quality, latency and size: ${dominating.map((other) => other.id).join(', ')}.`;
}

function ruleOf(selection: RankCandidatesInput['selection']): string {
  const limits = [
    selection.maxLatencyP95Ms === undefined ? [] : [`p95 latency ≤ ${figure(selection.maxLatencyP95Ms)} ms`],
    selection.maxSizeMb === undefined ? [] : [`size ≤ ${figure(selection.maxSizeMb)} MB`],
    selection.maxMemoryMb === undefined ? [] : [`memory ≤ ${figure(selection.maxMemoryMb)} MB`],
  ].flat();
  return (
    `Among candidates whose licence is not denied${limits.length === 0 ? '' : ` and with ${limits.join(', ')}`}: the best linear-probe ` +
    `accuracy on validation; all within ${points(selection.tolerance)} of it are equals, and the one with the lowest p95 latency wins.`
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function points(share: number): string {
  return `${figure(share * 100)} points`;
}

/** Three significant digits, without trailing zeros. */
function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
