/**
 * Runs long commands side by side and shows what is going on: on a terminal one line that is rewritten, elsewhere a
 * plain line for whatever has taken longer than two seconds, and again every ten. Everything goes to stderr.
 */
import { spawn } from 'node:child_process';

const FIRST_NOTICE_MS = 2000;
const NOTICE_EVERY_MS = 10_000;
const KEPT_LINES = 30;

/** A set-up step that went wrong, with what the user can do about it. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {string} fix
   */
  constructor(message, fix) {
    super(message);
    this.name = 'SetupError';
    this.fix = fix;
  }
}

/** @typedef {{ title: string, startedAt: number, lastLine: string, noticedAt: number }} Task */

export class Progress {
  /** @param {NodeJS.WriteStream} stream */
  constructor(stream = process.stderr) {
    this.stream = stream;
    /** @type {Set<Task>} */
    this.tasks = new Set();
    /** @type {Set<import('node:child_process').ChildProcess>} */
    this.children = new Set();
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
  }

  /** @param {string} line */
  say(line) {
    if (this.stream.isTTY) this.stream.write('\r\u001b[2K');
    this.stream.write(`${line}\n`);
  }

  /**
   * Shows a task while `work` runs; its report callback takes the latest line of output.
   * @template T
   * @param {string} title
   * @param {(report: (line: string) => void) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async task(title, work) {
    /** @type {Task} */
    const task = { title, startedAt: Date.now(), lastLine: '', noticedAt: 0 };
    this.tasks.add(task);
    this.timer ??= setInterval(() => this.notice(), this.stream.isTTY ? 250 : 500);
    try {
      const result = await work((line) => (task.lastLine = line));
      const tookMs = Date.now() - task.startedAt;
      if (tookMs > FIRST_NOTICE_MS) this.say(`✓ ${title} (${seconds(tookMs)})`);
      return result;
    } finally {
      this.tasks.delete(task);
      if (this.tasks.size === 0) {
        clearInterval(this.timer);
        this.timer = undefined;
        if (this.stream.isTTY) this.stream.write('\r\u001b[2K');
      }
    }
  }

  notice() {
    const now = Date.now();
    const slow = [...this.tasks].filter((task) => now - task.startedAt > FIRST_NOTICE_MS);
    if (this.stream.isTTY) {
      if (slow.length === 0) return;
      const line = slow.map((task) => describe(task, now)).join('  |  ');
      this.stream.write(`\r\u001b[2K${line.slice(0, (this.stream.columns ?? 80) - 1)}`);
      return;
    }
    for (const task of slow) {
      if (now - task.noticedAt < NOTICE_EVERY_MS) continue;
      task.noticedAt = now;
      this.say(`… ${describe(task, now)}`);
    }
  }

  /**
   * Runs a command as a task.
   * @param {string} title
   * @param {string} command
   * @param {readonly string[]} args
   * @param {{ cwd?: string, env?: Record<string, string | undefined>, fix: string }} options `fix`: what to do when it fails
   * @returns {Promise<void>}
   */
  run(title, command, args, { cwd, env, fix }) {
    return this.task(title, (report) => {
      /** @type {string[]} */
      const lines = [];
      return new Promise((resolve, reject) => {
        const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
        this.children.add(child);
        for (const stream of [child.stdout, child.stderr]) {
          stream.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
            for (const line of text.split(/[\r\n]+/)) {
              if (line.trim() === '') continue;
              lines.push(line);
              if (lines.length > KEPT_LINES) lines.shift();
              report(line.trim());
            }
          });
        }
        child.on('error', (error) => reject(new SetupError(`${title}: ${error.message}`, fix)));
        child.on('close', (code, signal) => {
          this.children.delete(child);
          if (code === 0) resolve(undefined);
          else reject(new SetupError(`${title} failed (${signal ?? `exit code ${code}`}):\n${lines.join('\n')}`, fix));
        });
      });
    });
  }

  /** Stops whatever is still running: nobody waits for it any more. */
  stopAll() {
    for (const child of this.children) child.kill('SIGTERM');
  }
}

/**
 * @param {Task} task
 * @param {number} now
 */
function describe(task, now) {
  return `${task.title}, ${seconds(now - task.startedAt)}${task.lastLine === '' ? '' : `: ${task.lastLine.slice(0, 100)}`}`;
}

/** @param {number} ms */
function seconds(ms) {
  return ms < 60_000
    ? `${Math.round(ms / 1000)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
