/**
 * Which generator goes on, and whether a prompt is enough for it. The best adherence wins; among those within the tolerance
 * of it, the one that answers fastest. Limits that the definition sets come first. Times are those under the best prompt, where
 * every profile tells them: limits, order and reasons have times of one kind. Pure.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import { answerTime, servedTimes, timesBasis, type ServedTimes } from '../../pipelines/answer-time.ts';
import { costPer1000, type SlotPrice } from '../../pipelines/inference-cost.ts';
import type { AdherenceSpec, GeneratorSelectionSpec } from '../../pipelines/definition/generation.ts';
import type { Score } from '../contract/measures.ts';
import type { GeneratorProfile, GeneratorSelection, PromptSearch, RankGeneratorsInput } from '../contract/prompting.ts';
import { isBusy, TIME_IT_ANEW, untold } from '../selection/busy-machine.ts';
import { costFault, requirePrice } from '../selection/cost-limit.ts';
import { areAlike, unlikeMachines } from '../selection/machines.ts';
import { isDominatedBeyondChance, standingOf, type Standing } from '../selection/pareto.ts';
import { leastTrialsToShow } from '../validation/statistics.ts';
import type { CandidateOutcome, RankedCandidate } from '../contract/selection.ts';

interface Measured {
  readonly id: string;
  readonly profile: GeneratorProfile;
  readonly search: PromptSearch;
  readonly served: ServedTimes;
  /** undefined where its adherence, or the time of a whole answer, is not known. */
  readonly standing: Standing | undefined;
  /** Limits that it breaks. */
  readonly broken: readonly string[];
}

const TIMES_OF: Readonly<Record<ServedTimes['of'], string>> = {
  'best-prompt':
    ' Times are reckoned for the best prompt of each, from questions that were timed alone and at other lengths.',
  timed:
    ' Times are of questions alone, without the best prompt: of one at least prompts of one length alone were timed.',
};

/**
 * With a `price` each has its cost per 1,000 answers, as long as those under its best prompt. Throws NoCandidate where none is left, with every candidate's reason,
 * and BadConfig where a limit of cost has no price.
 */
export function rankGenerators(input: RankGeneratorsInput, price: SlotPrice | null = null): GeneratorSelection {
  const { candidates, selection, adherence, completions } = input;
  requirePrice(selection, price);
  const basis = timesBasis(candidates);
  const measured = candidates.flatMap((candidate) => measure(candidate, { selection, price, basis }) ?? []);
  const eligible = measured.filter(({ broken }) => broken.length === 0);
  if (eligible.length === 0) throw noneLeft(candidates, measured);
  const most = Math.max(...eligible.map(adherenceOf));
  const equals = eligible.filter((one) => adherenceOf(one) >= most - selection.tolerance);
  const timed = eligible.map(({ id, profile }) => ({ id, hardware: profile.hardware }));
  const alike = areAlike(equals.map(({ profile }) => profile));
  const standings = basis === 'best-prompt' ? eligible.flatMap(({ standing }) => standing ?? []) : [];
  const among = (a: Measured, b: Measured): number =>
    alike ? a.served.msPerToken.p50 - b.served.msPerToken.p50 : adherenceOf(b) - adherenceOf(a);
  const ranked = [
    ...equals.toSorted((a, b) => among(a, b) || compareIds(a, b)),
    ...eligible
      .filter((one) => !equals.includes(one))
      .toSorted((a, b) => adherenceOf(b) - adherenceOf(a) || compareIds(a, b)),
  ];
  const winner = ranked[0] as Measured;
  const ranking = candidates.map((candidate): RankedCandidate => {
    const one = measured.find(({ id }) => id === candidate.id);
    const place = one === undefined ? -1 : ranked.indexOf(one);
    const cost = costPer1000(msOfAnswer(candidate), price);
    return {
      id: candidate.id,
      encoder: candidate.id,
      form: 'prompted',
      rank: place === -1 ? null : place + 1,
      eligible: place !== -1,
      ...(cost === null ? {} : { costPer1000: cost }),
      ...(one === undefined ? {} : { served: one.served }),
      reasons: [
        ...reasonsFor(candidate, one, { place, most, alike, tolerance: selection.tolerance }),
        ...(place === -1 ? [] : standingReasons(one?.standing, standings)),
      ],
    };
  });
  return {
    winner: winner.id,
    ranking: ranking.toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity)),
    rule: `Of the candidates within the limits whose adherence to the guidelines, under the best prompt found, is within ${selection.tolerance} of the best one's, the one with the fewest milliseconds a token.${TIMES_OF[basis]}${unlikeMachines(timed)}`,
    ...(price === null ? {} : { price }),
    training: needsTraining(winner.search.best.adherence, adherence, completions),
  };
}

/** Whether the best prompt is enough; the sentence says why. */
export function needsTraining(
  score: Score,
  { target, judgedBy, minCompletions }: AdherenceSpec,
  completions: number,
): GeneratorSelection['training'] {
  const judged = judgedAdherence(score, judgedBy);
  const what = `the best prompt keeps the guidelines in ${share(score.value)} of ${score.rows} answers`;
  const which = judgedBy === 'lower' ? `; the lower end of its interval, ${share(judged)},` : ', which';
  if (judged !== null && judged >= target) {
    return { needed: false, reason: `${what}${which} reaches the target of ${share(target)}: a prompt is enough` };
  }
  const few = judgedBy === 'lower' ? tooFew(score.rows, target) : '';
  const under = `${what}${which} is under the target of ${share(target)}${few}`;
  if (completions < minCompletions) {
    const reason = `${under}, but ${completions} good answers are too few to learn from (adherence.minCompletions is ${minCompletions}): nothing is tuned`;
    return { needed: false, reason };
  }
  return { needed: true, reason: `${under}: the model is tuned on ${completions} good answers` };
}

/** Where no answers at all could have reached the target, it is their number that tunes, and not the prompt. */
function tooFew(rows: number, target: number): string {
  const least = leastTrialsToShow(target);
  if (rows >= least) return '';
  if (least === Number.POSITIVE_INFINITY) return ', which no number of answers can show';
  return ` (which ${rows} answers cannot show: ${least} would have to keep the guidelines, one and all)`;
}

/** The number that is held against the target. */
export function judgedAdherence({ value, interval }: Score, judgedBy: AdherenceSpec['judgedBy']): number | null {
  return judgedBy === 'estimate' ? value : (interval?.low ?? null);
}

/** Of a whole answer under the best prompt that was found; undefined where it was not timed. */
function msOfAnswer({ generator }: CandidateOutcome): number | undefined {
  const { profile, search } = generator ?? {};
  return profile === undefined || search === undefined ? undefined : answerTime(profile, search.best)?.ms;
}

function measure(
  candidate: CandidateOutcome,
  {
    selection,
    price,
    basis,
  }: {
    readonly selection: GeneratorSelectionSpec;
    readonly price: SlotPrice | null;
    readonly basis: ServedTimes['of'];
  },
): Measured | undefined {
  const { id, generator, error } = candidate;
  if (error !== undefined || generator?.profile === undefined || generator.search === undefined) return undefined;
  const { profile, search } = generator;
  const served = servedTimes(profile, search.best, basis);
  const asked = served.of === 'timed' ? ', of questions alone' : ', reckoned for its best prompt';
  const { maxFirstTokenMs, maxMsPerToken, maxSizeMb, maxMemoryMb } = selection;
  const { waitedShare, leastMs = {} } = profile;
  /** `least`: of a time, what it is on any machine, where a busy one took it. */
  const limits: readonly (readonly [what: string, is: number, most: number | undefined, least?: number | undefined])[] =
    [
      [`ms to the first token (p95${asked})`, served.firstTokenMs.p95, maxFirstTokenMs, leastMs.firstToken],
      [`ms a token (p50${asked})`, served.msPerToken.p50, maxMsPerToken, leastMs.token],
      ['MB', profile.sizeMb, maxSizeMb],
      ['MB of memory', profile.memoryMb, maxMemoryMb],
    ];
  const broken = limits.flatMap(([what, is, most, least = 0]) => {
    if (most === undefined || !(is > most)) return [];
    const isTime = what.startsWith('ms ');
    if (!isTime || !isBusy(waitedShare)) return [`it takes ${number(is)} ${what}, more than ${most}`];
    // Questions alone were timed, and a prompt only adds to them.
    if (least > most) return [`it takes at least ${number(least)} ${what}, more than ${most}`];
    return [untold('time', `${number(is)} ${what} is more than ${most}`, waitedShare, TIME_IT_ANEW)];
  });
  const ms = msOfAnswer(candidate);
  const standing = standingAs(id, profile, search, served, ms);
  const costly = costFault({ meanMs: ms, waitedShare }, selection, price);
  return { id, profile, search, served, standing, broken: [...broken, ...costly] };
}

function standingAs(
  id: string,
  { sizeMb, memoryMb, hardware }: GeneratorProfile,
  { best: { adherence } }: PromptSearch,
  { firstTokenMs, msPerToken }: ServedTimes,
  meanMs: number | undefined,
): Standing | undefined {
  if (adherence.value === null || meanMs === undefined) return undefined;
  const times = { latencyMs: firstTokenMs.p95, tokenMs: msPerToken.p50, meanMs };
  return { id, quality: adherence.value, interval: adherence.interval, ...times, sizeMb, memoryMb, hardware };
}

/** Who is as good in everything, by the figures as they stand; and where one is better beyond chance and no dearer, that nothing speaks for this one. */
function standingReasons(one: Standing | undefined, all: readonly Standing[]): readonly string[] {
  if (one === undefined || all.length < 2) return [];
  const beaten = all.filter((other) => isDominatedBeyondChance(one, [one, other]));
  const ids = beaten.map(({ id }) => id).join(', ');
  return [
    standingOf(
      one,
      all,
      'adherence, time to the first token, time a token, time of an answer (its cost), size and memory',
    ),
    ...(beaten.length === 0 ? [] : [`Better in adherence beyond chance, and no dearer in any of these: ${ids}.`]),
  ];
}

function reasonsFor(
  { error }: CandidateOutcome,
  one: Measured | undefined,
  {
    place,
    most,
    alike,
    tolerance,
  }: { readonly place: number; readonly most: number; readonly alike: boolean; readonly tolerance: number },
): readonly string[] {
  if (one === undefined) return [error === undefined ? 'it was not measured' : `${error.kind}: ${error.message}`];
  if (one.broken.length > 0) return one.broken;
  const { best } = one.search;
  const kept = `its best prompt, '${best.name}', keeps the guidelines in ${share(best.adherence.value)} of ${best.adherence.rows} answers`;
  const { firstTokenMs, msPerToken } = one.served;
  const speed = `${number(msPerToken.p50)} ms a token, ${number(firstTokenMs.p50)} ms to the first`;
  const why =
    adherenceOf(one) < most - tolerance
      ? `that is more than ${tolerance} under the best, ${share(most)}`
      : place === 0
        ? alike
          ? 'none as good is faster'
          : 'none is better; who is faster was not compared, on unlike machines'
        : alike
          ? 'it is as good as the best, and slower'
          : 'it is as good as the best by the tolerance, and not better';
  return [`${kept} (${speed})`, why];
}

function noneLeft(candidates: readonly CandidateOutcome[], measured: readonly Measured[]): EspalierError {
  const why = candidates.map(({ id, error }) => {
    const broken = measured.find((one) => one.id === id)?.broken.join(', ');
    return `${id}: ${error?.message ?? broken ?? 'not measured'}`;
  });
  return new EspalierError('NoCandidate', `no candidate is left: ${why.join('; ')}`, {
    where: 'candidates',
    fix: 'add candidates, or loosen the limits of selection',
  });
}

function adherenceOf({ search }: Measured): number {
  return search.best.adherence.value ?? -1;
}

function compareIds(left: Measured, right: Measured): number {
  return left.id < right.id ? -1 : 1;
}

function share(value: number | null): string {
  return value === null ? 'no known share' : `${Number((value * 100).toFixed(1))} %`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(3)));
}
