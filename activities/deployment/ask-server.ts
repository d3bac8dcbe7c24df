/** A question to the model server over HTTP, as a client would ask it. */
import { z } from 'zod';

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

/** Throws where there is no answer, or none in JSON. */
export async function askServer(
  url: string,
  signal: AbortSignal,
  init: RequestInit = {},
): Promise<{ readonly status: number; readonly body: z.output<typeof AnswerSchema> }> {
  const response = await fetch(url, { ...init, signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]) });
  return { status: response.status, body: AnswerSchema.parse(await response.json()) };
}
