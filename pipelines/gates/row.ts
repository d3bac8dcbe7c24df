/** What a gate's row says: the schema of a definition, the rule that judges, the report and docs/gates.md read it and nothing else. */

/** What rows of the evidence show what a gate means, as a report calls them; or why no row does. */
export type ExamplesRow = { readonly rows: string } | { readonly none: string };

export interface GateRow {
  readonly title: string;
  /** One sentence for people. */
  readonly meaning: string;
  /** `min`: the measure must be at least the threshold; `max`: at most. */
  readonly direction: 'min' | 'max';
  /**
   * `interval`: the interval's worse end: the model must show that it is good. `proof`: its better end: the defect must
   * be shown beyond chance. `value`: the measure itself, which has no sampling error of rows.
   */
  readonly judged: 'interval' | 'proof' | 'value';
  /** `points` is a difference of shares. */
  readonly unit: 'share' | 'points' | 'ms' | 'MB' | 'number';
  /** What the measure can be: a threshold outside would always pass or never. */
  readonly range: readonly [low: number, high: number];
  readonly threshold: number;
  /** Thresholds that were of another measure under this name: none from here on says anything of the present one. */
  readonly formerly?: { readonly from: number; readonly measure: string };
  /** Why this threshold is the default. */
  readonly why: string;
  /** How often it accuses a model without the defect, as bench/gates.ts measured it (docs/benchmarks.md), or why it cannot. */
  readonly falseAlarms: string;
  readonly examples: ExamplesRow;
  readonly severity: 'fail' | 'warn';
  /** What measures it: `evaluate` the tuned model by itself; `attack` it, only where a definition names the gate; `compare` it beside the one in production. */
  readonly step: 'evaluate' | 'attack' | 'compare';
  /** Inputs that it can be measured on. */
  readonly inputs: 'any' | 'text' | 'image';
}

export type GateRows = Readonly<Record<string, GateRow>>;

export const SHARE = [0, 1] as const;
export const DIFFERENCE = [-1, 1] as const;
export const POSITIVE = [0, Number.MAX_VALUE] as const;

/** Of gates that hold a figure to a limit and test nothing. */
export const NO_FALSE_ALARMS = 'none: a limit, no test';

/**
 * The limit as it holds now: of one that was of an earlier measure (runs in flight, and runs that go on from a record, have
 * their definition from before) the threshold is the default.
 */
export function presentLimit<Limit extends { readonly min?: number; readonly max?: number }>(
  { direction, threshold, formerly }: Pick<GateRow, 'direction' | 'threshold' | 'formerly'>,
  limit: Limit,
): Limit {
  const named = limit[direction];
  return formerly === undefined || named === undefined || named < formerly.from
    ? limit
    : { ...limit, [direction]: threshold };
}
