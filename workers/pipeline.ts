/** The process that orchestrates: workflows, light steps, CPU-bound steps and deployments. */
import { TASK_QUEUES } from '../workflows/messages.ts';
import { runWorkerProcess } from './process.ts';

await runWorkerProcess('pipeline', () =>
  Promise.resolve({
    queues: [
      { taskQueue: TASK_QUEUES.orchestration, slots: 16, workflows: true },
      // One at a time: a latency measured beside another step's arithmetic is that step's latency too.
      { taskQueue: TASK_QUEUES.cpu, slots: 1 },
      { taskQueue: TASK_QUEUES.deploy, slots: 4 },
    ],
  }),
);
