/**
 * Lets a long calculation share its process: call the returned function inside the loop; once a slice is spent it gives
 * the event loop a turn (heartbeats, cancellation) and throws if the signal was aborted meanwhile.
 */
export function timeSlice(signal?: AbortSignal, sliceMs = 25): () => Promise<void> | undefined {
  let began = performance.now();
  return () => {
    if (performance.now() - began < sliceMs) return undefined;
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        began = performance.now();
        if (signal?.aborted) reject(signal.reason as Error);
        else resolve();
      });
    });
  };
}
