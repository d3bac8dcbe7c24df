import { EspalierError } from '../artifacts/errors.ts';
import { duration, durationSeconds } from '../pipelines/duration.ts';

/** When `--expires 30d`, counted from now, is over. Whatever opens doors ends within a year. */
export function expiryOf(text: string, now = Date.now()): Date {
  const parsed = duration.safeParse(text);
  if (parsed.success) return new Date(now + durationSeconds(parsed.data) * 1000);
  throw new EspalierError(
    'BadConfig',
    `--expires '${text}': ${parsed.error.issues[0]?.message ?? 'is not a duration'}`,
    {
      where: '--expires',
      fix: 'write e.g. 30d or 12h',
    },
  );
}
