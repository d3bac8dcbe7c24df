import { confirm } from '@clack/prompts';
import { say } from './output.ts';

/** Asks on a terminal; without one, or with --yes, the command itself is the answer. */
export async function confirmed(question: string, yes: boolean | undefined): Promise<boolean> {
  if (yes === true || !isInteractive()) return true;
  const answer = await confirm({ message: question, initialValue: false, output: process.stderr });
  if (answer === true) return true;
  say('nothing was done');
  return false;
}

/** Somebody sits there to read and to answer. */
export function isInteractive(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}
