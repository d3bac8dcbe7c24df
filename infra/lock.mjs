/**
 * A lock between processes that survives the death of its holder. The lock is a directory (its creation is atomic)
 * with one file named after the holder's token: who clears away a dead holder's lock has to remove exactly that file
 * first, so of several clearing at once only one succeeds and nobody removes a lock that was taken in between.
 * Node built-ins only: set-up runs before anything is installed.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * @typedef {{ pid: number, identity: string }} ProcessId A process and what tells it from a later one with its number.
 * @typedef {ProcessId & { token: string }} Holder
 * @typedef {{ release(): void }} Lock
 */

/** A lock directory without a holder is one being taken right now, or one whose taker died between two system calls. */
const UNNAMED_GRACE_MS = 5000;

/**
 * What tells this process from every other one that ever had its number: boot and start time. Undefined when no such
 * process runs (a zombie does not run).
 * @param {number} pid
 * @returns {string | undefined}
 */
export function processIdentity(pid) {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
      return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
    } catch {
      return undefined;
    }
  }
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' });
    return started.trim() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {ProcessId} id
 * @returns {boolean} whether exactly this process still runs
 */
export function isRunning({ pid, identity }) {
  return processIdentity(pid) === identity;
}

/**
 * Takes the lock, or says who holds it.
 * @param {string} directory
 * @returns {{ lock: Lock } | { holder: ProcessId | undefined }} holder undefined: being taken at this moment
 */
export function tryLock(directory) {
  mkdirSync(dirname(directory), { recursive: true });
  for (;;) {
    const token = randomUUID();
    try {
      mkdirSync(directory);
      /** @type {Holder} */
      const self = { pid: process.pid, identity: processIdentity(process.pid) ?? '', token };
      writeFileSync(join(directory, token), JSON.stringify(self), { flag: 'wx' });
      return { lock: { release: () => release(directory, token) } };
    } catch (error) {
      const code = /** @type {NodeJS.ErrnoException} */ (error).code;
      if (code === 'ENOENT') continue; // cleared away as unnamed before we could write our name: take it again
      if (code !== 'EEXIST') throw error;
    }
    const holder = readHolder(directory);
    if (holder === 'gone') continue;
    if (holder === undefined) return { holder: undefined };
    if (isRunning(holder)) return { holder };
    release(directory, holder.token);
  }
}

/**
 * Waits for the lock; `onWait` is told the holder about once a second.
 * @param {string} directory
 * @param {(holder: ProcessId | undefined) => void} [onWait]
 * @returns {Promise<Lock>}
 */
export async function waitForLock(directory, onWait) {
  for (let round = 0; ; round++) {
    const result = tryLock(directory);
    if ('lock' in result) return result.lock;
    if (round % 5 === 0) onWait?.(result.holder);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/**
 * @param {string} directory
 * @returns {Holder | 'gone' | undefined}
 */
function readHolder(directory) {
  try {
    const [name] = readdirSync(directory);
    if (name !== undefined) {
      const text = readFileSync(join(directory, name), 'utf8');
      try {
        return { ...JSON.parse(text), token: name };
      } catch {
        // half-written: its writer is at it, or died at it
        return Date.now() - statSync(directory).mtimeMs < UNNAMED_GRACE_MS
          ? undefined
          : { pid: 0, identity: 'half-written', token: name };
      }
    }
    if (Date.now() - statSync(directory).mtimeMs < UNNAMED_GRACE_MS) return undefined;
    rmdirSync(directory);
    return 'gone';
  } catch {
    return 'gone';
  }
}

/**
 * @param {string} directory
 * @param {string} token
 */
function release(directory, token) {
  try {
    unlinkSync(join(directory, token));
    rmdirSync(directory);
  } catch {
    // somebody else cleared it first
  }
}
