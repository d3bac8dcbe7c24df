/** A worker to be killed: keeps a process standing by in the folder of argument 1 and prints its id once it waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import { StandbyLauncher } from '../../activities/training/launchers/standby.ts';
import { pythonForTests } from '../support/python.ts';

const launcher = new StandbyLauncher({ python: pythonForTests(), folder: process.argv[2] ?? '' });
await launcher.begin();
while (launcher.pid === undefined) await sleep(50);
process.stdout.write(`${launcher.pid}\n`);
