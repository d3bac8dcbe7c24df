/**
 * How long a generator takes for what it is served with, from what its profile timed: questions alone, and a few with much before
 * them, or cut short. Pure.
 */

/** Of a generator: a whole answer's time, and the tokens that it is of. */
export interface AnswerTime {
  readonly ms: number;
  readonly tokens: number;
  /** Reckoned for the answers under its best prompt; `timed`: of those that the profile timed, cut short, where a record has no more. */
  readonly of: ReckonedFor;
}
type ReckonedFor = 'best-prompt' | 'timed';

/** Medians of a few answers to questions with more before them, or of which the end alone is asked. */
export interface TimedLength {
  /** Tokens read before an answer, and milliseconds to its first token. */
  readonly promptTokens: number;
  readonly firstMs: number;
  /** Tokens that were written, and milliseconds of each after the first; missing where none wrote a second. */
  readonly tokens: number;
  readonly tokenMs?: number | undefined;
}

/** What of a generator's profile tells how long it reads and writes; figures of the answers that were timed are means. */
export interface TimedAnswers {
  readonly msPerToken: { readonly p50: number };
  readonly answer?:
    | {
        readonly meanMs: number;
        readonly meanTokens: number;
        readonly firstMs?: number | undefined;
        readonly promptTokens?: number | undefined;
        readonly longer?: readonly TimedLength[] | undefined;
      }
    | undefined;
}

/** Of a prompt's answers to validation prompts, means. */
export interface Asked {
  readonly promptTokens: number;
  readonly answerTokens?: number | undefined;
}

/** Milliseconds as a function of the tokens that stand before. */
interface Curves {
  /** To the first token, after so many were read. */
  readonly first: (promptTokens: number) => number;
  /** Of one token that is written after so many. */
  readonly token: (before: number) => number;
}

/**
 * How long a whole answer takes, in milliseconds, as the model is served: `promptTokens` are read and `answerTokens` written,
 * the means of its best prompt's answers to validation prompts. undefined where no whole answer was timed.
 */
export function answerTime(profile: TimedAnswers, { promptTokens, answerTokens }: Asked): AnswerTime | undefined {
  const { answer } = profile;
  if (answer === undefined) return undefined;
  const curves = curvesOf(profile);
  if (answerTokens === undefined || curves === undefined) {
    return { ms: answer.meanMs, tokens: answer.meanTokens, of: 'timed' };
  }
  // Writing nothing, too, takes the step that says so. A line's mean over what is written is its value in the middle.
  const later = Math.max(0, answerTokens - 1);
  const ms = curves.first(promptTokens) + later * curves.token(promptTokens + answerTokens / 2);
  return { ms, tokens: answerTokens, of: 'best-prompt' };
}

/** Of one answer: what a person waits for its first token, and for each after it. */
export interface ServedTimes {
  readonly firstTokenMs: Spread;
  readonly msPerToken: Spread;
  readonly of: ReckonedFor;
}
interface Spread {
  readonly p50: number;
  readonly p95: number;
}

type TimedProfile = TimedAnswers & Omit<ServedTimes, 'of'>;

/** What is known of a candidate; `error` where it dropped out. */
export interface TimedCandidate {
  readonly error?: object | undefined;
  readonly generator?:
    | { readonly profile?: TimedProfile | undefined; readonly search?: { readonly best: Asked } | undefined }
    | undefined;
}

/**
 * Which times candidates are held against one another by: those under their best prompts, or, where one that was measured cannot
 * be reckoned so, everyone's as they were timed, since under a prompt everything takes longer.
 */
export function timesBasis(candidates: readonly TimedCandidate[]): ReckonedFor {
  const isReckoned = ({ error, generator: { profile, search } = {} }: TimedCandidate): boolean =>
    error !== undefined ||
    profile === undefined ||
    search === undefined ||
    servedTimes(profile, search.best).of === 'best-prompt';
  return candidates.every(isReckoned) ? 'best-prompt' : 'timed';
}

/**
 * What was timed of questions alone, and what it takes more under the best prompt: the tokens that this adds are the same before
 * every question. As it was timed (`timed`) where `basis` says so, where a record has answers of one length alone, by which what
 * stands before would cost nothing, or does not say how long the best prompt's are.
 */
export function servedTimes(
  profile: TimedProfile,
  { promptTokens, answerTokens }: Asked,
  basis: ReckonedFor = 'best-prompt',
): ServedTimes {
  const { firstTokenMs, msPerToken, answer } = profile;
  const curves = curvesOf(profile);
  const ofLengths = answer?.longer?.some(({ tokenMs }) => tokenMs !== undefined) === true;
  if (
    basis === 'timed' ||
    !ofLengths ||
    curves === undefined ||
    answerTokens === undefined ||
    answer.promptTokens === undefined
  ) {
    return { firstTokenMs, msPerToken, of: 'timed' };
  }
  const { promptTokens: timed, meanTokens } = answer;
  const waits = curves.first(promptTokens) - curves.first(timed);
  const each = curves.token(promptTokens + answerTokens / 2) - curves.token(timed + meanTokens / 2);
  return { firstTokenMs: plus(firstTokenMs, waits), msPerToken: plus(msPerToken, each), of: 'best-prompt' };
}

function plus({ p50, p95 }: Spread, ms: number): Spread {
  return { p50: Math.max(0, p50 + ms), p95: Math.max(0, p95 + ms) };
}

/**
 * A token is written by one step over all that stands before it: a line in that. A prompt is read by steps over many tokens, each
 * over those before it: one token takes such a step, n more of them a multiple of n and one of n². Each is fitted by least squares
 * of relative errors, no coefficient below zero. undefined where the record does not say how much was read.
 */
function curvesOf({ answer, msPerToken }: TimedAnswers): Curves | undefined {
  const { meanMs, meanTokens, firstMs, promptTokens, longer = [] } = answer ?? {};
  if (meanMs === undefined || meanTokens === undefined || firstMs === undefined || promptTokens === undefined) return;
  const tokenMs = meanTokens > 1 ? (meanMs - firstMs) / (meanTokens - 1) : msPerToken.p50;
  const lengths: readonly TimedLength[] = [{ promptTokens, firstMs, tokens: meanTokens, tokenMs }, ...longer];
  const written = lengths.flatMap(({ promptTokens: read, tokens, tokenMs: ms }) =>
    ms === undefined ? [] : [{ of: [1, read + tokens / 2], ms } as const],
  );
  const [still, perToken] = nonNegative(written);
  const token = (before: number): number => still + perToken * before;
  const step = token(1);
  const [linear, square] = nonNegative(
    lengths.map(({ promptTokens: read, firstMs: ms }) => {
      const more = Math.max(1, read) - 1;
      return { of: [more, more ** 2], ms: Math.max(0, ms - step), weight: ms } as const;
    }),
  );
  const first = (read: number): number => {
    const more = Math.max(0, read - 1);
    return step + linear * more + square * more ** 2;
  };
  return { first, token };
}

interface Point {
  readonly of: readonly [number, number];
  readonly ms: number;
  /** Errors are told relative to this; to `ms` where it is missing. */
  readonly weight?: number;
}

/** The coefficients, none below zero, of two terms whose sum comes nearest. One point, or points of one length, have the first term alone. */
function nonNegative(points: readonly Point[]): readonly [number, number] {
  const sum = (term: (point: Point) => number): number =>
    points.reduce((total, point) => total + term(point) / Math.max(point.weight ?? point.ms, 1e-9) ** 2, 0);
  const [aa, ab, bb] = [sum(({ of: [a] }) => a * a), sum(({ of: [a, b] }) => a * b), sum(({ of: [, b] }) => b * b)];
  const [ay, by] = [sum(({ of: [a], ms }) => a * ms), sum(({ of: [, b], ms }) => b * ms)];
  const alone = aa > 0 ? ay / aa : 0;
  const determinant = aa * bb - ab * ab;
  if (determinant <= 1e-9 * aa * bb) return [alone, 0];
  const [first, second] = [(ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant];
  if (second < 0) return [alone, 0];
  return first < 0 ? [0, bb > 0 ? by / bb : 0] : [first, second];
}
