/**
 * What was told to whom, and what became of it: `notifications/<when>-<run>-<message>`, a small object a message, written
 * anew after every try. It holds no secret, no address and no content: only who, which event, when, and how it ended.
 */
import { createHash } from 'node:crypto';
import { forEachParallel } from './concurrency.ts';
import type { Pointers } from './pointers.ts';

export interface DeliveryAttempt {
  readonly at: string;
  readonly ok: boolean;
  /** HTTP status or exit code, where there was one. */
  readonly status?: number;
  readonly detail: string;
  /** The end of what a command wrote. */
  readonly output?: string;
}

export interface Delivery {
  readonly version: 1;
  /** Of the message: its receiver sees the same one. */
  readonly id: string;
  readonly notifier: string;
  readonly type: 'webhook' | 'command';
  readonly event: string;
  readonly runId: string;
  readonly approval?: string;
  /** Whom it was for, where it was for one approver alone. */
  readonly approver?: string;
  /** When what it tells of happened. */
  readonly at: string;
  /** `trying` until it is delivered, or has failed for good. */
  readonly state: 'trying' | 'delivered' | 'failed';
  readonly tries: number;
  /** The last ones. */
  readonly attempts: readonly DeliveryAttempt[];
}

const ROOM = 'notifications/';
const KEPT_ATTEMPTS = 10;
const PARALLEL = 16;

/** The same message has the same place at every try. */
function keyOf({ at, runId, id }: Pick<Delivery, 'at' | 'runId' | 'id'>): string {
  return `${ROOM}${at.replaceAll(/[-:.]/g, '')}-${runPart(runId)}-${id}`;
}

/** A run's id may hold what a key may not. */
function runPart(runId: string): string {
  return createHash('sha256').update(runId).digest('hex').slice(0, 16);
}

export class DeliveryLog {
  readonly #pointers: Pointers;

  constructor(pointers: Pointers) {
    this.#pointers = pointers;
  }

  async read(message: Pick<Delivery, 'at' | 'runId' | 'id'>): Promise<Delivery | undefined> {
    return (await this.#pointers.read<Delivery>(keyOf(message)))?.value;
  }

  /** Adds a try. Of two at the same moment both are kept; a message that was delivered stays delivered. */
  async add(
    message: Omit<Delivery, 'version' | 'state' | 'tries' | 'attempts'>,
    attempt: DeliveryAttempt,
    state: Delivery['state'],
  ): Promise<Delivery> {
    const key = keyOf(message);
    for (;;) {
      const before = await this.#pointers.read<Delivery>(key);
      const delivery: Delivery = {
        version: 1,
        ...message,
        state: before?.value.state === 'delivered' ? 'delivered' : state,
        tries: (before?.value.tries ?? 0) + 1,
        attempts: [...(before?.value.attempts ?? []), attempt].slice(-KEPT_ATTEMPTS),
      };
      if (await this.#pointers.replace(key, delivery, before?.version)) return delivery;
    }
  }

  /** The newest first; `limit` of them. */
  async list({ runId, limit }: { readonly runId?: string; readonly limit: number }): Promise<readonly Delivery[]> {
    const all = await this.#pointers.list(ROOM);
    const part = runId === undefined ? undefined : `-${runPart(runId)}-`;
    const keys = (part === undefined ? all : all.filter((key) => key.includes(part))).slice(-limit).toReversed();
    const found: (Delivery | undefined)[] = keys.map(() => undefined);
    await forEachParallel([...keys.entries()], PARALLEL, undefined, async ([index, key]) => {
      found[index] = (await this.#pointers.read<Delivery>(key))?.value;
    });
    return found.filter((one) => one !== undefined);
  }
}
