/** What a question about a run ends with, said in ours: how the run ended, or why nobody could be asked. */
import {
  NamespaceNotFoundError,
  QueryNotRegisteredError,
  ServiceError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client';
import { ActivityFailure, ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { EspalierError, type ErrorKind, type ErrorRecord } from '../artifacts/errors.ts';
import { reachOf } from './connection.ts';
import { refusedWith } from './credentials.ts';

/** What is not Temporal's comes back as it is. */
export function asRunError(client: Client, error: unknown, runId: string): unknown {
  if (error instanceof WorkflowNotFoundError) {
    return new EspalierError('NotFound', `there is no run ${runId}`, {
      fix: '`espalier runs list` shows what there is',
    });
  }
  if (error instanceof NamespaceNotFoundError) {
    return new EspalierError('BadConfig', `the Temporal server has no namespace '${error.namespace}'`, {
      where: 'TEMPORAL_NAMESPACE or temporal.toml',
      fix: 'name one that it has: `temporal operator namespace list` shows them',
      cause: error,
    });
  }
  if (error instanceof ServiceError || error instanceof QueryNotRegisteredError) {
    return refusedWith(error, reachOf(client)) ?? asServiceError(error);
  }
  if (!(error instanceof WorkflowFailedError)) return error;
  let cause: unknown = error.cause;
  while (cause instanceof ActivityFailure && cause.cause !== undefined) cause = cause.cause;
  if (cause instanceof CancelledFailure)
    return new EspalierError('Conflict', `run ${runId} was cancelled`, { cause: error });
  if (!(cause instanceof ApplicationFailure)) return error;
  const record = cause.details?.[0] as ErrorRecord | undefined;
  return new EspalierError((record?.kind ?? cause.type ?? 'Internal') as ErrorKind, record?.message ?? cause.message, {
    where: record?.where ?? runId,
    ...(record?.fix === undefined ? {} : { fix: record.fix }),
    cause: error,
  });
}

/** What the gRPC client says in one word, said in ours. */
function asServiceError(error: Error): EspalierError {
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return new EspalierError('TemporalUnavailable', `${error.message}${cause}`, {
    fix: 'see that the server and a worker run and that the namespace is right: `espalier doctor`',
    cause: error,
  });
}
