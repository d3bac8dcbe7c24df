/** The bench's processes: starting them, following what they note, and killing one with all that was started for it. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A folder of one case of one round, and what its processes get. */
export interface Place {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Those that still run. */
  readonly started: Set<Started>;
}
export interface Started {
  readonly pid: number;
  /** Rejects when it fails without having been killed. */
  readonly ended: Promise<void>;
}
/** A line that a training process wrote: train.py's, or those of bench/recovery/worker.ts. */
export interface Noted {
  readonly at: number;
  readonly type: string;
  readonly step?: number;
  readonly pid?: number;
  readonly digest?: string;
}

export function start(place: Place, name: string, command: string, args: readonly string[]): Started {
  const file = join(place.folder, `${name}.log`);
  const log = openSync(file, 'a');
  const child = spawn(command, args, { cwd: place.folder, env: place.env, stdio: ['ignore', log, log] });
  closeSync(log);
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0 || signal !== null) resolve();
      else reject(new Error(`${name} ended with ${code}:\n${readFileSync(file, 'utf8').slice(-3000)}`));
    });
  });
  ended.catch(() => {}); // whoever waits for it hears it then
  const started = { pid: child.pid ?? 0, ended };
  place.started.add(started);
  child.once('exit', () => place.started.delete(started));
  return started;
}

/** Waits until `look` finds something; a process that fails meanwhile ends the wait. */
export async function until<Found>(look: () => Promise<Found | undefined>, run?: Started): Promise<Found> {
  let failed = false;
  run?.ended.catch(() => (failed = true));
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (failed) await run?.ended;
    await sleep(50);
  }
}

export async function notedIn(file: string): Promise<Noted[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Noted);
}

/** Parent of every process of this machine, by process id. */
export async function parents(): Promise<Map<number, number>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
      // The name in parentheses may hold anything.
      return [Number(pid), Number(status?.slice(status.lastIndexOf(')') + 2).split(' ')[1] ?? 0)] as const;
    }),
  );
  return new Map(found);
}

/** SIGKILL, as when a machine is lost: the process, what started it up to the processes of `spared`, and all that those started. */
export async function killTree(pid: number, spared: ReadonlySet<number>): Promise<void> {
  const parentOf = await parents();
  let top = pid;
  for (let parent = parentOf.get(top) ?? 0; parent > 1 && !spared.has(parent); parent = parentOf.get(top) ?? 0)
    top = parent;
  const doomed = [top];
  for (const one of doomed)
    doomed.push(...[...parentOf].filter(([, parent]) => parent === one).map(([child]) => child));
  // From the top down: nobody is left to react to the death of a child.
  for (const one of doomed) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
}
