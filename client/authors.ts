/** Who wrote a file last, as git knows it: whose work a run is about does not decide on it. */
import { execFile } from 'node:child_process';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Author } from '../workflows/messages.ts';

const run = promisify(execFile);
/** A repository on a slow disk; an author who cannot be found in this time is unknown. */
const GIT_MS = 10_000;

interface Person {
  readonly name: string;
  readonly roles: readonly string[];
  readonly emails?: readonly string[];
}

/** The author of each file's last commit, and which approvers that is, by name or e-mail address. */
export async function authorsOf(
  files: Readonly<Record<Author['of'], string | undefined>>,
  approvers: readonly Person[],
): Promise<readonly Author[]> {
  const kinds = Object.keys(files) as Author['of'][];
  const found = await Promise.all(
    kinds.map(async (of) => {
      const path = files[of];
      return path === undefined ? [] : [{ of, ...match(await lastAuthor(path), approvers) }];
    }),
  );
  return found.flat();
}

function match(
  author: { readonly name: string; readonly email: string } | undefined,
  approvers: readonly Person[],
): Omit<Author, 'of'> {
  if (author === undefined) return { person: null, approvers: [] };
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
  const known = approvers.filter(
    ({ name, emails = [] }) => same(name, author.name) || emails.some((email) => same(email, author.email)),
  );
  return { person: author.name, approvers: known.map(({ name }) => name) };
}

/** Undefined where the file is in no repository, was never committed, or git is not there. */
async function lastAuthor(path: string): Promise<{ name: string; email: string } | undefined> {
  // Signatures are not shown: a repository's own settings could name a program for that.
  const args = ['-c', 'log.showSignature=false', 'log', '-1', '--format=%an%x00%ae', '--', basename(path)];
  try {
    const { stdout } = await run('git', args, { cwd: dirname(path), timeout: GIT_MS });
    const [name = '', email = ''] = stdout.trim().split('\0');
    return name === '' ? undefined : { name, email };
  } catch {
    return undefined;
  }
}
