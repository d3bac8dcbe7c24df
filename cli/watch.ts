/** Follows a run in the terminal: a line a finished step, and one live line for what is going on. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { EspalierError } from '../artifacts/errors.ts';
import { showRun } from '../client/runs.ts';
import type { StepView } from '../workflows/messages.ts';
import { say, seconds, style } from './output.ts';

export type WatchedRun = Awaited<ReturnType<typeof showRun>>;

const POLL_MS = 500;
/** A killed worker is back long before this. */
const PATIENCE_MS = 60_000;
const MARKS: Partial<Record<StepView['state'], string>> = {
  done: style.green('✓'),
  reused: style.cyan('↺'),
  dropped: style.yellow('–'),
  skipped: style.dim('·'),
  failed: style.red('✗'),
};

/** Prints until `until` says stop; returns the last view. `printed` remembers the lines from one call to the next. */
export async function watchRun(
  client: Client,
  runId: string,
  until: (run: WatchedRun) => boolean,
  printed: Set<string> = new Set(),
): Promise<WatchedRun> {
  const live = liveLine();
  try {
    for (;;) {
      const run = await look(client, runId);
      for (const step of run.steps) {
        const mark = MARKS[step.state];
        if (mark === undefined || printed.has(step.id)) continue;
        printed.add(step.id);
        // One line tells why a candidate dropped out; its other steps never ran.
        if (step.state === 'dropped' && step.startedAt === undefined) continue;
        live.clear();
        say(`${mark} ${step.title}${style.dim(note(step))}`);
      }
      if (until(run)) return run;
      live.show(status(run));
      await sleep(POLL_MS);
    }
  } finally {
    live.clear();
  }
}

/** A worker that was just killed answers no query; the run is fine, and another worker answers soon. */
async function look(client: Client, runId: string): Promise<WatchedRun> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await showRun(client, runId);
    } catch (error) {
      if (Date.now() > deadline || (error instanceof EspalierError && error.kind === 'NotFound')) throw error;
      await sleep(POLL_MS);
    }
  }
}

export const ENDED: ReadonlySet<string> = new Set(['deployed', 'rejected', 'gates-failed', 'failed', 'cancelled']);

function note(step: StepView): string {
  if (step.error !== undefined) return `  ${step.error.kind}: ${step.error.message}`;
  if (step.state === 'reused') return `  reused from ${step.computedBy ?? 'an earlier run'}`;
  if (step.startedAt === undefined || step.finishedAt === undefined) return '';
  const took = (Date.parse(step.finishedAt) - Date.parse(step.startedAt)) / 1000;
  return `  ${seconds(took)}${(step.attempt ?? 1) > 1 ? `, attempt ${step.attempt}` : ''}`;
}

/** What runs now, with how far it is. */
export function status(run: WatchedRun): string {
  const running = run.steps.filter(({ state }) => state === 'running' || state === 'waiting');
  return running
    .map(({ id, title, state }) => {
      if (state === 'waiting') return `waiting: ${title}`;
      const progress = run.progress[id];
      if (progress === undefined) return title;
      const share = progress.total === undefined ? '' : ` ${progress.done ?? 0}/${progress.total}`;
      const eta = progress.etaSeconds === undefined ? '' : `, ${seconds(progress.etaSeconds)} left`;
      const attempt = progress.attempt > 1 ? `, attempt ${progress.attempt}` : '';
      return `${title}: ${progress.phase}${share}${progress.note === undefined ? '' : ` ${progress.note}`}${eta}${attempt}`;
    })
    .join(' · ');
}

/** Rewrites one line on a terminal; elsewhere prints a changed status every ten seconds. */
function liveLine(): { show(text: string): void; clear(): void } {
  const out = process.stderr;
  let last = '';
  let lastAt = 0;
  if (!out.isTTY) {
    return {
      show(text) {
        if (text === last || text === '' || Date.now() - lastAt < 10_000) return;
        last = text;
        lastAt = Date.now();
        say(`  ${text}`);
      },
      clear: () => undefined,
    };
  }
  return {
    show(text) {
      if (text === last) return;
      last = text;
      const width = (out.columns || 80) - 3;
      out.write(`\r\u001b[K${style.dim(`… ${text.length > width ? `${text.slice(0, width - 1)}…` : text}`)}`);
    },
    clear() {
      if (last !== '') out.write('\r\u001b[K');
      last = '';
    },
  };
}
