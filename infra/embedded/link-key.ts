/** What signs links to decisions, where no ESPALIER_LINK_KEY does: made in the state folder at its first use. */
import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `link-key`, readable by its owner only. */
export function readLinkKey(stateDir: string): string {
  const path = join(stateDir, 'link-key');
  if (!existsSync(path)) makeLinkKey(stateDir, path);
  return readFileSync(path, 'utf8');
}

/** Of two processes at the same time the first makes the key, and both read that one: a link, unlike a rename, replaces nothing. */
function makeLinkKey(stateDir: string, path: string): void {
  mkdirSync(stateDir, { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, randomBytes(32).toString('base64url'), { mode: 0o600 });
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary);
  }
}
