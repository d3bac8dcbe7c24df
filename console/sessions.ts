/**
 * What a browser's cookie stands for, kept in this process: the cookie is 256 random bits and says nothing. A restart
 * forgets all of it, and people sign in again.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Caller } from '../client/caller.ts';
import type { Scope } from '../client/tokens.ts';
import type { SignedIn } from './oidc/provider.ts';

export interface Session {
  readonly caller: Caller;
  readonly scopes: readonly Scope[];
  /** Stands in every form, and in a header of API calls that change something. */
  readonly csrf: string;
  /** Of who signed in with the identity provider: how it is asked about them again. */
  readonly signedIn?: SignedIn;
}

/** More than people have browsers; the oldest goes first. */
const MAX_KEPT = 10_000;

/** Values for a while, each under a name that cannot be guessed. */
export class Kept<T> {
  readonly #values = new Map<string, { readonly value: T; readonly until: number }>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** @returns the name: it is not kept itself */
  put(value: T, seconds: number): string {
    const name = randomBytes(32).toString('base64url');
    const oldest = this.#values.keys().next();
    if (this.#values.size >= MAX_KEPT && oldest.done !== true) this.#values.delete(oldest.value);
    this.#values.set(hashOf(name), { value, until: this.#now() + seconds * 1000 });
    return name;
  }

  get(name: string | undefined): T | undefined {
    const key = hashOf(name ?? '');
    const found = this.#values.get(key);
    if (found === undefined || found.until > this.#now()) return found?.value;
    this.#values.delete(key);
    return undefined;
  }

  /** The value, for the last time. */
  take(name: string | undefined): T | undefined {
    const value = this.get(name);
    this.#values.delete(hashOf(name ?? ''));
    return value;
  }
}

/** In the time that every other text of this length takes. */
export function isCsrfOf(session: Session, given: unknown): boolean {
  if (typeof given !== 'string') return false;
  return timingSafeEqual(Buffer.from(hashOf(given)), Buffer.from(hashOf(session.csrf)));
}

export function newCsrf(): string {
  return randomBytes(32).toString('base64url');
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
