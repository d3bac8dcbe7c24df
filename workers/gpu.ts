/** The process that trains: one slot a device, and without one a single slot on the CPU. */
import { StandbyLauncher } from '../activities/training/launchers/standby.ts';
import { trainerPython } from '../infra/tools.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';
import { openDevices } from './devices.ts';
import { runWorkerProcess } from './process.ts';
import { openWorkFolder } from './work-folder.ts';

const folder = openWorkFolder();
await runWorkerProcess('gpu', async () => {
  const devices = await openDevices(process.env);
  const role = { queues: [{ taskQueue: TASK_QUEUES.gpu, slots: devices.slots }], devices };
  if (process.env['ESPALIER_STANDBY'] === '0') return role;
  const python = trainerPython(process.env);
  const launcher = new StandbyLauncher({ python, folder: folder.path, visibleDevices: devices.names[0] ?? '' });
  return { ...role, launcher };
});
folder.remove();
