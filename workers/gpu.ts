/** The process that trains: one slot a device, and without one a single slot on the CPU. */
import { TASK_QUEUES } from '../workflows/messages.ts';
import { openDevices } from './devices.ts';
import { runWorkerProcess } from './process.ts';

await runWorkerProcess('gpu', async () => {
  const devices = await openDevices(process.env);
  return { queues: [{ taskQueue: TASK_QUEUES.gpu, slots: devices.slots }], devices };
});
