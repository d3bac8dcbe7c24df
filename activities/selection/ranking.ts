/**
 * Who wins, and why each of the others lost. Pure. Every encoder is two candidates: the one to be tuned, and the frozen
 * one under its linear probe. Their figures are the same until one is tuned; between the winner's two the gate
 * gainOverProbe decides.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Interval } from '../contract/measures.ts';
import type {
  CandidateOutcome,
  EncoderProbe,
  RankCandidatesInput,
  RankedCandidate,
  Selection,
} from '../contract/selection.ts';

/** A candidate with every figure the ranking needs. */
interface Measured {
  readonly id: string;
  /** By what they are ranked: of the probe, or of the neighbours. */
  readonly accuracy: number;
  /** Of the accuracy; null where it has none. */
  readonly interval: Interval | null;
  /** 0 where it was not measured: then it was of none. */
  readonly logme: number;
  /** Of the two, the other. */
  readonly beside: number;
  readonly p95Ms: number;
  readonly sizeMb: number;
  readonly memoryMb: number;
  readonly parameters: number;
  /** Training rows of the probe; undefined: all. */
  readonly fittedOn: EncoderProbe['fittedOn'];
}

/**
 * Ranks what the candidates measured. The best linear-probe validation accuracy sets the bar; all within
 * `selection.tolerance` of it are equals, and of equals the fastest (p95, one text) wins. Below them accuracy decides,
 * then LogME, then kNN accuracy. Each frozen probe follows its encoder. Of encoders that are to find neighbours kNN accuracy is
 * first, and the probe last; there no probe is a candidate. Throws NoCandidate listing every reason when none is left.
 */
export function rankOutcomes({ candidates, selection, by = 'probe' }: RankCandidatesInput): Selection {
  const judged = candidates.map((candidate) => ({
    candidate,
    measured: measuredOf(candidate, by),
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
      right.logme - left.logme ||
      right.beside - left.beside ||
      left.p95Ms - right.p95Ms ||
      (left.id < right.id ? -1 : 1),
  );
  const winner = ranked[0];
  if (winner === undefined) {
    const lines = judged.map(({ candidate, faults }) => `${candidate.id}: ${faults.join('; ')}`);
    throw new EspalierError('NoCandidate', `no candidate is left. ${lines.join(' | ') || 'None was given.'}`, {
      where: 'candidates',
      fix: 'loosen selection.maxLatencyP95Ms, maxSizeMb, maxMemoryMb, maxParameters or languages, or add a candidate whose source and licence fit',
    });
  }
  const shortlist = shortlistOf(ranked, selection);
  const placeOf = new Map(ranked.map((one, at) => [one.id, at]));
  const ranking = judged.flatMap(({ candidate: { id }, measured, faults }): readonly RankedCandidate[] => {
    const tune = { id, encoder: id, form: by === 'neighbours' ? 'indexed' : 'tune' } as const;
    const frozen = { id: frozenId(id), encoder: id, form: 'frozen' } as const;
    const place = placeOf.get(id);
    if (measured === null || place === undefined) {
      // Of an encoder that was never measured there is nothing frozen to speak of.
      const forms = measured === null || by !== 'probe' ? [tune] : [tune, frozen];
      return forms.map((form) => ({ ...form, rank: null, eligible: false, reasons: faults }));
    }
    const chosen = measured === winner;
    const lost = (to: string): string =>
      losing(measured, winner, { to, isEqual: isEqual(measured), tolerance: selection.tolerance, by });
    const why = chosen ? winning(winner, ranked.filter(isEqual), selection.tolerance, by) : lost(winner.id);
    const whyFrozen = chosen ? toBeat(winner) : lost(frozenId(winner.id));
    const standing = front(measured, eligible);
    if (by !== 'probe') return [{ ...tune, rank: place + 1, eligible: true, reasons: [why, standing] }];
    return [
      { ...tune, rank: 2 * place + 1, eligible: true, reasons: [why, standing] },
      { ...frozen, rank: 2 * place + 2, eligible: true, reasons: [whyFrozen, standing] },
    ];
  });
  return {
    winner: winner.id,
    ranking: ranking.toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || 0),
    rule: ruleOf(selection, by) + unlikeRows(eligible),
    ...(shortlist.length < 2 ? {} : { shortlist }),
  };
}

/**
 * Who is tried before one is tuned on all rows: the best by frozen figures, but for those that the probe already puts
 * behind the first beyond chance, and the largest although its figures may not say so (Renggli et al., CVPR 2022,
 * arXiv:2010.06402: the best by a proxy together with a generalist regret least).
 */
function shortlistOf(ranked: readonly Measured[], { prototype }: RankCandidatesInput['selection']): readonly string[] {
  if (prototype?.enabled !== true) return [];
  const [first, ...others] = ranked;
  const leader = ranked.reduce((most, one) => (one.accuracy > most.accuracy ? one : most), ranked[0]!);
  const best = ranked.slice(0, prototype.shortlist).filter((one) => !isBeyondChance(one, leader));
  const largest = others.reduce((most, one) => (one.parameters > (most?.parameters ?? 0) ? one : most), first);
  const generalist = prototype.generalist && largest !== undefined && !best.includes(largest) ? [largest] : [];
  return [...best, ...generalist].map(({ id }) => id);
}

/** Their intervals do not touch, and the rows they were fitted on are no reason for it. */
function isBeyondChance(one: Measured, leader: Measured): boolean {
  if (!isOfSameRows(one, leader)) return false;
  return one.interval !== null && leader.interval !== null && one.interval.high < leader.interval.low;
}

function isOfSameRows({ fittedOn: one }: Measured, { fittedOn: other }: Measured): boolean {
  return one?.rows === other?.rows && one?.of === other?.of;
}

/**
 * What to say where a run that was upgraded, or whose method was changed, has probes of all rows beside probes of a draw:
 * fewer rows make a probe look worse than its encoder is.
 */
function unlikeRows(measured: readonly Measured[]): string {
  const [first, ...others] = measured;
  if (first === undefined || others.every((one) => isOfSameRows(one, first))) return '';
  const shown = measured.map(({ id, fittedOn }) =>
    fittedOn === undefined ? `${id} had all` : `${id} had ${fittedOn.rows} of ${fittedOn.of}`,
  );
  return ` Not like with like: of the training rows ${shown.join(', ')}; fewer make a probe look worse than it is, so that between unlike ones nobody is left out as beyond chance.`;
}

type By = NonNullable<RankCandidatesInput['by']>;

/** What they are ranked by, in words. */
const SCORES: Readonly<Record<By, string>> = {
  probe: 'probe accuracy',
  'tuned-probe': 'probe accuracy',
  neighbours: 'nearest-neighbour accuracy',
};

function measuredOf({ id, profile, probe, exported }: CandidateOutcome, by: By): Measured | null {
  if (profile === undefined || probe === undefined) return null;
  const [score, beside] =
    by === 'neighbours' ? [probe.knnAccuracy, probe.linearAccuracy] : [probe.linearAccuracy, probe.knnAccuracy];
  if (score.value === null) return null;
  return {
    id,
    accuracy: score.value,
    interval: score.interval,
    logme: probe.logme?.value ?? 0,
    beside: beside.value ?? 0,
    p95Ms: profile.latency.p95Ms,
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

function winning(winner: Measured, equals: readonly Measured[], tolerance: number, by: By): string {
  const score = `${SCORES[by]} ${percent(winner.accuracy)}, p95 ${figure(winner.p95Ms)} ms`;
  if (equals.length === 1) return `Chosen: the best ${SCORES[by]} by more than ${points(tolerance)} (${score}).`;
  const others = equals.filter((one) => one !== winner).map((one) => one.id);
  return `Chosen: the fastest of ${equals.length} within ${points(tolerance)} of the best (${score}; the others: ${others.join(', ')}).`;
}

/** Why the winner's frozen probe is not simply released: it may be, if tuning gains nothing. */
function toBeat({ id, accuracy, p95Ms, sizeMb, fittedOn }: Measured): string {
  const drawn = fittedOn === undefined ? '' : ` after ${fittedOn.rows} of ${fittedOn.of} training rows`;
  return (
    `To be beaten: without any tuning ${id} has probe accuracy ${percent(accuracy)}${drawn}, p95 ${figure(p95Ms)} ms, ${figure(sizeMb)} MB. ` +
    (fittedOn === undefined ? '' : 'Its probe is fitted anew on all of them before it is held against anything. ') +
    `The tuned model is held against it on the test rows (gates.gainOverProbe); training.method 'head' releases it instead.`
  );
}

/** `to`: the winner, in the form that `one` is compared in. */
function losing(
  one: Measured,
  winner: Measured,
  {
    to,
    isEqual,
    tolerance,
    by,
  }: { readonly to: string; readonly isEqual: boolean; readonly tolerance: number; readonly by: By },
): string {
  const gap = `${SCORES[by]} ${percent(one.accuracy)} against ${percent(winner.accuracy)} of ${to}`;
  return isEqual
    ? `Equal within ${points(tolerance)} (${gap}) but not faster: p95 ${figure(one.p95Ms)} ms against ${figure(winner.p95Ms)} ms.`
    : `Less accurate: ${gap}, more than ${points(tolerance)} below the best.`;
}

/** What is wanted low; a cost per 1,000 texts at a price an hour is the latency in other words. */
const WANTED_LOW = ['p95Ms', 'sizeMb', 'memoryMb'] as const;

/** Whether another eligible candidate is at least as good in everything, and better in one: the Pareto set. */
function front(one: Measured, eligible: readonly Measured[]): string {
  const dominating = eligible.filter(
    (other) =>
      other.accuracy >= one.accuracy &&
      WANTED_LOW.every((figure) => other[figure] <= one[figure]) &&
      (other.accuracy > one.accuracy || WANTED_LOW.some((figure) => other[figure] < one[figure])),
  );
  return dominating.length === 0
    ? 'No other candidate is as good in quality, latency, size and memory at once.'
    : `At least as good in quality, latency, size and memory: ${dominating.map((other) => other.id).join(', ')}.`;
}

/** The last of the rule: what stands behind the choice. */
const RULE_ENDS: Readonly<Record<By, string>> = {
  probe: "Each encoder's frozen probe is a candidate too: the winner's is what tuning must beat.",
  'tuned-probe': 'What tuning makes of the winner must beat its frozen embeddings (gates.gainOverFrozen).',
  neighbours: 'Nothing is tuned: what its neighbours are worth is what is served.',
};

function ruleOf(selection: RankCandidatesInput['selection'], by: By): string {
  const limits = [
    selection.maxLatencyP95Ms === undefined ? [] : [`p95 latency ≤ ${figure(selection.maxLatencyP95Ms)} ms`],
    selection.maxSizeMb === undefined ? [] : [`size ≤ ${figure(selection.maxSizeMb)} MB`],
    selection.maxMemoryMb === undefined ? [] : [`memory ≤ ${figure(selection.maxMemoryMb)} MB`],
  ].flat();
  return (
    `Among candidates whose licence is not denied${limits.length === 0 ? '' : ` and with ${limits.join(', ')}`}: the best ${by === 'neighbours' ? `accuracy of the vote of ${selection.neighbours} nearest neighbours` : 'linear-probe accuracy'} ` +
    `on validation; all within ${points(selection.tolerance)} of it are equals, and the one with the lowest p95 latency wins. ` +
    RULE_ENDS[by]
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
