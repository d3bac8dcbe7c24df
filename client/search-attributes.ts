/** What a server does not know yet: the search attributes that a first worker registers in a new namespace. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EspalierError } from '../artifacts/errors.ts';

const ASKED_EVERY_MS = 250;

/**
 * Starts a workflow; where the server refuses it for search attributes that it does not know, again until it does: it
 * learns of new ones a moment after a worker has registered them.
 *
 * @throws EspalierError BadConfig when they stay unknown: no worker ever started in this namespace
 */
export async function onceAttributesAreKnown<T>(
  start: () => Promise<T>,
  { namespace, withinMs = 15_000 }: { readonly namespace: string; readonly withinMs?: number },
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!lacksAttributes(error)) throw error;
      if (performance.now() > deadline) {
        throw new EspalierError('BadConfig', 'no worker has registered the search attributes of runs', {
          where: `namespace ${namespace}`,
          fix: 'start a worker of Espalier in this namespace first, or name another one (TEMPORAL_NAMESPACE)',
        });
      }
      await sleep(ASKED_EVERY_MS);
    }
  }
}

function lacksAttributes(error: unknown): boolean {
  const { cause } = error as { readonly cause?: unknown };
  return cause instanceof Error && /no mapping defined for search attribute/i.test(cause.message);
}
