/** What went wrong, as HTTP says it: problem details (RFC 9457) made from our errors. Nothing of an unexpected error gets out. */
import { STATUS_CODES } from 'node:http';
import type { FastifyError } from 'fastify';
import type { ApprovalRecord } from '../activities/contract/evidence.ts';
import { EspalierError, type ErrorKind } from '../artifacts/errors.ts';
import type { Problem as Mistake } from '../pipelines/check.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  /** `urn:espalier:error:<kind>`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly kind: ErrorKind;
  /** The field, run or artifact that it is about. */
  readonly where?: string;
  /** What the caller can do about it. */
  readonly fix?: string;
  /** Every mistake in what was sent, by path. */
  readonly mistakes?: readonly Mistake[];
  /** Of an approval that is closed: the decision that stands; null when its deadline decided. */
  readonly decision?: ApprovalRecord | null;
  /** The id under which the server's log has an unexpected error. */
  readonly instance?: string;
}

/** An error with more for the caller than an error record holds. */
export class ProblemError extends Error {
  readonly error: EspalierError;
  readonly more: Pick<Problem, 'mistakes' | 'decision'>;

  constructor(error: EspalierError, more: Pick<Problem, 'mistakes' | 'decision'>) {
    super(error.message);
    this.error = error;
    this.more = more;
  }
}

/** Every kind that is not here is trouble of the server's own: 500. */
const STATUS: Partial<Record<ErrorKind, number>> = {
  BadRequest: 400,
  Unauthenticated: 401,
  Forbidden: 403,
  NotFound: 404,
  Conflict: 409,
  ReplayFailed: 409,
  BadDefinition: 422,
  BadData: 422,
  BadModel: 422,
  ApprovalRefused: 422,
  TooManyRequests: 429,
  StorageUnavailable: 503,
  TemporalUnavailable: 503,
  NetworkUnavailable: 503,
};

/** @param requestId names an unexpected error, whose own words stay in the log */
export function problemOf(error: unknown, requestId: string): Problem {
  if (error instanceof ProblemError) return { ...fromRecord(error.error), ...error.more };
  if (error instanceof EspalierError) return fromRecord(error);
  const { statusCode = 500, validation, validationContext, message } = error as FastifyError;
  if (validation !== undefined) {
    const mistakes = validation.map((one) => ({
      path: [validationContext, ...one.instancePath.split('/').slice(1)].filter((part) => part !== '').join('.'),
      message: one.message ?? 'is not valid',
    }));
    const detail = mistakes.map((one) => `${one.path}: ${one.message}`).join('; ');
    return { ...problem('BadRequest', 400, detail), mistakes };
  }
  if (statusCode >= 400 && statusCode < 500) return problem('BadRequest', statusCode, message);
  const instance = `urn:uuid:${requestId}`;
  return { ...problem('Internal', 500, 'something broke here; the log of the console has it'), instance };
}

function fromRecord(error: EspalierError): Problem {
  const { kind, message, where, fix } = error.toRecord();
  return {
    ...problem(kind, STATUS[kind] ?? 500, message),
    ...(where === undefined ? {} : { where }),
    ...(fix === undefined ? {} : { fix }),
  };
}

function problem(kind: ErrorKind, status: number, detail: string): Problem {
  return { type: `urn:espalier:error:${kind}`, title: STATUS_CODES[status] ?? 'Error', status, detail, kind };
}
