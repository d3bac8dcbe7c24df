import { log, ParentClosePolicy, setWorkflowOptions, startChild, workflowInfo } from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { CheckDriftInput, DriftReport } from '../activities/contract/monitoring.ts';
import { shortDigest, type ArtifactRef } from '../artifacts/reference.ts';
import { PIPELINE_ATTRIBUTE, STATE_ATTRIBUTE, type RunInput } from './messages.ts';
import { stepProxies } from './proxies.ts';
import { runPipeline } from './run-pipeline.ts';

setWorkflowOptions({ failureExceptionTypes: [Error] }, watchModel);

/**
 * One check of a served model, started by its schedule. Drift over the limit starts a new run where the policy says so;
 * terms that have changed always do: it stops at the review, with the change as evidence.
 */
export async function watchModel(input: CheckDriftInput): Promise<DriftReport> {
  // Neither waits for the other, and neither is lost because the other fails.
  const [drift, terms] = await Promise.allSettled([checkDrift(input), checkTerms(input)]);
  if (terms.status === 'rejected') throw terms.reason;
  if (drift.status === 'rejected') throw drift.reason;
  return drift.value;
}

async function checkDrift(input: CheckDriftInput): Promise<DriftReport> {
  const steps = stepProxies(30).light('check-drift', `drift of ${input.model}`);
  const report = await steps.checkDrift(call('check-drift', input));
  if (report.startRun !== null) {
    await startAgain(
      report.startRun,
      'drift',
      ({ pipeline }) => `${pipeline.name}-drift-${shortDigest(report.bundle)}`,
    );
  }
  return report;
}

async function checkTerms({ model, channel }: CheckDriftInput): Promise<void> {
  const steps = stepProxies(30).light('check-terms', `terms of ${model}`);
  const { startRun, reopened } = await steps.checkModelTerms(call('check-terms', { model, channel }));
  if (startRun !== null && reopened !== null) await startAgain(startRun, 'terms', () => reopened.runId);
}

function call<Input>(stepId: string, input: Input) {
  return { runId: workflowInfo().workflowId, stepId, input, reuse: false };
}

/** The new run outlives the check. Its id says why it was started, and a second start finds the first. */
async function startAgain(
  inputRef: ArtifactRef,
  trigger: 'drift' | 'terms',
  idOf: (input: RunInput) => string,
): Promise<void> {
  const stepId = trigger === 'drift' ? 'read-run-input' : 'read-terms-input';
  const steps = stepProxies(30).light(stepId, 'read the input of the run to start again');
  const runInput = (await steps.readRunInput(call(stepId, inputRef))) as RunInput;
  const workflowId = idOf(runInput);
  try {
    await startChild(runPipeline, {
      workflowId,
      args: [{ ...runInput, trigger, startedBy: 'monitor' }, inputRef],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      typedSearchAttributes: [
        { key: PIPELINE_ATTRIBUTE, value: runInput.pipeline.name },
        { key: STATE_ATTRIBUTE, value: 'running' },
      ],
      memo: { pipeline: runInput.pipeline.name, startedBy: 'monitor', trigger, state: 'running' },
    });
  } catch (error) {
    // An earlier attempt of this check, or an earlier check, has started it.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  log.info('the monitor started a run', { workflowId, trigger });
}
