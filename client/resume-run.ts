/** Going on from a run that has ended: a new run of the same input, whose finished steps are found by key. */
import type { Client } from '@temporalio/client';
import type { ResolutionRecord } from '../activities/contract/evidence.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { settingsAfter, withSettings, type Settings } from '../pipelines/change.ts';
import type { Approver, RunState } from '../workflows/messages.ts';
import { readRunInput } from './run-input.ts';
import { shownWithDecisions } from './run-from-history.ts';
import { recordInput, type PreparedRun } from './start-run.ts';

/**
 * The input of a run that goes on where `runId` ended: its definition with the settings that operators changed on the
 * way, its data snapshots and its candidates; who starts and who may approve are today's. Hand it to `startRun`.
 * @throws EspalierError Conflict for a run that is alive, or that ended with a result
 */
export async function prepareResumption(
  client: Client,
  store: ArtifactStore,
  runId: string,
  who: { readonly startedBy: string; readonly approvers: readonly Approver[]; readonly notify?: boolean },
): Promise<PreparedRun> {
  const { input } = await readRunInput(client, runId);
  const { run, decided } = await shownWithDecisions(client, runId);
  const reason = refusal(runId, run.state);
  if (reason !== undefined) throw reason;
  const { changes = [], ...rest } = input;
  const settings = { ...settingsAfter(changes), ...changedSettings(decided) };
  // Checked when the run took them: a rule that is newer refuses them no more than the definition, and here nobody could name others.
  const pipeline = withSettings(input.pipeline, settings);
  return recordInput(store, { ...rest, ...who, pipeline, trigger: 'user', reuse: true });
}

/** Why there is nothing to resume; undefined when there is. */
function refusal(runId: string, state: RunState): EspalierError | undefined {
  if (state === 'failed' || state === 'cancelled') return undefined;
  const fixes: Readonly<Record<Exclude<RunState, 'failed' | 'cancelled'>, string>> = {
    running: `follow it with \`espalier runs watch ${runId}\`, or end it first: espalier runs cancel ${runId}`,
    'waiting-for-approval': `decide with \`espalier approvals show ${runId}\`, or end it first: espalier runs cancel ${runId}`,
    parked: `\`espalier runs show ${runId}\` names the step: espalier runs retry ${runId} STEP`,
    deployed: 'its model is deployed; `espalier run` starts a new run, which reuses its finished steps',
    rejected: 'a rejection stands; change the definition and start a new run, which reuses its finished steps',
    'gates-failed': 'change the definition and start a new run, which reuses its finished steps',
  };
  const alive = state === 'running' || state === 'waiting-for-approval' || state === 'parked';
  const message = alive ? `run ${runId} is alive (${state})` : `run ${runId} has ended with a result (${state})`;
  return new EspalierError('Conflict', `${message}: there is nothing to resume`, { where: runId, fix: fixes[state] });
}

/** What operators changed by retrying parked steps, the latest value of each path; `decided` in the order of their decisions. */
function changedSettings(decided: readonly ResolutionRecord[]): Settings {
  const retries = decided.filter(({ action }) => action === 'retry');
  return Object.assign({}, ...retries.map(({ settings }) => settings ?? {})) as Settings;
}
