/** What a run was started with, from the first event of its history: it is there whatever became of the run. */
import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { ArtifactRef } from '../artifacts/reference.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { RunInput } from '../workflows/messages.ts';
import { asRunError } from './run-errors.ts';

export interface StartedWith {
  readonly input: RunInput;
  readonly inputRef: ArtifactRef;
}

/** @throws EspalierError NotFound when there is no such run, or it is something else */
export async function readRunInput(client: Client, runId: string): Promise<StartedWith> {
  try {
    // Asked first for its error: one that names the run.
    await client.workflow.getHandle(runId).describe();
    const { history } = await client.workflowService.getWorkflowExecutionHistory({
      namespace: client.options.namespace,
      execution: { workflowId: runId },
      maximumPageSize: 1,
    });
    const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
    const [input, inputRef] = started?.input?.payloads ?? [];
    if (started?.workflowType?.name !== 'runPipeline' || !input || !inputRef) {
      throw new EspalierError('NotFound', `${runId} is not a run of a pipeline`, {
        fix: '`espalier runs list` shows what there is',
      });
    }
    return {
      input: defaultPayloadConverter.fromPayload<RunInput>(input),
      inputRef: defaultPayloadConverter.fromPayload<ArtifactRef>(inputRef),
    };
  } catch (error) {
    throw asRunError(client, error, runId);
  }
}
