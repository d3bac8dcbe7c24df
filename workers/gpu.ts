/**
 * The process that trains: one slot a device, and without one a single slot on the CPU. For everybody, or, where
 * `ESPALIER_GPU_QUEUE` names a queue, for the one training that waits there (activities/training/remote/).
 */
import { StandbyLauncher } from '../activities/training/launchers/standby.ts';
import { trainerPython } from '../infra/tools.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';
import { openDevices } from './devices.ts';
import { runWorkerProcess } from './process.ts';
import { openWorkFolder } from './work-folder.ts';

const folder = openWorkFolder();
await runWorkerProcess('gpu', async () => {
  const devices = await openDevices(process.env);
  const taskQueue = process.env['ESPALIER_GPU_QUEUE'] || TASK_QUEUES.gpu;
  const role = { queues: [{ taskQueue, slots: devices.slots }], devices };
  if (process.env['ESPALIER_STANDBY'] === '0') return role;
  const python = trainerPython(process.env);
  const launcher = new StandbyLauncher({ python, folder: folder.path, visibleDevices: devices.names[0] ?? '' });
  return { ...role, launcher };
});
folder.remove();
