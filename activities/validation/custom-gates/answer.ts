/** The answer of a gate's process: one line of JSON. Whoever writes it may write anything, and without end. */
import type { Readable } from 'node:stream';
import { z } from 'zod';

/** A module with a thousand gates names them in less. */
export const MOST_ANSWER_BYTES = 64 * 1024;
/** Of what went wrong, as it is shown. */
export const MOST_WORDS = 300;

const AnswerSchema = z.union([
  z.strictObject({ problem: z.string().transform((problem) => problem.slice(0, MOST_WORDS)) }),
  z.strictObject({ value: z.unknown() }),
]);
export type WrittenAnswer = z.output<typeof AnswerSchema>;

/** Of its first line at most so many bytes are held; undefined where it ended before there was one. */
export async function readAnswer(pipe: Readable): Promise<WrittenAnswer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of pipe as AsyncIterable<Buffer>) {
      const end = chunk.indexOf('\n');
      const part = end < 0 ? chunk : chunk.subarray(0, end);
      bytes += part.length;
      if (bytes > MOST_ANSWER_BYTES) return { problem: `its answer has more than ${MOST_ANSWER_BYTES} bytes` };
      chunks.push(part);
      if (end >= 0) return parsed(Buffer.concat(chunks).toString());
    }
  } catch {} // a pipe that breaks has ended
  return undefined;
}

function parsed(line: string): WrittenAnswer {
  try {
    return AnswerSchema.parse(JSON.parse(line));
  } catch {
    return { problem: 'its answer is no answer of the program that runs gates' };
  }
}
