/** What a measurement is. */

export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly confidence: number;
}
export interface Score {
  readonly value: number | null;
  readonly interval: Interval | null;
  readonly rows: number;
  /** Which of several measures it is, where the worst of them is judged; or which part of what there is was asked, where not all was. */
  readonly of?: string;
  /** Why there is nothing to measure here, where that is nobody's mistake: the gate of it is not judged. */
  readonly notApplicable?: string;
  /** Why there is no number though there is something to measure, and the way out: the gate fails with it. */
  readonly lack?: string;
  /** Why the value is only a bound from above, and the way out: a gate that it is under has passed, one that it is over was not measured. */
  readonly noMoreThan?: string;
}
/** What times are held to later, in milliseconds: above it one of a busy machine says nothing, and is taken again. Never part of a key. */
export interface TimeLimits {
  /** Of one input, at the 95th percentile. */
  readonly p95Ms?: number;
  /** Of a generator: to the first token at the 95th percentile, and of one after it at the median. */
  readonly firstTokenMs?: number;
  readonly tokenMs?: number;
}
export interface Latency {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly meanMs: number;
  readonly runs: number;
  readonly warmupRuns: number;
  /** Share of the time on the clock that the model stood ready and other work had the cores: not in the figures. Null where the machine does not tell it. */
  readonly waitedShare: number | null;
}
export interface Hardware {
  readonly cpu: string;
  /** That the process may use: a container's quota counts. */
  readonly cores: number;
  readonly arch: string;
  readonly runtime: string;
  /** That the process may use: of the whole machine where no container limits it, 10^6 bytes. Part of what is told, never of a step's key: it differs by some kilobytes from boot to boot. */
  readonly memoryMb?: number;
}
