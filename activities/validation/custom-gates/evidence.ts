/** What a gate of somebody's own is given, by what it judges: where its rows lie in an evaluation. */
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import type { Judged } from '../../../pipelines/custom-gates.ts';
import type { JudgeCustom } from '../../contract/validation.ts';
import type { StepContext } from '../../step.ts';
import type { GateEvidence } from './run-gate.ts';

interface Rows {
  /** Their name in the details. */
  readonly list: string;
  /** Where the details name a file of all of them, or of more than they hold themselves. */
  readonly all?: string;
  /** Whether each has its probabilities in the reference, in the same order. */
  readonly probabilities?: true;
}
const ROWS: Readonly<Record<Judged, Rows>> = {
  labels: { list: 'predictions', all: 'allPredictions' },
  'label-sets': { list: 'predictions', probabilities: true },
  neighbours: { list: 'queries', all: 'allQueries' },
  answers: { list: 'answers' },
};

type Details = Readonly<Record<string, { readonly file: ArtifactRef } | undefined>>;

/** As files: a process of its own reads them. */
export async function gateEvidence(
  { judges, details, reference }: Pick<JudgeCustom, 'judges' | 'details' | 'reference'>,
  { store, signal }: Pick<StepContext, 'store' | 'signal'>,
): Promise<GateEvidence> {
  const { list, all, probabilities } = ROWS[judges];
  const file = all === undefined ? undefined : (await store.getJson<Details>(details))[all]?.file;
  return {
    judges,
    detailsFile: await store.file(details, signal),
    list,
    ...(file === undefined ? {} : { rowsFile: await store.file(file, signal) }),
    ...(probabilities === undefined || reference === undefined
      ? {}
      : { probabilitiesFile: await store.fileInTree(reference, 'probabilities.f32', signal) }),
  };
}
