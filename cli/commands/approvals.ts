import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { ApprovalRecord } from '../../activities/contract/evidence.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { isDigest } from '../../artifacts/reference.ts';
import { listApprovals, type OpenApproval } from '../../client/approvals.ts';
import { castSignedVote, type Ballot } from '../../client/votes.ts';
import { filledText } from '../../artifacts/votes.ts';
import { delegationFor } from '../../client/delegations.ts';
import type { Decision } from '../../workflows/messages.ts';
import { voteLine } from '../votes.ts';
import { showRun } from '../../client/runs.ts';
import type { Context } from '../context.ts';
import { EXIT, printJson, printTable, say, style } from '../output.ts';
import { saveReport } from '../reports.ts';
import { withContext } from './runs.ts';

export async function list(json: boolean, options: { readonly limit: string }): Promise<number> {
  const limit = Number(options.limit);
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new EspalierError('BadConfig', `--limit '${options.limit}' is not a number from 1`, {});
  }
  return withContext(async (context) => {
    const { client } = await context.temporal();
    const { approvals: open, total } = await listApprovals(client, limit);
    if (json) printJson(open);
    else if (open.length === 0) say('nothing waits for a decision');
    else {
      printTable(
        ['RUN', 'APPROVAL', 'NEEDS', 'OPEN SINCE (UTC)', 'DEADLINE (UTC)', 'STARTED BY'],
        open.map((one) => [
          one.runId,
          one.approval,
          filledText(one.seats),
          stamp(one.openedAt),
          stamp(one.deadline),
          one.startedBy,
        ]),
      );
      if (total > open.length) say(style.dim(`and ${total - open.length} of older runs: --limit ${total} shows them`));
    }
    return EXIT.ok;
  });
}

export async function show(json: boolean, runId: string): Promise<number> {
  return withContext(async (context) => {
    const open = await openApproval(context, runId);
    const evidencePath = await saveEvidence(context, open);
    if (json) printJson({ ...open, evidencePath });
    else {
      process.stdout.write(`${style.bold(open.approval)} of ${runId}\n`);
      process.stdout.write(`  seats     ${filledText(open.seats)}\n`);
      for (const vote of open.votes) process.stdout.write(`            ${voteLine(vote)}\n`);
      const left = open.excluded.map((one) => `${one.name} (${one.because})`);
      process.stdout.write(`  left out  ${left.join(', ') || 'nobody'}\n`);
      if (open.escalateTo.length > 0) {
        process.stdout.write(`  escalates ${stamp(open.escalatesAt)} UTC to ${open.escalateTo.join(' or ')}\n`);
      }
      process.stdout.write(`  deadline  ${stamp(open.deadline)} UTC; then it counts as rejected\n`);
      process.stdout.write(`  evidence  ${open.evidence?.digest ?? ''}\n  look at   ${evidencePath}\n`);
      say(style.dim(`decide: espalier approvals approve|reject|request-changes ${runId} --as NAME -m "why"`));
    }
    return EXIT.ok;
  });
}

interface Vote {
  readonly as?: string;
  readonly onBehalfOf?: string;
  readonly breakGlass?: boolean;
  readonly comment: string;
  readonly evidence?: string;
}
export const approve = (json: boolean, runId: string, vote: Vote): Promise<number> =>
  cast(json, runId, vote, 'approve');
export const reject = (json: boolean, runId: string, vote: Vote): Promise<number> => cast(json, runId, vote, 'reject');
export const requestChanges = (json: boolean, runId: string, vote: Vote): Promise<number> =>
  cast(json, runId, vote, 'request-changes');

async function cast(json: boolean, runId: string, vote: Vote, decision: Decision['decision']): Promise<number> {
  return withContext(async (context) => {
    const open = await openApproval(context, runId);
    const evidenceDigest = vote.evidence ?? (await seenEvidence(context, open));
    if (!isDigest(evidenceDigest)) {
      throw new EspalierError('BadConfig', `--evidence '${evidenceDigest}' is not a digest`, {
        fix: 'copy it from `espalier approvals show`',
      });
    }
    const approver = vote.as ?? context.user;
    const { pointers } = await context.store();
    const { onBehalfOf } = vote;
    const delegation =
      onBehalfOf === undefined
        ? undefined
        : await delegationFor(pointers, open.seats, { from: onBehalfOf, to: approver });
    const record = await castByOperator(context, runId, approver, {
      approval: open.approval,
      decision,
      comment: vote.comment,
      evidenceDigest,
      ...(delegation === undefined ? {} : { delegation }),
      ...(vote.breakGlass === true ? { breakGlass: true } : {}),
    });
    if (json) printJson(record);
    else {
      say(`${open.approval} of ${runId}: ${voteLine(record)}`);
      if (decision === 'request-changes') {
        say(`the run waits: espalier runs retry ${runId} approve-${open.approval} gathers new evidence and asks again`);
      }
    }
    return EXIT.ok;
  });
}

/** A vote by command: whoever may reach Temporal and has the key says whose it is. */
export async function castByOperator(
  context: Context,
  runId: string,
  approver: string,
  ballot: Ballot,
): Promise<ApprovalRecord> {
  const [{ client }, { store, audit }, signer] = await Promise.all([
    context.temporal(),
    context.store(),
    context.voteSigner(),
  ]);
  const authentication = { method: 'operator', login: userInfo().username } as const;
  return castSignedVote({ client, store, audit, signer }, runId, ballot, { user: approver, authentication });
}

/** The approval a person would decide on now; with none open, the last one (the run says why it is closed). */
export async function openApproval(context: Context, runId: string): Promise<OpenApproval> {
  const { client } = await context.temporal();
  const { approvals, pipeline, startedBy } = await showRun(client, runId);
  const found =
    approvals.find(({ state }) => state === 'open') ?? approvals.findLast(({ evidence }) => evidence !== undefined);
  if (found === undefined) {
    throw new EspalierError('Conflict', `nothing waits for a decision in ${runId}: its evidence does not exist yet`, {
      fix: `\`espalier runs watch ${runId}\` shows how far it is`,
    });
  }
  return { ...found, runId, pipeline, startedBy };
}

/** Saves the evidence for a browser and remembers that this digest was shown: a vote without --evidence is on it. */
export async function saveEvidence(context: Context, open: OpenApproval): Promise<string> {
  if (open.evidence === undefined)
    throw new EspalierError('Conflict', `approval '${open.approval}' has no evidence yet`);
  const { store } = await context.store();
  const html = (await store.tree(open.evidence)).entries.find(({ path }) => path === 'report.html');
  if (html === undefined) throw new EspalierError('Corrupt', 'the evidence pack holds no report.html');
  const path = await saveReport(store, context.stateDir, open.runId, open.approval, {
    ...html,
    name: 'report.html',
    mediaType: 'text/html',
  });
  await mkdir(join(context.stateDir, 'seen'), { recursive: true });
  await writeFile(seenFile(context, open), open.evidence.digest);
  return path;
}

async function seenEvidence(context: Context, open: OpenApproval): Promise<string> {
  const seen = await readFile(seenFile(context, open), 'utf8').catch(() => undefined);
  if (seen !== undefined) return seen.trim();
  throw new EspalierError('BadConfig', `nobody looked at the evidence of '${open.approval}' here yet`, {
    fix: `look first: espalier approvals show ${open.runId}, or name the digest with --evidence`,
  });
}

function seenFile(context: Context, open: OpenApproval): string {
  return join(context.stateDir, 'seen', `${open.runId}.${open.approval}`);
}

function stamp(iso: string | undefined): string {
  return (iso ?? '').slice(0, 16).replace('T', ' ');
}
