import type { JudgeCustom } from '../../activities/contract/validation.ts';
import type { Pipeline } from '../../pipelines/definition.ts';
import type { Judged } from '../../pipelines/custom-gates.ts';
import type { Run } from '../run.ts';
import { customGatesNamed } from '../plan.ts';

/** What a gate is given of this pipeline's model. */
function judgedOf({ task, data }: Pick<Pipeline, 'task' | 'data'>): Judged {
  switch (task) {
    case 'image-retrieval':
      return 'neighbours';
    case 'text-generation':
      return 'answers';
    case 'image-classification':
      return 'labels';
    case 'text-classification':
      return 'multiLabel' in data && data.multiLabel !== undefined ? 'label-sets' : 'labels';
  }
}

/** Nothing is fetched or trained for gates that no worker has. */
export async function checkCustomGates(run: Run): Promise<void> {
  const names = customGatesNamed(run.pipeline);
  if (names.length === 0) return;
  const judges = judgedOf(run.pipeline);
  run.facts.customGates = await run.step('light', 'custom-gates', 'checkCustomGates', () => ({ names, judges }));
}

/** What the step that judges is told of them; nothing where there are none. */
export function judgeCustom(
  run: Run,
  { details, reference }: Pick<JudgeCustom, 'details' | 'reference'>,
): { readonly custom?: JudgeCustom } {
  const { customGates: gates } = run.pipeline;
  const { customGates: checked } = run.facts;
  if (gates === undefined || customGatesNamed(run.pipeline).length === 0) return {};
  if (checked === undefined) throw new Error('the gates of one’s own were not looked for before there was work');
  const judges = judgedOf(run.pipeline);
  const probabilities = judges === 'label-sets' && reference !== undefined ? { reference } : {};
  return { custom: { ...checked, gates, judges, details, ...probabilities } };
}
