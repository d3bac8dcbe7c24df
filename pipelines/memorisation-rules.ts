/** What must hold between the canaries of a definition and the gate that judges them, and its schema cannot say. */
import type { Problem } from './check.ts';
import { MemorisationSectionSchema, MOST_CONTROLS } from './memorisation.ts';

/** Canaries among so few controls that the gate would pass whatever the model gave away. */
export function memorisationProblems({ task, memorisation }: Readonly<Record<string, unknown>>): readonly Problem[] {
  if (task !== 'text-generation') return [];
  const section = MemorisationSectionSchema.safeParse(memorisation ?? {});
  if (!section.success) return [];
  const { canaries, gates } = section.data;
  const { max, severity } = gates.canaryExposure;
  if (severity === 'off' || canaries.count === 0) return [];
  // A canary before all controls: the chance is count / (count + controls).
  const most = Math.log2((canaries.count + canaries.controls) / canaries.count);
  if (most > max) return [];
  const needed = Math.floor(canaries.count * (2 ** max - 1)) + 1;
  return [
    {
      path: 'memorisation.canaries.controls',
      message:
        `${canaries.controls} controls show ${most.toFixed(2)} bits of ${canaries.count} canaries at most, which is not above ` +
        `memorisation.gates.canaryExposure.max (${max}): the gate could not fail`,
      fix: `${needed > MOST_CONTROLS ? 'put in' : `put in at least ${needed} controls,`} fewer canaries, or lower the gate's max`,
    },
  ];
}
