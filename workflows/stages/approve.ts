import type { ApprovalName } from '../../pipelines/definition.ts';
import type { Run } from '../run.ts';

/** Gathers the evidence, opens the approval on exactly that evidence, and waits for its end. */
export async function approved(run: Run, approval: ApprovalName): Promise<boolean> {
  const evidence = await run.step('light', `${approval}-evidence`, 'writeReport', () => ({
    kind: approval,
    facts: run.snapshot(),
  }));
  run.report = evidence;
  if (approval === 'release') run.evidence = evidence.pack;
  run.enter('waiting-for-approval', run.desk.opening(approval, evidence.pack));
  const decision = await run.engine.step(`approve-${approval}`, () => run.desk.wait(approval, evidence.pack), {
    state: 'waiting',
  });
  run.enter('running');
  return decision === 'approved';
}
