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
  /** What a free machine would have measured at least, where the value is of a busy one: a limit that this is over is broken all the same. */
  readonly noLessThan?: number;
  /** What so many rows can show of a share lost; told where nothing was shown. Missing where it is not reckoned. */
  readonly resolution?: Resolution;
  /** Of wrong labels, which the same rows would show; missing in measures from before it was asked. */
  readonly planted?: readonly PlantedErrors[];
}
/** Wrong labels of a known share, planted by lot into the rows that were judged. */
export interface PlantedErrors {
  /** Where: 'into …', as a sentence goes on. */
  readonly into: string;
  /** By growing share. */
  readonly seen: readonly PlantedShare[];
}
export interface PlantedShare {
  /** Of what the measure counts: of rows, or of the labels of rows. */
  readonly share: number;
  /** The lower end of the measure is no less in 95 of 100 plantings. */
  readonly judged: number;
  /** And in 80 of 100; missing in measures from before it was asked. */
  readonly mostly?: number;
}
export interface Resolution {
  /** Share that must be lost of what a gate's limit leaves, to be shown in 95 of 100 draws. */
  readonly beyond: number;
  /** Share that is lost where nothing but chance is left. */
  readonly most: number;
}
/** What times are held to later, in milliseconds: above it one of a busy machine says nothing, and is taken again. Never part of a key. */
export interface TimeLimits {
  /** Of one input, at the 95th percentile. */
  readonly p95Ms?: number;
  /** In the mean: what a limit of cost allows, of an encoder. */
  readonly meanMs?: number;
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
  /** What the median and p95 are at least on a free machine, by the time that runs computed; missing where it is not known, and in profiles recorded before it was kept. */
  readonly leastMs?: number;
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
