/** Runs one short task of the training process for a step: done, or the step's cancellation. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Progress } from '../contract.ts';
import type { StepContext } from '../step.ts';
import type { TrainerTask } from './job.ts';
import { runTrainingProcess } from './process.ts';

export async function runTask(task: TrainerTask, context: StepContext): Promise<Record<string, unknown> | undefined> {
  const { python, workDir, signal, runId, stepId } = context;
  let said: Progress = { phase: 'starting' };
  const outcome = await runTrainingProcess({
    job: { version: 1, id: `${runId}/${stepId}`, tasks: [task] },
    python,
    workDir,
    signal,
    onEvent: (event) => {
      if (event.type === 'eval' && event.done !== undefined && event.rows !== undefined)
        context.progress((said = { phase: event.split, done: event.done, total: event.rows }));
      else if (event.type === 'alive' && event.phase !== said.phase) context.progress((said = { phase: event.phase }));
    },
  });
  if (outcome.kind === 'done') return outcome.results[0];
  signal.throwIfAborted();
  throw new EspalierError('Preempted', `${task.verb} was stopped from outside`, {
    where: stepId,
    fix: 'nothing to do: it is tried again',
  });
}
