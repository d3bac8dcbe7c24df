/** Why a release is not served, as it is told. */
import { EspalierError } from '../artifacts/errors.ts';

/** Why what the channel points to is not what is served. */
export interface Refusal {
  readonly bundle: string | null;
  readonly kind: string;
  readonly reason: string;
}

export function refusalOf(error: unknown, pointer: unknown): Refusal {
  return {
    bundle: bundleOf(pointer),
    kind: error instanceof EspalierError ? error.kind : 'Internal',
    reason: messageOf(error),
  };
}

/** What a pointer of any shape says that it names. */
export function bundleOf(pointer: unknown): string | null {
  const bundle = (pointer as { bundle?: { digest?: unknown } } | null)?.bundle?.digest;
  return typeof bundle === 'string' ? bundle : null;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
