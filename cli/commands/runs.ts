import { EspalierError } from '../../artifacts/errors.ts';
import { cancelRun, listRuns, runOutcome, showRun } from '../../client/runs.ts';
import { createContext, type Context } from '../context.ts';
import type { RunOutcome } from '../../workflows/messages.ts';
import { EXIT, printError, printJson, printTable, say, seconds, style } from '../output.ts';
import { saveReport } from '../reports.ts';
import { ENDED, status, watchRun } from '../watch.ts';

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
    const run = await showRun(client, runId);
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
    const now = status(run);
    if (now !== '') process.stdout.write(`\nnow: ${now}\n`);
    for (const approval of run.approvals) {
      const who =
        approval.record === undefined ? `needs ${approval.roles.join(' or ')}` : `by ${approval.record.approver}`;
      process.stdout.write(`approval ${approval.approval}: ${approval.state} (${who})\n`);
    }
    if (run.report !== undefined) {
      const { store } = await context.store();
      process.stdout.write(`report: ${await saveReport(store, context.stateDir, runId, 'report', run.report)}\n`);
    }
    return EXIT.ok;
  });
}

export async function watch(json: boolean, runId: string): Promise<number> {
  return withContext((context) => followRun(context, runId, json, { stopAtApproval: false }));
}

export async function cancel(json: boolean, runId: string): Promise<number> {
  return withContext(async (context) => {
    const { client } = await context.temporal();
    await showRun(client, runId);
    await cancelRun(client, runId);
    if (json) printJson({ runId, cancelled: true });
    else say(`asked ${runId} to stop; its last checkpoint is kept`);
    return EXIT.ok;
  });
}

/** Follows a run to its end (or to a waiting approval) and gives its exit code. */
export async function followRun(
  context: Context,
  runId: string,
  json: boolean,
  options: { readonly stopAtApproval: boolean },
): Promise<number> {
  const { client } = await context.temporal();
  const run = await watchRun(client, runId, (one) => {
    return ENDED.has(one.state) || (options.stopAtApproval && one.state === 'waiting-for-approval');
  });
  if (run.state === 'waiting-for-approval') {
    if (json) printJson(run);
    say(`${style.yellow('waiting for approval')}: espalier approvals show ${runId}`);
    return EXIT.waitingForApproval;
  }
  const { store } = await context.store();
  const report =
    run.report === undefined ? undefined : await saveReport(store, context.stateDir, runId, 'report', run.report);
  let outcome: RunOutcome;
  try {
    outcome = await runOutcome(client, runId);
  } catch (error) {
    // Whatever the kind: a run that failed is exit code 1.
    printError(error, json);
    if (report !== undefined) say(`report: ${report}`);
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
