/** What differs between the licence texts that something was decided on and those that are there now. Pure. */
import type { Digest } from '../../artifacts/reference.ts';

/** A licence text that is no longer the one that was decided on; null: it was not there, or is there no more. */
export interface TextChange {
  readonly path: string;
  readonly before: Digest | null;
  readonly after: Digest | null;
  /** Lines that stand in only one of the two: `-` before, `+` now. Empty where the earlier text is not kept. */
  readonly differences: readonly string[];
}

/** A licence text by path and digest; `text` where it is at hand. */
export interface KnownText {
  readonly path: string;
  readonly digest: Digest;
  readonly text?: string | undefined;
}

const MAX_LINES = 20;
const MAX_LINE_CHARACTERS = 300;

export function textChanges(before: readonly KnownText[], after: readonly KnownText[]): readonly TextChange[] {
  const paths = [...new Set([...before, ...after].map(({ path }) => path))].toSorted();
  return paths.flatMap((path) => {
    const was = before.find((one) => one.path === path);
    const is = after.find((one) => one.path === path);
    if (was?.digest === is?.digest) return [];
    const differences = differingLines(was === undefined ? '' : was.text, is === undefined ? '' : is.text);
    return [{ path, before: was?.digest ?? null, after: is?.digest ?? null, differences }];
  });
}

function differingLines(before: string | undefined, after: string | undefined): readonly string[] {
  if (before === undefined || after === undefined) return [];
  const lines = (text: string): readonly string[] => text.split(/\r\n?|\n/).map((line) => line.trim());
  const only = (left: string, right: string, mark: string): readonly string[] => {
    const known = new Set(lines(right));
    return lines(left)
      .filter((line) => line !== '' && !known.has(line))
      .map((line) => `${mark} ${line.slice(0, MAX_LINE_CHARACTERS)}`);
  };
  const half = MAX_LINES / 2;
  return [...only(before, after, '-').slice(0, half), ...only(after, before, '+').slice(0, half)];
}

/** One line a change, for people. */
export function changeText({ path, before, after, differences }: TextChange): string {
  const short = (digest: Digest | null): string => digest?.slice(0, 'sha256:'.length + 12) ?? 'none';
  const lines = differences.length === 0 ? '' : `: ${differences.slice(0, 6).join(' | ')}`;
  const what = before === null ? 'is new' : after === null ? 'is gone' : 'has changed';
  return `${path} ${what} (${short(before)} → ${short(after)})${lines}`;
}
