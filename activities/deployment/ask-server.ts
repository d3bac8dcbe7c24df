/** A question to the model server over HTTP, as a client would ask it. */
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { withTimeLimit } from '../../artifacts/time-limit.ts';

/** What we read of the server's answers; another server's may say less. */
const AnswerSchema = z.looseObject({
  error: z.string().optional(),
  text_output: z.string().optional(),
  channel: z.string().optional(),
  versions: z.array(z.string()).default([]),
  parameters: z
    .looseObject({
      bundle: z.string().optional(),
      refused: z.string().optional(),
      refused_kind: z.string().optional(),
      refused_bundle: z.string().optional(),
    })
    .default({}),
  outputs: z.array(z.looseObject({ data: z.array(z.unknown()).default([]) })).default([]),
});

/** What a server says of itself it says at once. */
const WORD_MS = 10_000;
/** An answer of the model: the longest text in all its windows, on the slowest processor that serves. */
export const ANSWER_MS = 120_000;

/** Throws where there is no answer, or none in JSON; NetworkUnavailable where it does not come in time. */
export async function askServer(
  url: string,
  signal: AbortSignal,
  init: RequestInit = {},
  timeoutMs = WORD_MS,
): Promise<{ readonly status: number; readonly body: z.output<typeof AnswerSchema> }> {
  return withTimeLimit(timeoutMs, signal, async (limit) => {
    try {
      const response = await fetch(url, { ...init, signal: limit });
      return { status: response.status, body: AnswerSchema.parse(await response.json()) };
    } catch (error) {
      signal.throwIfAborted();
      if (!limit.aborted) throw error;
      throw new EspalierError('NetworkUnavailable', `the model server gave no answer within ${timeoutMs / 1000} s`, {
        where: url,
        cause: error,
      });
    }
  });
}

/** What a server says of a question itself, it says again however often it is asked: one that is older than the release, for example. */
const REFUSED = new Set([400, 413, 415, 422]);

/** Why an answer is none. `what` was asked; `expected` is what an answer without an error lacks. Final where the question is refused. */
export function unusable(
  url: string,
  what: string,
  { status, body }: { readonly status: number; readonly body: { readonly error?: string | undefined } },
  expected: string,
): EspalierError {
  const said = body.error ?? expected;
  if (!REFUSED.has(status)) {
    return new EspalierError('NetworkUnavailable', `the model server answered ${status} to ${what}: ${said}`, {
      where: url,
    });
  }
  return new EspalierError('BadConfig', `the model server refuses ${what} (${status}): ${said}`, {
    where: url,
    fix: 'run a model server of the version that made the release, with its limits; then release it again',
  });
}
