/**
 * Where the training process runs. A launcher starts one process that speaks the contract (docs/training-process.md) and
 * hands back its events and its end; what they mean is judged in process.ts, the same for all launchers.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TrainerJob } from '../job.ts';

export interface LaunchOptions {
  readonly python: { readonly executable: string; readonly packages: string };
  /** Receives `job.json`, the process's home, and what the tasks write. */
  readonly workDir: string;
  /** File that standard output and standard error are appended to. */
  readonly log: string;
  /** `CUDA_VISIBLE_DEVICES` of the process; as ours when missing. */
  readonly visibleDevices?: string | undefined;
}

export interface ProcessEnd {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

export interface TrainerProcess {
  /** JSON lines (descriptor 3). Must be read to the end. */
  readonly events: Readable;
  /** Settles when the process is gone and its events were read. Rejects with MissingTool when it never began. */
  readonly ended: Promise<ProcessEnd>;
  /** Asks it to finish the running step, leave a checkpoint and exit 75. */
  stop(): void;
  /** Ends it at once, even when it is paused. */
  kill(): void;
}

export interface Launcher {
  readonly name: string;
  start(job: TrainerJob, options: LaunchOptions): Promise<TrainerProcess>;
}

/** The job as the process reads it: the path of the file. */
export async function writeJob(job: TrainerJob, workDir: string): Promise<string> {
  const path = join(workDir, 'job.json');
  await writeFile(path, `${JSON.stringify(job, null, 1)}\n`);
  return path;
}
