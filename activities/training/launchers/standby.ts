/**
 * `local` with one process kept warm: it has imported everything and waits for a job, so that a training begins seconds
 * earlier. It is used once. Whatever is wrong with it, the training starts as `local` starts it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdtempSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { TrainerJob } from '../job.ts';
import { writeJob, type Launcher, type LaunchOptions, type ProcessEnd, type TrainerProcess } from './launcher.ts';
import { childEnvironment, localLauncher, networkNamespace } from './local.ts';

export interface StandbyOptions {
  readonly python: LaunchOptions['python'];
  /** Where waiting processes have their homes. */
  readonly folder: string;
  /** `CUDA_VISIBLE_DEVICES` of the first; later ones are made for the training before. */
  readonly visibleDevices?: string;
  /** Bytes that this process may still have, within the limits of its container (where cached files count as used). */
  readonly availableMemory?: () => number;
  /** From the start of a training to that of the next standby process. */
  readonly pauseMs?: number;
}

/** A waiting process holds 0.5 GB: none begins where that is more than a quarter of what is left, … */
const MEMORY_TO_BEGIN = 2 * 2 ** 30;
/** … and one that waits goes when the training, or anybody else, needs the memory. */
const MEMORY_TO_STAY = 2 ** 30;
/** A training loads, tokenises and finds its pace first: the imports of its successor cost a core for 5 to 10 s. */
const PAUSE_MS = 30_000;
/** One that died waiting would die again. */
const PAUSE_AFTER_DEATH_MS = 60_000;
const LOOK_EVERY_MS = 1000;
/** It says `alive` every second; one that was silent for longer is paused or starved, and would be slower than a new one. */
const FRESH_MS = 3000;
const DEFAULT_MODEL_TYPES: readonly string[] = ['bert'];

export class StandbyLauncher implements Launcher {
  readonly name = 'standby';
  readonly #options: Required<StandbyOptions>;
  /** What the next training will probably be like: the one before. */
  #expected: Expected;
  #waiting: WaitingProcess | undefined;
  #notBeforeMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #command: readonly string[] = [];

  constructor(options: StandbyOptions) {
    const { visibleDevices = '', availableMemory = () => process.availableMemory(), pauseMs = PAUSE_MS } = options;
    this.#options = { ...options, visibleDevices, availableMemory, pauseMs };
    this.#expected = { job: { version: 1, id: '', tasks: [] }, visibleDevices, modelTypes: DEFAULT_MODEL_TYPES };
  }

  /** Keeps a process waiting from now on, as far as memory allows. */
  async begin(): Promise<void> {
    this.#command = await networkNamespace();
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#look();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#waiting?.discard();
    this.#waiting = undefined;
  }

  /** The id of the process that a job would be given to now. */
  get pid(): number | undefined {
    return this.#waiting?.ready === true ? this.#waiting.pid : undefined;
  }

  async start(job: TrainerJob, options: LaunchOptions): Promise<TrainerProcess> {
    const { visibleDevices } = options;
    this.#notBeforeMs = Date.now() + this.#options.pauseMs;
    const waiting = this.#waiting;
    const taken = waiting !== undefined && waiting.ready && waiting.suits(job, options);
    // Before anything is awaited: no other training may get it.
    if (taken) this.#waiting = undefined;
    if (isOneProcess(job)) this.#expected = { job, modelTypes: await modelTypesOf(job), visibleDevices };
    return (taken ? await waiting.take(job, options) : undefined) ?? localLauncher.start(job, options);
  }

  #look(): void {
    const { python, folder, availableMemory } = this.#options;
    if (this.#waiting !== undefined) {
      const { ended, expected } = this.#waiting;
      const unfit = !isDeepStrictEqual(
        environmentFor(expected, python, ''),
        environmentFor(this.#expected, python, ''),
      );
      const due = Date.now() >= this.#notBeforeMs;
      if (!ended && !(unfit && due) && availableMemory() >= MEMORY_TO_STAY) return;
      if (ended) {
        this.#notBeforeMs = Math.max(this.#notBeforeMs, Date.now() + PAUSE_AFTER_DEATH_MS);
        // Perhaps for a model that transformers does not know by that name.
        this.#expected = { ...this.#expected, modelTypes: DEFAULT_MODEL_TYPES };
      }
      this.#waiting.discard();
      this.#waiting = undefined;
      return; // its memory is free at the next look
    }
    if (Date.now() < this.#notBeforeMs || availableMemory() < MEMORY_TO_BEGIN) return;
    try {
      this.#waiting = new WaitingProcess(this.#command, python, folder, this.#expected);
    } catch {
      // A full disk, no process or descriptor left: not worth the worker.
      this.#notBeforeMs = Date.now() + PAUSE_AFTER_DEATH_MS;
    }
  }
}

interface Expected {
  readonly job: TrainerJob;
  readonly visibleDevices: string | undefined;
  readonly modelTypes: readonly string[];
}

class WaitingProcess {
  readonly expected: Expected;
  readonly #python: LaunchOptions['python'];
  readonly #home: string;
  readonly #child: ChildProcess;
  readonly #wire: Readable;
  readonly #hear = (chunk: string): void => this.#heard(chunk);
  /** The line that names the process: whoever takes it hears that first, as from any other. */
  #starting = '';
  #partial = '';
  #heardAtMs = 0;
  #waits = false;
  #taken = false;
  ended = false;

  constructor(command: readonly string[], python: LaunchOptions['python'], folder: string, expected: Expected) {
    this.expected = expected;
    this.#python = python;
    this.#home = mkdtempSync(join(folder, 'standby-'));
    const argv = [...command, python.executable, '-m', 'espalier_trainer', 'standby', ...expected.modelTypes];
    this.#child = spawn(argv[0] ?? '', argv.slice(1), {
      cwd: this.#home,
      env: environmentFor(expected, python, this.#home),
      // What it says of its imports waits in the pipes for the log of the training. Standard input is the leash.
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    this.#child.stdin?.on('error', () => {});
    for (const event of ['error', 'exit']) this.#child.once(event, () => this.#gone());
    this.#wire = this.#child.stdio[3] as Readable;
    this.#wire.on('error', () => {});
    this.#wire.setEncoding('utf8').on('data', this.#hear);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get ready(): boolean {
    return this.#waits && !this.ended && !this.#wire.readableEnded && Date.now() - this.#heardAtMs < FRESH_MS;
  }

  /** Devices, threads and the rest of a process's environment are settled when it begins. */
  suits(job: TrainerJob, { python, visibleDevices }: LaunchOptions): boolean {
    const wanted = environmentFor({ job, visibleDevices }, python, this.#home);
    const ours = environmentFor(this.expected, this.#python, this.#home);
    return isOneProcess(job) && python.executable === this.#python.executable && isDeepStrictEqual(wanted, ours);
  }

  /** undefined: it has died meanwhile. */
  async take(job: TrainerJob, { workDir, log }: LaunchOptions): Promise<TrainerProcess | undefined> {
    const child = this.#child;
    let jobFile: string;
    try {
      jobFile = await writeJob(job, workDir);
      if (!this.ready) return undefined;
      this.#taken = true;
    } finally {
      if (!this.#taken) this.discard();
    }
    const file = createWriteStream(log, { flags: 'a' });
    file.on('error', () => {
      // A full disk: not worth the training, which must not wait for somebody to read.
      child.stdout?.resume();
      child.stderr?.resume();
    });
    child.stdout?.pipe(file, { end: false });
    child.stderr?.pipe(file, { end: false });
    const ended = new Promise<ProcessEnd>((resolve) => {
      child.once('close', (code, signal) => file.end(() => resolve({ code, signal })));
    });
    this.#wire.pause().off('data', this.#hear);
    this.#wire.unshift(`${this.#starting}\n${this.#partial}`);
    child.stdin?.write(`${jobFile}\n`);
    return { events: this.#wire, ended, stop: () => child.kill('SIGTERM'), kill: () => child.kill('SIGKILL') };
  }

  discard(): void {
    this.#child.kill('SIGKILL');
    for (const stream of this.#child.stdio) stream?.destroy();
    this.#gone();
  }

  #gone(): void {
    this.ended = true;
    void rm(this.#home, { recursive: true, force: true });
  }

  #heard(chunk: string): void {
    this.#heardAtMs = Date.now();
    const lines = `${this.#partial}${chunk}`.split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) {
      const type = /"type": ?"(\w+)"/.exec(line)?.[1];
      if (type === 'starting') this.#starting = line;
      if (type === 'standby') this.#waits = true;
    }
  }
}

function environmentFor(
  { job, visibleDevices }: Pick<Expected, 'job' | 'visibleDevices'>,
  python: LaunchOptions['python'],
  workDir: string,
): NodeJS.ProcessEnv {
  return childEnvironment(process.env, { job, visibleDevices, python, workDir });
}

/** Of several processes the first only starts the others. */
function isOneProcess({ tasks }: TrainerJob): boolean {
  return tasks.every((task) => task.verb !== 'train' || (task.processes ?? 1) === 1);
}

async function modelTypesOf({ tasks }: TrainerJob): Promise<readonly string[]> {
  const found = tasks.map(async ({ model }) => {
    try {
      return (JSON.parse(await readFile(join(model, 'config.json'), 'utf8')) as { model_type?: unknown }).model_type;
    } catch {
      return undefined; // the process will say what is wrong with it
    }
  });
  const types = (await Promise.all(found)).filter((type) => typeof type === 'string' && /^[\w-]+$/.test(type));
  return types.length === 0 ? DEFAULT_MODEL_TYPES : [...new Set(types as string[])];
}
