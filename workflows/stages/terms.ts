import type { Run } from '../run.ts';
import type { Winner } from './select.ts';

/**
 * The licence once more, by the same evaluator: as policy and source are now, and with what the bundle really holds. What
 * it denies never reaches the approvers: the step parks with the way out, and a retry judges anew.
 */
export async function judgeTermsAgain(
  run: Run,
  { candidate, resolved, imported }: Pick<Winner, 'candidate' | 'resolved' | 'imported'>,
): Promise<void> {
  const { pipeline } = run;
  const { bundle, duties = [] } = run.facts;
  const { policy } = run.input;
  if (bundle === undefined) throw new Error('the licence was to be judged again before there was a bundle');
  const { name, intendedUse, deploy, review } = pipeline;
  const judge = () =>
    run.activities('light', 'terms').checkTerms(
      run.call('terms', {
        pipeline: { name, intendedUse, deploy, ...(review === undefined ? {} : { review }) },
        candidate,
        resolved,
        imported,
        bundle,
        duties,
        ...(policy === undefined ? {} : { policy }),
      }),
    );
  run.facts.terms = await run.engine.step('terms', judge, run.parking());
}
