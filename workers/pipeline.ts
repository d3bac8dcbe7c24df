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
      // One a training on a cluster, for as long as it takes: beside light steps they would take all the slots.
      { taskQueue: TASK_QUEUES.provision, slots: 256 },
    ],
  }),
);
