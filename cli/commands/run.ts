import { newRunId, prepareRun, startRun } from '../../client/start-run.ts';
import { createContext } from '../context.ts';
import { loadChecked } from '../definition.ts';
import type { OnFailure } from '../../workflows/messages.ts';
import { showPlan } from './plan.ts';
import { announce } from './runs.ts';

interface Options {
  readonly set: readonly string[];
  readonly watch?: boolean;
  readonly id?: string;
  readonly reuse: boolean;
  readonly plan?: boolean;
  readonly prototype?: boolean;
  readonly onFailure: OnFailure;
}

/** The whole run on a small part of the data; --set prototype.trainRows=500 makes it larger. */
const PROTOTYPE = ['prototype={}', 'deploy.channel=staging'];

export async function run(json: boolean, name: string, options: Options): Promise<number> {
  const checked = await loadChecked(name, [...(options.prototype === true ? PROTOTYPE : []), ...options.set], json);
  if (typeof checked === 'number') return checked;
  const context = createContext();
  try {
    // The server first: nothing is uploaded for a run that cannot start.
    const { client } = await context.temporal();
    const { store } = await context.store();
    const approvers = await context.approvers();
    const prepared = await prepareRun(checked.pipeline, checked.folder, store, {
      startedBy: context.user,
      definitionPath: checked.path,
      approvers,
      reuse: options.reuse,
      onFailure: options.onFailure,
      notify: context.notifies,
    });
    if (options.plan === true) return await showPlan(context, prepared, json);
    const runId = options.id ?? newRunId(checked.pipeline.name);
    await startRun(client, prepared, { runId });
    return await announce(context, runId, json, options.watch === true, {
      runId,
      pipeline: checked.pipeline.name,
      inputs: prepared.digest,
    });
  } finally {
    await context.close();
  }
}
