/** The process that trains: one slot, so one training a device (CUDA_VISIBLE_DEVICES names it; without a GPU, the CPU). */
import { TASK_QUEUES } from '../workflows/messages.ts';
import { runWorkerProcess } from './process.ts';

await runWorkerProcess('gpu', [{ taskQueue: TASK_QUEUES.gpu, slots: 1 }]);
