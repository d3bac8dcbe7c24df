/**
 * Who wins, and why each of the others lost. Pure. Every encoder that may be tuned is two candidates: the one to be tuned, and the frozen
 * one under its linear probe. Their figures are the same until one is tuned; between the winner's two the gate
 * gainOverProbe decides.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import { costPer1000, type SlotPrice } from '../../pipelines/inference-cost.ts';
import type { CandidateOutcome, RankCandidatesInput, RankedCandidate, Selection } from '../contract/selection.ts';
import { isBusy, untold } from './busy-machine.ts';
import { costFault, requirePrice } from './cost-limit.ts';
import { areAlike, unlikeMachines } from './machines.ts';
import { standingOf } from './pareto.ts';
import { answersOf, foldsCount, pooledAccuracy } from './pooled.ts';
import { figure, losing, ruleOf, toBeat, unlikeRows, winning, type By, type Ranked } from './reasons.ts';
import { shortlistOf, type Listed } from './shortlist.ts';

/** The form in which an encoder is a candidate. */
const FORMS = { probe: 'tune', 'tuned-probe': 'tune', neighbours: 'indexed', head: 'head' } as const satisfies Record<
  By,
  RankedCandidate['form']
>;

/** A candidate with every figure the ranking needs. */
interface Measured extends Ranked, Listed {
  /** 0 where it was not measured: then it was of none. */
  readonly logme: number;
  /** Of the two, the other. */
  readonly beside: number;
}

/**
 * Ranks what the candidates measured. The best linear-probe accuracy, on validation and training rows together (pooled.ts), sets the bar; all within
 * `selection.tolerance` of it are equals, and of equals the fastest (p95, one text) wins; where these were not all timed on one kind of machine the most accurate. Below them accuracy decides,
 * then LogME, then kNN accuracy. Each frozen probe follows its encoder. Of encoders that are to find neighbours kNN accuracy is
 * first, and the probe last; there no probe is a candidate, nor where a head is all that is trained. With a `price` each has its cost per 1,000 inferences. Throws
 * NoCandidate listing every reason when none is left, BadConfig where a limit of cost has no price.
 */
export function rankOutcomes(
  { candidates, selection, by = 'probe' }: RankCandidatesInput,
  price: SlotPrice | null = null,
): Selection {
  requirePrice(selection, price);
  const asked = candidates.map((candidate) => ({ candidate, faults: faultsOf(candidate, selection, price) }));
  const mayWin = asked.flatMap(({ candidate: { id, probe }, faults }) =>
    faults.length === 0 && probe !== undefined ? [{ ...answersOf(probe, by), id }] : [],
  );
  const folds = foldsCount(mayWin, by);
  const judged = asked.map((one) => ({ ...one, measured: measuredOf(one.candidate, by, folds.count) }));
  const eligible = judged.flatMap(({ measured, faults }) =>
    measured !== null && faults.length === 0 ? [measured] : [],
  );
  const best = Math.max(...eligible.map((one) => one.rankedBy));
  const isEqual = (one: Measured): boolean => one.rankedBy >= best - selection.tolerance - 1e-9;
  // As after prototypes: whether a latency decides is asked of those that it decides between.
  const alike = areAlike(eligible.filter(isEqual));
  const alikeBelow = areAlike(eligible.filter((one) => !isEqual(one)));
  const byLatency = (left: Measured, right: Measured): number =>
    (isEqual(left) ? alike : alikeBelow) ? left.latencyMs - right.latencyMs : 0;
  const ranked = eligible.toSorted(
    (left, right) =>
      Number(isEqual(right)) - Number(isEqual(left)) ||
      (isEqual(left) && isEqual(right) ? byLatency(left, right) : 0) ||
      right.rankedBy - left.rankedBy ||
      right.logme - left.logme ||
      right.beside - left.beside ||
      byLatency(left, right) ||
      (left.id < right.id ? -1 : 1),
  );
  const winner = ranked[0];
  if (winner === undefined) {
    const lines = judged.map(({ candidate, faults }) => `${candidate.id}: ${faults.join('; ')}`);
    throw new EspalierError('NoCandidate', `no candidate is left. ${lines.join(' | ') || 'None was given.'}`, {
      where: 'candidates',
      fix: 'loosen selection.maxLatencyP95Ms, maxSizeMb, maxMemoryMb, maxCostPer1000, maxParameters or languages, or add a candidate whose source and licence fit',
    });
  }
  const shortlist = shortlistOf(ranked, selection);
  const told = { alike, tolerance: selection.tolerance, by, pooled: folds.count };
  const placeOf = new Map(ranked.map((one, at) => [one.id, at]));
  const ranking = judged.flatMap(({ candidate: { id, profile }, measured, faults }): readonly RankedCandidate[] => {
    const cost = costPer1000(profile?.latency.meanMs, price);
    const costs = cost === null ? {} : { costPer1000: cost };
    const own = { id, encoder: id, form: FORMS[by], ...costs } as const;
    const frozen = { id: frozenId(id), encoder: id, form: 'frozen', ...costs } as const;
    const place = placeOf.get(id);
    if (measured === null || place === undefined) {
      // Of an encoder that was never measured there is nothing frozen to speak of.
      const forms = measured === null || by !== 'probe' ? [own] : [own, frozen];
      return forms.map((form) => ({ ...form, rank: null, eligible: false, reasons: faults }));
    }
    const chosen = measured === winner;
    const lost = (to: string): string => losing(measured, winner, { ...told, to, isEqual: isEqual(measured) });
    const why = chosen ? winning(winner, ranked.filter(isEqual), told) : lost(winner.id);
    const whyFrozen = chosen ? toBeat(winner) : lost(frozenId(winner.id));
    const standing = standingOf(measured, eligible);
    if (by !== 'probe') return [{ ...own, rank: place + 1, eligible: true, reasons: [why, standing] }];
    return [
      { ...own, rank: 2 * place + 1, eligible: true, reasons: [why, standing] },
      { ...frozen, rank: 2 * place + 2, eligible: true, reasons: [whyFrozen, standing] },
    ];
  });
  return {
    winner: winner.id,
    ranking: ranking.toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || 0),
    rule: ruleOf(selection, { by, folds, price }) + unlikeRows(eligible) + unlikeMachines(eligible),
    ...(price === null ? {} : { price }),
    ...(shortlist.length < 2 ? {} : { shortlist }),
  };
}

function measuredOf({ id, profile, probe, exported }: CandidateOutcome, by: By, pooled: boolean): Measured | null {
  if (profile === undefined || probe === undefined) return null;
  const answers = answersOf(probe, by);
  const { validation: score } = answers;
  const beside = by === 'neighbours' ? probe.linearAccuracy : probe.knnAccuracy;
  if (score.value === null) return null;
  return {
    id,
    quality: score.value,
    rankedBy: (pooled ? pooledAccuracy(answers) : null) ?? score.value,
    interval: score.interval,
    logme: probe.logme?.value ?? 0,
    beside: beside.value ?? 0,
    latencyMs: profile.latency.p95Ms,
    meanMs: profile.latency.meanMs,
    hardware: profile.hardware,
    sizeMb: profile.sizeMb,
    memoryMb: profile.memoryMb,
    parameters: exported?.parameters ?? 0,
    fittedOn: probe.fittedOn,
  };
}

function frozenId(encoder: string): string {
  return `${encoder}, frozen (probe)`;
}

/** Why a candidate may not win; empty when it may. */
function faultsOf(
  candidate: CandidateOutcome,
  selection: RankCandidatesInput['selection'],
  price: SlotPrice | null,
): readonly string[] {
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
  const { waitedShare, leastMs = 0 } = profile.latency;
  const broken = limits.flatMap(([what, value, limit, unit, field]) => {
    // Written so that a NaN is over every limit.
    if (limit === undefined || value <= limit) return [];
    const is = `${unit} is over the limit of ${figure(limit)} ${unit} (selection.${field})`;
    if (unit !== 'ms' || !isBusy(waitedShare)) return [`Its ${what} of ${figure(value)} ${is}.`];
    if (leastMs > limit) return [`Its ${what} of at least ${figure(leastMs)} ${is}, whatever else the machine did.`];
    return [untold(what, `${figure(value)} ${is}`, waitedShare)];
  });
  return [...broken, ...costFault(profile.latency, selection, price)];
}
