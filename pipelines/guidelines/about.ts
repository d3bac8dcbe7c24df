/** Which prompts a check of the guidelines is about. Pure. */
import type { GuidelineCheck } from './checks.ts';
import { Pattern } from './pattern.ts';

/** What is longer is told by its beginning: time is bounded. */
const MOST_CHARACTERS = 100_000;

/** Prepared once, asked of many prompts. */
export function isAbout({ when }: Pick<GuidelineCheck, 'when'>): (prompt: string) => boolean {
  if (when === undefined) return () => true;
  const [matches, lacks] = [when.promptMatches, when.promptLacks].map((source) =>
    source === undefined ? undefined : new Pattern(source, { ignoreCase: true }),
  );
  return (prompt) => {
    const text = prompt.slice(0, MOST_CHARACTERS);
    return matches?.test(text) !== false && lacks?.test(text) !== true;
  };
}
