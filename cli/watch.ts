/** Follows a run in the terminal: a line a finished step, and one live line for what is going on. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { showRun, type ShownRun } from '../client/runs.ts';
import type { StepView } from '../workflows/messages.ts';
import { liveLine } from './live-line.ts';
import { say, seconds, style } from './output.ts';
import { parkedLines } from './parked.ts';
import { answerOf, unlessAborted, type Patience } from './patience.ts';
import { status } from './progress.ts';

export type WatchedRun = ShownRun;

const POLL_MS = 500;
const MARKS: Partial<Record<StepView['state'], string>> = {
  done: style.green('✓'),
  reused: style.cyan('↺'),
  dropped: style.yellow('–'),
  skipped: style.dim('·'),
  failed: style.red('✗'),
};

export interface WatchOptions {
  /** Remembers the lines that are printed, from one call to the next. */
  readonly printed?: Set<string>;
  /** Ends the watch, not the run. */
  readonly signal?: AbortSignal;
  /** With a server or worker that does not answer. */
  readonly patience?: Patience;
}

/** Prints until `until` says stop; returns the last view. Rejects with the signal's reason when that ends it. */
export async function watchRun(
  client: Client,
  runId: string,
  until: (run: WatchedRun) => boolean,
  { printed = new Set(), signal, patience }: WatchOptions = {},
): Promise<WatchedRun> {
  const live = liveLine();
  const tell = (line: string): void => {
    live.clear();
    say(style.yellow(line));
  };
  try {
    for (;;) {
      const run = await answerOf(() => showRun(client, runId), { tell, signal, patience });
      const news = run.steps.flatMap((step) => newsOf(runId, step, printed));
      if (news.length > 0) live.clear();
      for (const line of news) say(line);
      if (until(run)) return run;
      live.show((width) => status(run, Date.now(), width), run.state);
      await unlessAborted(sleep(POLL_MS), signal);
    }
  } finally {
    live.clear();
  }
}

/** The lines that this step has not had yet. */
function newsOf(runId: string, step: StepView, printed: Set<string>): readonly string[] {
  const mark = MARKS[step.state];
  if (mark === undefined && step.state !== 'parked') return [];
  // A step can be parked again after a retry, or begin to need a person: that is news.
  const parked = `${step.id} parked ${step.resolutions?.length ?? 0} ${step.standsBy === true}`;
  const line = mark === undefined ? parked : step.id;
  if (printed.has(line)) return [];
  printed.add(line);
  if (mark === undefined) return parkedLines(runId, step);
  // One line tells why a candidate dropped out; its other steps never ran.
  if (step.state === 'dropped' && step.startedAt === undefined) return [];
  return [`${mark} ${step.title}${style.dim(note(step))}`];
}

function note(step: StepView): string {
  if (step.error !== undefined && step.state !== 'done') return `  ${step.error.kind}: ${step.error.message}`;
  if (step.state === 'reused') return `  reused from ${step.computedBy ?? 'an earlier run'}`;
  if (step.startedAt === undefined || step.finishedAt === undefined) return '';
  const took = (Date.parse(step.finishedAt) - Date.parse(step.startedAt)) / 1000;
  return `  ${seconds(took)}${(step.attempt ?? 1) > 1 ? `, attempt ${step.attempt}` : ''}`;
}
