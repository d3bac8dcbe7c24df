/** Failed authentications by address: whoever guesses is answered without a look into the store. */
import { EspalierError } from '../artifacts/errors.ts';

const WINDOW_MS = 60_000;
const MAX_FAILURES = 20;
/** A flood of addresses must not fill the memory; the oldest window goes first. */
const MAX_ADDRESSES = 10_000;

export class Failures {
  readonly #windows = new Map<string, { readonly until: number; count: number }>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** @throws EspalierError TooManyRequests after 20 failures of this address within a minute */
  check(address: string): void {
    const window = this.#windows.get(address);
    if (window === undefined || window.count < MAX_FAILURES || window.until <= this.#now()) return;
    throw new EspalierError('TooManyRequests', 'too many failed authentications from this address', {
      fix: `try again in ${Math.ceil((window.until - this.#now()) / 1000)} s`,
    });
  }

  add(address: string): void {
    const window = this.#windows.get(address);
    if (window !== undefined && window.until > this.#now()) {
      window.count++;
      return;
    }
    this.#windows.delete(address);
    const oldest = this.#windows.keys().next();
    if (this.#windows.size >= MAX_ADDRESSES && oldest.done !== true) this.#windows.delete(oldest.value);
    this.#windows.set(address, { until: this.#now() + WINDOW_MS, count: 1 });
  }
}
