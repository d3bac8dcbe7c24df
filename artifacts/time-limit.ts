/**
 * A signal that ends with another, or with the time. Not AbortSignal.any over AbortSignal.timeout: Node 20 holds the sources of
 * the one by weak references alone, so that once the collector has run the time may never end (nodejs/node issue 54614).
 */

/**
 * Does `work` under a limit that is aborted by `signal`, with its reason, or after `ms` with a TimeoutError, whichever comes first.
 * What the work comes to is its own: it must heed the limit. Once it has ended nothing is left of the limit, however often that is
 * done under one signal. The limit keeps no process running.
 */
export async function withTimeLimit<Output>(
  ms: number,
  signal: AbortSignal | undefined,
  work: (limit: AbortSignal) => Promise<Output>,
): Promise<Output> {
  const controller = new AbortController();
  const late = (): void => controller.abort(new DOMException(`it took longer than ${ms / 1000} s`, 'TimeoutError'));
  const follow = (): void => controller.abort(signal?.reason);
  const timer = setTimeout(late, ms).unref();
  if (signal?.aborted === true) follow();
  else signal?.addEventListener('abort', follow, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', follow);
  }
}
