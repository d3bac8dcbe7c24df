import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ExampleIds, GateEvidence } from '../../activities/contract/examples.ts';
import type { Run } from '../run.ts';

interface Exampled {
  readonly details: ArtifactRef;
  readonly examples?: ExampleIds;
}

/** What the step that judges is told of where examples stand: in the evaluation, and in what the run's attacks left. */
export function judgedEvidence(
  { facts: { attack, squareAttack } }: Run,
  { details, examples = {} }: Exampled,
): { readonly evidence: readonly GateEvidence[] } {
  const attacks = [attack, squareAttack].flatMap((one): GateEvidence[] =>
    one?.examples === undefined ? [] : [{ artifact: one.details, lines: true, ids: one.examples }],
  );
  return { evidence: [{ artifact: details, ids: examples }, ...attacks] };
}
