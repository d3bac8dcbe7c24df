/** What became of earlier attempts, and when trying again is pointless. Pure. */
import { EspalierError, type ErrorKind } from '../../artifacts/errors.ts';

/** An attempt that failed for no cause we know. */
export interface AttemptFailure {
  readonly attempt: number;
  /** The step the training had reached. */
  readonly step: number;
  readonly kind: ErrorKind;
  /** Set when somebody, or the kernel, killed the process. */
  readonly signal: string | null;
}

const SAME_FAILURE_LIMIT = 3;
const KEPT_FAILURES = 20;

export function withFailure(failures: readonly AttemptFailure[], failure: AttemptFailure): readonly AttemptFailure[] {
  return [...failures, failure].slice(-KEPT_FAILURES);
}

/**
 * Whether the last three failures were all at the same step: a fault of the program, not of its surroundings. A process
 * killed before its first step says nothing: that is what a machine in trouble does.
 */
export function isStuck(failures: readonly AttemptFailure[]): boolean {
  const last = failures.slice(-SAME_FAILURE_LIMIT);
  const [first] = last;
  return (
    first !== undefined &&
    last.length === SAME_FAILURE_LIMIT &&
    last.every((failure) => failure.step === first.step && (failure.step > 0 || failure.signal === null))
  );
}

/** The next micro-batch divisor after memory ran out; null when single rows were too many already. */
export function nextDivisor(divisor: number, batchSize: number): number | null {
  return divisor >= batchSize ? null : Math.min(divisor * 2, batchSize);
}

/** Rows that go through the model at once. */
export function microBatchOf(batchSize: number, divisor: number): number {
  return Math.ceil(batchSize / divisor);
}

/** Final: the micro-batch cannot be halved. */
export function singleRowsTooLarge(cause: EspalierError, where: string): EspalierError {
  return new EspalierError('OutOfMemory', `${cause.message}; the micro-batches had one row already`, {
    where,
    fix: 'use a smaller model, a shorter maxLength, the method lora or head, or a device with more memory',
    cause,
    retryable: false,
  });
}

/** Final: see `isStuck`. */
export function stuckAt(step: number, cause: EspalierError, where: string): EspalierError {
  const message = `the last ${SAME_FAILURE_LIMIT} attempts all failed after step ${step}: ${cause.message}`;
  const fix = 'trying again will not help: see the logs of the attempts';
  return new EspalierError('TrainerFailed', message, { where, fix, cause, retryable: false });
}
