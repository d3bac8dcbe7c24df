/** workers/gpu.ts, which also writes down when its training processes say what: JSON lines in the file of argument 1. */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import type { TrainerJob } from '../../activities/training/job.ts';
import type { LaunchOptions, TrainerProcess } from '../../activities/training/launchers/launcher.ts';
import { StandbyLauncher } from '../../activities/training/launchers/standby.ts';
import { trainerPython } from '../../infra/tools.ts';
import { openDevices } from '../../workers/devices.ts';
import { runWorkerProcess } from '../../workers/process.ts';
import { openWorkFolder } from '../../workers/work-folder.ts';
import { TASK_QUEUES } from '../../workflows/messages.ts';

/** In a worker's life the pause is 30 s, which most trainings outlive; here it is what a bench has the patience for. */
const PAUSE_MS = 1000;
const folder = openWorkFolder();

function note(type: string, fields: object = {}): void {
  appendFileSync(
    process.argv[2] ?? '',
    `${JSON.stringify({ at: Date.now(), worker: process.pid, type, ...fields })}\n`,
  );
}

class RecordingLauncher extends StandbyLauncher {
  override async start(job: TrainerJob, options: LaunchOptions): Promise<TrainerProcess> {
    note('launch', { standby: this.pid !== undefined });
    const child = await super.start(job, options);
    const [forUs, events] = [new PassThrough(), new PassThrough()];
    child.events.pipe(forUs);
    child.events.pipe(events);
    createInterface({ input: forUs }).on('line', (line) => {
      const { type, step, pid } = JSON.parse(line) as { type: string; step?: number; pid?: number };
      if (['starting', 'ready', 'step', 'checkpoint'].includes(type)) note(type, { step, pid });
    });
    return { ...child, events };
  }

  override async begin(): Promise<void> {
    if (process.env['ESPALIER_STANDBY'] === '0') return;
    await super.begin();
    let known: number | undefined;
    setInterval(() => {
      if (this.pid !== undefined && this.pid !== known) note('standby', { pid: this.pid });
      known = this.pid;
    }, 50).unref();
  }
}

await runWorkerProcess('gpu', async () => {
  const devices = await openDevices(process.env);
  const launcher = new RecordingLauncher({
    python: trainerPython(process.env),
    folder: folder.path,
    visibleDevices: devices.names[0] ?? '',
    pauseMs: PAUSE_MS,
  });
  return { queues: [{ taskQueue: TASK_QUEUES.gpu, slots: devices.slots }], devices, launcher };
});
folder.remove();
