import { newRunId, prepareRun, startRun } from '../../client/start-run.ts';
import { createContext } from '../context.ts';
import { loadChecked } from '../definition.ts';
import { EXIT, printJson, say, style } from '../output.ts';
import { followRun } from './runs.ts';

interface Options {
  readonly set: readonly string[];
  readonly watch?: boolean;
  readonly id?: string;
  readonly reuse: boolean;
}

export async function run(json: boolean, name: string, options: Options): Promise<number> {
  const checked = await loadChecked(name, options.set, json);
  if (typeof checked === 'number') return checked;
  const context = createContext();
  try {
    // The server first: nothing is uploaded for a run that cannot start.
    const { client } = await context.temporal();
    const { store } = await context.store();
    const approvers = await context.approvers();
    const prepared = await prepareRun(checked.pipeline, checked.folder, store, {
      startedBy: context.user,
      approvers,
      reuse: options.reuse,
    });
    const runId = options.id ?? newRunId(checked.pipeline.name);
    await startRun(client, prepared, { runId });
    if (options.watch === true) {
      say(`run ${style.bold(runId)}`);
      return await followRun(context, runId, json, { stopAtApproval: true });
    }
    if (json) printJson({ runId, pipeline: checked.pipeline.name, inputs: prepared.digest });
    else process.stdout.write(`${runId}\n`);
    say(style.dim(`follow it with: espalier runs watch ${runId}`));
    return EXIT.ok;
  } finally {
    await context.close();
  }
}
