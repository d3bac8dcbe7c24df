import { log, ParentClosePolicy, setWorkflowOptions, startChild, workflowInfo } from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { CheckDriftInput, DriftReport } from '../activities/contract.ts';
import { shortDigest } from '../artifacts/reference.ts';
import { PIPELINE_ATTRIBUTE, STATE_ATTRIBUTE, type RunInput } from './messages.ts';
import { stepProxies } from './proxies.ts';
import { runPipeline } from './run-pipeline.ts';

setWorkflowOptions({ failureExceptionTypes: [Error] }, watchModel);

/** One drift check, started by the model's schedule; drift over the limit starts a new run where the policy says so. */
export async function watchModel(input: CheckDriftInput): Promise<DriftReport> {
  const { workflowId } = workflowInfo();
  const { light } = stepProxies(30);
  const steps = light('check-drift', `drift of ${input.model}`);
  const readInput = light('read-run-input', 'read the input of the run to start again');
  const report = await steps.checkDrift({ runId: workflowId, stepId: 'check-drift', input, reuse: false });
  if (report.startRun !== null) {
    const call = { runId: workflowId, stepId: 'read-run-input', input: report.startRun, reuse: false };
    await startRetraining(report, (await readInput.readRunInput(call)) as RunInput);
  }
  return report;
}

/** The new run outlives the check; one a drifted bundle: the id says so, and a second start finds the first. */
async function startRetraining(report: DriftReport, runInput: RunInput): Promise<void> {
  if (report.startRun === null) return;
  const workflowId = `${runInput.pipeline.name}-drift-${shortDigest(report.bundle)}`;
  try {
    await startChild(runPipeline, {
      workflowId,
      args: [{ ...runInput, trigger: 'drift', startedBy: 'monitor' }, report.startRun],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      typedSearchAttributes: [
        { key: PIPELINE_ATTRIBUTE, value: runInput.pipeline.name },
        { key: STATE_ATTRIBUTE, value: 'running' },
      ],
      memo: { pipeline: runInput.pipeline.name, startedBy: 'monitor', trigger: 'drift', state: 'running' },
    });
  } catch (error) {
    // An earlier attempt of this check, or an earlier check, has started it.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  log.info('drift started a run', { workflowId });
}
