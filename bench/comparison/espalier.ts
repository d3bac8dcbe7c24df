/** The same training as a step of Espalier: an embedded stack, workers that it starts again, the trainer. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { StepResult } from '../../activities/contract.ts';
import type { TrainedModel, TrainModelInput } from '../../activities/contract/training.ts';
import { openStore } from '../../artifacts/open.ts';
import { connectTemporal } from '../../client/connection.ts';
import { startStack } from '../../infra/embedded/stack.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });
const workflowBundle = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('../recovery/workflows.ts', import.meta.url)),
  logger: new DefaultLogger('ERROR'),
});

export interface EspalierRun {
  /** When the step was done and recorded, and the sha256 of its weights. */
  readonly finished: Promise<{ at: number; digest: string }>;
  stop(): Promise<void>;
}

/** With one worker or two; `ready` is called when all that survives the kill is up, and before anything that does not. */
export async function startEspalier(
  folder: string,
  log: string,
  paths: { readonly model: string; readonly data: string },
  input: Omit<TrainModelInput, 'weights' | 'dataset'>,
  count: number,
  ready: () => Promise<void>,
): Promise<EspalierRun> {
  const stack = await startStack({
    stateDir: join(folder, 'state'),
    searchAttributes: { EspalierPipeline: 'Keyword', EspalierState: 'Keyword' },
  });
  const env = { ...process.env, ...stack.env };
  const temporal = await connectTemporal(env);
  const { store, close } = await openStore(env);
  const weights = await store.putTree(paths.model, 'model');
  const dataset = await store.putTree(paths.data, 'data');
  const connection = await NativeConnection.connect({ address: temporal.address });
  const orchestrator = await Worker.create({ connection, taskQueue: 'bench', workflowBundle });
  const orchestrating = orchestrator.run();
  await ready();
  const workers = await Promise.all(
    ['one', 'two'].slice(0, count).map((name) =>
      stack.start({
        name: `worker-gpu-${name}`,
        command: process.execPath,
        args: ['--import', 'tsx', fileURLToPath(new URL('../recovery/worker.ts', import.meta.url)), log],
        // A process that stands by helps where its worker survives the kill.
        env: { ESPALIER_STANDBY: count > 1 ? '1' : '0', ESPALIER_GPU_DEVICES: 'none' },
        restart: true,
        graceMs: 30_000,
        ready: (output) => output().includes('"message":"ready"'),
      }),
    ),
  );
  const handle = await temporal.client.workflow.start('trainOnly', {
    workflowId: 'comparison',
    taskQueue: 'bench',
    args: ['comparison', { ...input, weights, dataset }],
  });
  const trained = handle.result() as Promise<StepResult<TrainedModel>>;
  const finished = trained.then(async ({ output }) => {
    const at = Date.now();
    const { entries } = await store.tree(output.model);
    return { at, digest: entries.find(({ path }) => path === 'model.safetensors')?.digest ?? '' };
  });
  finished.catch(() => {}); // whoever waits for it hears it then
  return {
    finished,
    async stop() {
      await Promise.all(workers.map((worker) => worker.stop()));
      orchestrator.shutdown();
      await orchestrating;
      await connection.close();
      await temporal.close();
      close();
      await stack.stop();
    },
  };
}
