/** `npm start`: from nothing to a served model, with the two decisions asked of the person at the terminal. */
import { confirm, isCancel, select, text } from '@clack/prompts';
import type { Client } from '@temporalio/client';
import { readRunningStack } from '../../infra/embedded/state.ts';
import type { OpenApproval } from '../../client/approvals.ts';
import { openSeats, seatText } from '../../artifacts/seats.ts';
import { predict, untilServed } from '../../client/predict.ts';
import { ENDED, listRuns, runOutcome } from '../../client/runs.ts';
import { newRunId, prepareRun, stableRunId, startRun, type PreparedRun } from '../../client/start-run.ts';
import { summarise } from '../../client/summary.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { evidenceDossier } from '../../artifacts/evidence-dossier.ts';
import { evidenceFacts } from '../../artifacts/release-chain.ts';
import type { RunOutcome } from '../../workflows/messages.ts';
import { contextOf, createContext, stateDirOf, type Context } from '../context.ts';
import { loadChecked, type CheckedPipeline } from '../definition.ts';
import { DEMO_APPROVERS, startHost } from '../host.ts';
import { untilInterrupted } from '../interrupt.ts';
import { EXIT, printError, printJson, say, style } from '../output.ts';
import { saveReport } from '../reports.ts';
import { watchRun } from '../watch.ts';
import { isInteractive } from '../confirm.ts';
import { castByOperator, openApproval, saveEvidence } from './approvals.ts';

interface Options {
  readonly yes?: boolean;
  readonly once?: boolean;
  readonly again?: boolean;
  readonly set: readonly string[];
}

export async function demo(json: boolean, name: string, options: Options): Promise<number> {
  const checked = await loadChecked(name, options.set, json);
  if (typeof checked === 'number') return checked;
  if (options.yes !== true && !process.stdin.isTTY) {
    say('there is no terminal to ask for the approvals: use `npm start -- --yes` to answer them as the demo approvers');
    return EXIT.needsConfirmation;
  }
  const interruption = new AbortController();
  const interrupted = untilInterrupted().then(() => interruption.abort());
  const stateDir = stateDirOf(process.env);
  const running = readRunningStack(stateDir);
  if (running === undefined) say(style.dim('starting Temporal, the S3 gateway, the workers and the model server …'));
  else say(style.dim(`using the stack that process ${running.pid} runs here`));
  const host = running === undefined ? await startHost(stateDir) : undefined;
  const context =
    host === undefined
      ? createContext()
      : contextOf({ ...process.env, ...host.stack.env, ESPALIER_SERVING_URL: host.servingUrl }, stateDir);
  try {
    // Without a terminal somebody must look at the exit code; while the stack stays up, the parked step can be resolved.
    const stopAtParked = !isInteractive() && (options.once === true || host === undefined);
    const { signal } = interruption;
    const work = play(context, checked, { ...options, stopAtParked, signal }, json);
    const code = await Promise.race([work, interrupted.then(() => 'interrupted' as const)]);
    if (code === 'interrupted') {
      work.catch(() => undefined);
      say('\nstopping; nothing is lost: the run goes on at the next `npm start`');
      return EXIT.interrupted;
    }
    if (options.once !== true && host !== undefined) {
      say(style.dim('everything keeps running; Ctrl-C stops it'));
      await interrupted;
    }
    return code;
  } finally {
    await context.close();
    if (host !== undefined) {
      say(style.dim('stopping …'));
      await host.stack.stop();
    }
  }
}

async function play(
  context: Context,
  { pipeline, folder, path }: CheckedPipeline,
  options: Options & { readonly stopAtParked: boolean; readonly signal: AbortSignal },
  json: boolean,
): Promise<number> {
  const { client } = await context.temporal();
  const { store } = await context.store();
  const prepared = await prepareRun(pipeline, folder, store, {
    startedBy: context.user,
    definitionPath: path,
    approvers: await context.approvers(),
    notify: context.notifies,
  });
  const runId = await attachOrStart(client, prepared, options.again === true);
  const printed = new Set<string>();
  for (;;) {
    const run = await watchRun(
      client,
      runId,
      (one) =>
        ENDED.has(one.state) ||
        (options.stopAtParked && one.state === 'parked') ||
        one.approvals.some(({ state }) => state === 'open'),
      { printed, signal: options.signal },
    );
    if (ENDED.has(run.state)) break;
    if (options.stopAtParked && run.state === 'parked') {
      if (json) printJson(run);
      return EXIT.parked;
    }
    await ask(context, await openApproval(context, runId), options.yes === true);
  }
  try {
    const outcome = await runOutcome(client, runId);
    await showResult(context, outcome, json);
    return outcome.state === 'deployed' ? EXIT.ok : EXIT.failed;
  } catch (error) {
    printError(error, json);
    return EXIT.failed;
  }
}

/** The same inputs are the same run: one in progress goes on, a finished one is shown, a failed one is followed by another. */
async function attachOrStart(client: Client, prepared: PreparedRun, again: boolean): Promise<string> {
  const stable = stableRunId(prepared);
  const { name } = prepared.input.pipeline;
  const mine = (await listRuns(client, { pipeline: name, limit: 1000 })).filter(({ runId }) =>
    runId.startsWith(stable),
  );
  const going = mine.find(({ state }) => !ENDED.has(state));
  const finished = mine.find(({ state }) => state === 'deployed');
  if (going !== undefined) {
    say(`run ${style.bold(going.runId)} goes on where it was`);
    return going.runId;
  }
  if (finished !== undefined && !again) {
    say(`run ${style.bold(finished.runId)} has finished with these very inputs: nothing is computed again`);
    return finished.runId;
  }
  const runId = mine.length === 0 ? stable : newRunId(stable);
  await startRun(client, prepared, { runId });
  say(`run ${style.bold(runId)}${mine.length === 0 ? '' : ': finished steps of earlier runs are reused'}`);
  return runId;
}

async function ask(context: Context, open: OpenApproval, yes: boolean): Promise<void> {
  const { store } = await context.store();
  const path = await saveEvidence(context, open);
  const waiting = openSeats(open.seats).map(({ role }) => role);
  const busy = [
    ...open.excluded.map(({ name }) => name),
    ...open.votes.filter(({ voided }) => voided === undefined).map((vote) => vote.approver),
  ];
  const approver =
    (await context.approvers()).find(
      ({ name, roles }) => roles.some((role) => waiting.includes(role)) && !busy.includes(name),
    ) ?? DEMO_APPROVERS[0];
  if (open.evidence === undefined || approver === undefined)
    throw new Error(`approval ${open.approval} has nobody to ask`);
  say();
  say(
    style.bold(`approval: ${open.approval}`) +
      style.dim(`  (needs ${seatText(openSeats(open.seats))}; evidence ${open.evidence.digest.slice(0, 19)}…)`),
  );
  const facts = await evidenceFacts<RunFacts>(store, open.evidence.digest);
  const dossier = await evidenceDossier(store, open.evidence.digest);
  for (const { name, lines } of summarise(facts, open.approval, dossier))
    lines.forEach(({ text, verdict }, index) =>
      say(`  ${(index === 0 ? name : '').padEnd(9)}${verdict?.padEnd(5) ?? ''}${text}`),
    );
  say(`  ${style.dim('the whole evidence:')} ${path}`);
  const vote = yes
    ? { decision: 'approve' as const, comment: 'approved by npm start -- --yes' }
    : await prompt(open, approver.name);
  await castByOperator(context, open.runId, approver.name, {
    approval: open.approval,
    decision: vote.decision,
    comment: vote.comment,
    evidenceDigest: open.evidence.digest,
  });
  say(
    `${vote.decision === 'approve' ? style.green('approved') : style.red('rejected')} as ${approver.name} (${approver.roles.join(', ')})`,
  );
}

async function prompt(
  open: OpenApproval,
  approver: string,
): Promise<{ decision: 'approve' | 'reject'; comment: string }> {
  for (;;) {
    const decision = await select({
      message: `You decide '${open.approval}' as ${approver}:`,
      options: [
        { value: 'approve' as const, label: 'approve' },
        { value: 'reject' as const, label: 'reject' },
      ],
    });
    if (isCancel(decision)) {
      process.kill(process.pid, 'SIGINT');
      return new Promise(() => undefined);
    }
    const comment = await text({
      message: decision === 'reject' ? 'Why?' : 'A comment (may be empty):',
      defaultValue: '',
    });
    if (isCancel(comment)) continue;
    if (decision === 'reject' && comment.trim() === '') {
      say('a rejection needs a reason');
      continue;
    }
    if (decision === 'approve' || (await confirm({ message: 'Reject? The run ends with that.' })) === true) {
      return { decision, comment };
    }
  }
}

/** What the user came for: the report, one real answer over HTTP, and where everything is. */
async function showResult(context: Context, outcome: RunOutcome, json: boolean): Promise<void> {
  const { store } = await context.store();
  const report = await saveReport(store, context.stateDir, outcome.runId, 'report', outcome.reportHtml);
  const url = context.env['ESPALIER_SERVING_URL'];
  const model = outcome.deployment?.model;
  const sample = 'hi, I was charged twice for my last order and want the money back';
  if (url !== undefined && model !== undefined) await untilServed(url, model);
  const predictions = url === undefined || model === undefined ? [] : await predict(url, model, [sample]);
  if (json) {
    printJson({ outcome, report, predictions, servingUrl: url ?? null });
    return;
  }
  say();
  say(`${outcome.state === 'deployed' ? style.green('deployed') : style.red(outcome.state)}: ${outcome.reason}`);
  for (const { label, probability, text: asked } of predictions) {
    say(
      `  "${asked}"\n    → ${style.bold(label)} (${probability.toFixed(3)}), answered over HTTP by bundle ${outcome.deployment?.bundle.digest.slice(0, 19)}…`,
    );
  }
  say();
  say(`  report        ${report}`);
  if (url !== undefined) say(`  model server  ${url}/v2/models/${model ?? ''}`);
  const stack = readRunningStack(context.stateDir);
  say(`  Temporal UI   ${stack?.uiUrl ?? 'yours'}`);
  say(`  artifacts     ${stack?.s3Endpoint ?? 'your S3'} (bucket ${context.env['ESPALIER_BUCKET'] ?? 'espalier'})`);
  if (model !== undefined) say(`  ask it        npx espalier predict ${model} "where is my parcel?"`);
}
