import { filledText } from '../../artifacts/votes.ts';
import { voteLine } from '../votes.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { prepareResumption } from '../../client/resume-run.ts';
import { cancelRun, ENDED, isHowItEnded, listRuns, runOutcome } from '../../client/runs.ts';
import { shownOrFromHistory } from '../../client/run-from-history.ts';
import { newRunId, startRun } from '../../client/start-run.ts';
import { confirmed, isInteractive } from '../confirm.ts';
import { createContext, type Context } from '../context.ts';
import type { RunOutcome, RunState, StepView } from '../../workflows/messages.ts';
import { EXIT, printError, printJson, printTable, say, seconds, style } from '../output.ts';
import { parkedLines } from '../parked.ts';
import { answerOf, unlessAborted } from '../patience.ts';
import { status } from '../progress.ts';
import { saveReport } from '../reports.ts';
import { watchRun, type WatchedRun } from '../watch.ts';

export async function list(json: boolean, options: { pipeline?: string; limit: string }): Promise<number> {
  return withContext(async (context) => {
    const { client } = await context.temporal();
    const limit = Number(options.limit);
    if (!Number.isInteger(limit) || limit < 1) {
      throw new EspalierError('BadConfig', `--limit '${options.limit}' is not a count`, {
        fix: 'write a whole number from 1',
      });
    }
    const runs = await listRuns(client, {
      limit,
      ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
    });
    if (json) printJson(runs);
    else if (runs.length === 0) say('no runs yet: espalier run support-intents starts one');
    else {
      printTable(
        ['RUN', 'STATE', 'STARTED (UTC)', 'BY', 'TRIGGER'],
        runs.map((one) => [
          one.runId,
          one.state,
          one.startedAt.slice(0, 19).replace('T', ' '),
          one.startedBy,
          one.trigger,
        ]),
      );
    }
    return EXIT.ok;
  });
}

export async function show(json: boolean, runId: string): Promise<number> {
  return withContext(async (context) => {
    const { client } = await context.temporal();
    const run = await shownOrFromHistory(client, runId);
    if (json) {
      printJson(run);
      return EXIT.ok;
    }
    process.stdout.write(`${style.bold(run.runId)}  ${run.state}  started by ${run.startedBy} at ${run.startedAt}\n\n`);
    printTable(
      ['STEP', 'STATE', 'TOOK', 'ATTEMPT', 'WHAT'],
      run.steps.map((step) => [
        step.id,
        step.state,
        step.startedAt === undefined
          ? ''
          : seconds((Date.parse(step.finishedAt ?? new Date().toISOString()) - Date.parse(step.startedAt)) / 1000),
        step.attempt === undefined ? '' : String(step.attempt),
        step.error === undefined ? step.title : `${step.error.kind}: ${step.error.message}`,
      ]),
    );
    if (run.replayFailure !== undefined) {
      const { message, fix } = run.replayFailure;
      process.stdout.write(`\n${style.red(message)}\n  ${fix}\nWhat is shown is what its history tells.\n`);
    }
    const now = status(run);
    if (now !== '') process.stdout.write(`\nnow: ${now}\n`);
    for (const line of run.steps.flatMap((step) => stepLines(runId, step))) process.stdout.write(`${line}\n`);
    for (const approval of run.approvals) {
      process.stdout.write(`approval ${approval.approval}: ${approval.state} (${filledText(approval.seats)})\n`);
      for (const vote of approval.votes) process.stdout.write(`  ${voteLine(vote)}\n`);
    }
    if (run.report !== undefined) {
      const { store } = await context.store();
      process.stdout.write(`report: ${await saveReport(store, context.stateDir, runId, 'report', run.report)}\n`);
    }
    return EXIT.ok;
  });
}

/** What people decided about a step, and what they can decide now. */
function stepLines(runId: string, step: StepView): readonly string[] {
  const decided = (step.resolutions ?? []).map(({ action, by, at, comment, settings }) => {
    const changed = Object.entries(settings ?? {}).map(([path, value]) => ` ${path}=${JSON.stringify(value)}`);
    return `${step.id}: ${action}${changed.join('')} by ${by} at ${at}${comment === '' ? '' : `: ${comment}`}`;
  });
  return step.state === 'parked' ? [...decided, ...parkedLines(runId, step)] : decided;
}

export async function watch(json: boolean, runId: string): Promise<number> {
  return withContext((context) => followRun(context, runId, json, { until: isInteractive() ? 'end' : 'parked' }));
}

export async function cancel(json: boolean, runId: string, options: { yes?: boolean }): Promise<number> {
  return withContext(async (context) => {
    const { client } = await context.temporal();
    if (!(await confirmed(`Cancel ${runId}? Its finished steps and last checkpoint are kept.`, options.yes))) {
      return EXIT.needsConfirmation;
    }
    await cancelRun(client, runId);
    if (json) printJson({ runId, cancelled: true });
    else say(`asked ${runId} to stop; its last checkpoint is kept: espalier runs resume ${runId}`);
    return EXIT.ok;
  });
}

export async function resume(json: boolean, runId: string, options: { watch?: boolean; id?: string }): Promise<number> {
  return withContext(async (context) => {
    const { client } = await context.temporal();
    const { store } = await context.store();
    const who = { startedBy: context.user, approvers: await context.approvers(), notify: context.notifies };
    const prepared = await prepareResumption(client, store, runId, who);
    const id = options.id ?? newRunId(prepared.input.pipeline.name);
    await startRun(client, prepared, { runId: id });
    return announce(context, id, json, options.watch === true, {
      runId: id,
      resumes: runId,
      pipeline: prepared.input.pipeline.name,
      inputs: prepared.digest,
    });
  });
}

/** Says which run was started, and follows it where that was asked for. */
export async function announce(
  context: Context,
  runId: string,
  json: boolean,
  follow: boolean,
  started: Readonly<Record<string, string>>,
): Promise<number> {
  if (follow) {
    say(`run ${style.bold(runId)}`);
    return followRun(context, runId, json, { until: 'decision' });
  }
  if (json) printJson(started);
  else process.stdout.write(`${runId}\n`);
  say(style.dim(`follow it with: espalier runs watch ${runId}`));
  return EXIT.ok;
}

/** How far to follow: to the end, until a step is parked, or until anything waits for a person. */
type Until = 'end' | 'parked' | 'decision';

/** Follows a run and gives its exit code. Ctrl-C ends the watch, never the run. */
export async function followRun(
  context: Context,
  runId: string,
  json: boolean,
  { until }: { readonly until: Until },
): Promise<number> {
  const { client } = await context.temporal();
  const interruption = new AbortController();
  const { signal } = interruption;
  let ended: RunState | undefined;
  const interrupt = (): void => interruption.abort();
  process.once('SIGINT', interrupt);
  const stops = (one: WatchedRun): boolean =>
    ENDED.has(one.state) ||
    (until !== 'end' && one.state === 'parked') ||
    (until === 'decision' && one.state === 'waiting-for-approval');
  try {
    const run = await watchRun(client, runId, stops, { signal });
    if (ENDED.has(run.state)) ended = run.state;
    return await unlessAborted(concluded(context, run, json, signal), signal);
  } catch (error) {
    if (ended !== undefined) say(`\nthe run has ended (${ended}); look at it with: espalier runs show ${runId}`);
    else if (signal.aborted) say(`\nthe run goes on; follow it with: espalier runs watch ${runId}`);
    if (!signal.aborted) throw error;
    return EXIT.interrupted;
  } finally {
    process.off('SIGINT', interrupt);
  }
}

async function concluded(context: Context, run: WatchedRun, json: boolean, signal: AbortSignal): Promise<number> {
  const { runId } = run;
  if (!ENDED.has(run.state)) {
    if (json) printJson(run);
    if (run.state === 'parked') return EXIT.parked;
    say(`${style.yellow('waiting for approval')}: espalier approvals show ${runId}`);
    return EXIT.waitingForApproval;
  }
  const { client } = await context.temporal();
  const { store } = await context.store();
  const report =
    run.report === undefined ? undefined : await saveReport(store, context.stateDir, runId, 'report', run.report);
  let outcome: RunOutcome;
  try {
    outcome = await answerOf(() => runOutcome(client, runId), { tell: say, signal });
  } catch (error) {
    if (!isHowItEnded(error)) throw error;
    // Whatever the kind: a run that failed is exit code 1.
    printError(error, json);
    if (report !== undefined) say(`report: ${report}`);
    say(style.dim(`go on from its finished steps and last checkpoint: espalier runs resume ${runId}`));
    return EXIT.failed;
  }
  if (json) printJson(outcome);
  else
    say(
      `${outcome.state === 'deployed' ? style.green(outcome.state) : style.red(outcome.state)}: ${outcome.reason}\nreport: ${report}`,
    );
  return outcome.state === 'deployed' ? EXIT.ok : EXIT.failed;
}

export async function withContext(body: (context: Context) => Promise<number>): Promise<number> {
  const context = createContext();
  try {
    return await body(context);
  } finally {
    await context.close();
  }
}
