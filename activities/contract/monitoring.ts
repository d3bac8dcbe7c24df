/** Steps that watch what is served. */
import type { TermsPointer } from '../../artifacts/model-terms.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { Pipeline } from '../../pipelines/definition.ts';

export interface CheckDriftInput {
  readonly model: string;
  readonly channel: string;
  readonly monitor: Pipeline['monitor'];
}
export interface DriftTest {
  readonly name: string;
  readonly statistic: number;
  /** Alarm when the statistic exceeds this; calibrated by resampling the reference at the window's size. */
  readonly threshold: number;
  readonly pValue: number;
  readonly alarm: boolean;
}
export interface DriftReport {
  readonly model: string;
  readonly channel: string;
  readonly bundle: Digest;
  readonly verdict: 'drift' | 'no-drift' | 'not-enough-data';
  readonly rows: number;
  readonly falseAlarmRate: number;
  readonly tests: readonly DriftTest[];
  readonly windowFrom: string | null;
  readonly windowTo: string | null;
  readonly checkedAt: string;
  readonly report: ArtifactRef;
  /** Set when the policy asks for a new run: what to start. */
  readonly startRun: ArtifactRef | null;
}

export interface CheckModelTermsInput {
  readonly model: string;
  readonly channel: string;
}
export interface TermsReport extends TermsPointer {
  /** Set when a changed state asks for a run, and this check is the one to start it. */
  readonly startRun: ArtifactRef | null;
}
export interface SettleTermsInput {
  readonly model: string;
  readonly channel: string;
  /** How the run ended, and why. */
  readonly state: string;
  readonly reason: string;
  readonly at: string;
}
