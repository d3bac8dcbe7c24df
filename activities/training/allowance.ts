/**
 * What one try may use of a budget that others share. A try's figure counts only when it is whole: it is given up where it
 * stands when its part is used up, and never begun afterwards.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Allowance } from '../contract/training.ts';

/** The longest that a timer of Node can wait; no try is so long. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class AllowanceWatch {
  /** When it ends, in milliseconds of the clock. */
  readonly endsAtMs: number;
  readonly #where: string;
  readonly #ended = new AbortController();
  readonly #timer: NodeJS.Timeout;

  /** `where`: the step; `usedSeconds`: by attempts before this one. Throws BudgetEnded when it is used up already. */
  constructor({ until, seconds = Number.POSITIVE_INFINITY }: Allowance, where: string, usedSeconds = 0) {
    const nowMs = Date.now();
    this.#where = where;
    this.endsAtMs = Math.min(
      until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until),
      nowMs + (seconds - usedSeconds) * 1000,
    );
    if (this.endsAtMs <= nowMs) throw this.ended('the budget had ended before it began');
    const error = this.ended('the budget ended it before it was whole');
    this.#timer = setTimeout(() => this.#ended.abort(error), Math.min(this.endsAtMs - nowMs, LONGEST_TIMER_MS));
  }

  /** Aborted with BudgetEnded when it ends. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** It is used up, or will be before the try could be whole. */
  ended(message: string): EspalierError {
    return new EspalierError('BudgetEnded', message, {
      where: this.#where,
      fix: 'nothing to do: what was known by then decides; a longer budget tries more',
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
