/**
 * A signal that ends with another, or with the time. Not AbortSignal.any over AbortSignal.timeout: Node 20 holds the sources of
 * the one by weak references alone, so that once the collector has run the time may never end (nodejs/node issue 54614).
 */

/** Aborted by `signal`, with its reason, or after `ms` with a TimeoutError, whichever comes first. Keeps no process running. */
export function timeLimit(ms: number, signal?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  if (signal?.aborted === true) {
    controller.abort(signal.reason);
    return controller.signal;
  }
  const late = (): void => controller.abort(new DOMException(`it took longer than ${ms / 1000} s`, 'TimeoutError'));
  const timer = setTimeout(late, ms).unref();
  const follow = (): void => {
    clearTimeout(timer);
    controller.abort(signal?.reason);
  };
  signal?.addEventListener('abort', follow, { once: true });
  controller.signal.addEventListener('abort', () => signal?.removeEventListener('abort', follow), { once: true });
  return controller.signal;
}
