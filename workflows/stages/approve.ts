import { ApplicationFailure } from '@temporalio/workflow';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ApprovalName } from '../../pipelines/definition.ts';
import type { Run } from '../run.ts';

/**
 * Gathers the evidence, opens the approval on exactly that evidence, and waits for its end. Where changes are requested
 * the step parks: an operator's `retry`, with changed settings or without, gathers new evidence and asks again.
 */
export async function approved(run: Run, approval: ApprovalName): Promise<boolean> {
  let evidence = await gather(run, approval);
  let asked = false;
  const decide = async (): Promise<boolean> => {
    if (asked) evidence = await gather(run, approval);
    asked = true;
    run.enter('waiting-for-approval', run.desk.opening(approval, evidence));
    const ended = await run.desk.wait(approval, evidence);
    run.enter('running');
    if (ended === 'changes-requested') throw changesRequested(run, approval);
    return ended === 'approved';
  };
  return run.engine.step(`approve-${approval}`, decide, { state: 'waiting', ...run.parking() });
}

async function gather(run: Run, approval: ApprovalName): Promise<ArtifactRef> {
  run.desk.reopen(approval);
  run.report = await run.step('light', `${approval}-evidence`, 'writeReport', () => ({
    kind: approval,
    facts: run.snapshot(),
  }));
  if (approval === 'release') run.evidence = run.report.pack;
  return run.report.pack;
}

function changesRequested(run: Run, approval: ApprovalName): ApplicationFailure {
  const { approver, comment } = run.desk.view().find((one) => one.approval === approval)?.record ?? {};
  const message = `${approver ?? 'somebody'} requests changes: ${comment ?? ''}`;
  const fix = `retry the step approve-${approval}, with changed settings or as it is: its evidence is gathered anew`;
  return ApplicationFailure.create({
    message,
    type: 'ChangesRequested',
    nonRetryable: true,
    details: [{ kind: 'ChangesRequested', message, where: `approve-${approval}`, fix, retryable: false }],
  });
}
