/** Candidates as a selection has measured them, and the order that they are ranked in. */
import { rankOutcomes } from '../../activities/selection/ranking.ts';
import type { CandidateOutcome } from '../../activities/contract/selection.ts';
import { SelectionSchema } from '../../pipelines/definition/selection.ts';
import type { LicenceVerdict } from '../../pipelines/licence/decision.ts';
import type { ErrorRecord } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';

export const ref: ArtifactRef = {
  digest: `sha256:${'0'.repeat(64)}`,
  mediaType: 'application/json',
  size: 1,
  name: 'x',
};
export const selection = SelectionSchema.parse({ maxLength: 64, tolerance: 0.01, neighbours: 5, seed: 7 });

export interface Figures {
  accuracy?: number | null;
  knn?: number;
  p95?: number;
  mb?: number;
  memory?: number;
  licence?: LicenceVerdict;
  error?: ErrorRecord;
  unmeasured?: 'profile' | 'probe';
}

export function candidate(id: string, figures: Figures = {}): CandidateOutcome {
  const { accuracy = 0.8, knn = 0.7, p95 = 10, mb = 90, memory = 200, licence = 'allow', error, unmeasured } = figures;
  const score = (value: number | null) => ({ value, interval: null, rows: 100 });
  return {
    id,
    resolved: {
      candidateId: id,
      source: 'tree:x',
      revision: 'x',
      card: null,
      licence: {
        verdict: licence,
        declared: 'x',
        spdx: 'CC-BY-NC-4.0',
        reasons: ['No commercial use.'],
        howToFix: [],
        policyDigest: ref.digest,
      },
      tree: ref,
      sizeBytes: 1,
    },
    ...(unmeasured === 'profile'
      ? {}
      : {
          profile: {
            latency: { p50Ms: p95 / 2, p95Ms: p95, meanMs: p95 / 2, runs: 100, warmupRuns: 20, waitedShare: 0 },
            sizeMb: mb,
            memoryMb: memory,
            hardware: { cpu: 'x', cores: 1, arch: 'x64', runtime: 'x' },
          },
        }),
    ...(unmeasured === 'probe'
      ? {}
      : {
          probe: {
            knnAccuracy: score(knn),
            linearAccuracy: score(accuracy),
            linearMacroF1: score(accuracy),
            probe: ref,
          },
        }),
    ...(error === undefined ? {} : { error }),
  };
}

/** Of the encoders to tune; their frozen probes have the places between. */
export const order = (candidates: CandidateOutcome[], limits = {}): string =>
  rankOutcomes({ candidates, selection: { ...selection, ...limits } })
    .ranking.filter(({ form }) => form === 'tune')
    .map(({ id, rank }) => `${rank === null ? '-' : (rank + 1) / 2} ${id}`)
    .join(', ');
