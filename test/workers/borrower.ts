/**
 * A process that borrows devices, for devices.test.ts. `many N`: N trainings at once want a device each; every one marks
 * its device with a file that nobody else may have made. `hold`: takes one, says so and keeps it until it is killed;
 * `orphan`: the same, with another process that computes on it.
 */
import { spawn } from 'node:child_process';
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDevices } from '../../workers/devices.ts';

const [verb, argument = '1'] = process.argv.slice(2);
const folder = process.env['MARKS'] ?? '';
const devices = await openDevices(process.env);

if (verb === 'many') {
  const borrowed = new Map<string, number>();
  await Promise.all(
    Array.from({ length: Number(argument) }, async () => {
      const lease = await devices.acquire({ signal: new AbortController().signal });
      const mark = join(folder, lease.visible);
      writeFileSync(mark, '', { flag: 'wx' });
      await sleep(5);
      unlinkSync(mark);
      lease.release();
      borrowed.set(lease.visible, (borrowed.get(lease.visible) ?? 0) + 1);
    }),
  );
  process.stdout.write(JSON.stringify(Object.fromEntries(borrowed)));
} else {
  const lease = await devices.acquire({ signal: new AbortController().signal });
  let child: number | undefined;
  if (verb === 'orphan') {
    child = spawn('sleep', ['60'], { stdio: 'ignore', detached: true }).pid;
    lease.usedBy(child ?? 0);
  }
  process.stdout.write(JSON.stringify({ visible: lease.visible, child }));
  setInterval(() => {}, 1000);
}
