/**
 * Kills trainings of every family at random moments, hundreds of times: `npm run soak -- [rounds] [seed]`. Each round
 * draws 20 moments for each of six trainings. Ends with exit code 1 and the seed that replays the first difference.
 */
import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { disturb, familyTasks } from './families.ts';

const KILLS = 20;
const rounds = Number(process.argv[2] ?? 5);
const first = Number(process.argv[3] ?? randomInt(1e9));

const tasks = await familyTasks();
let kills = 0;
for (let seed = first; seed < first + rounds; seed++) {
  for (const { label, failure, kills: done = [], whole, disturbed } of await disturb(tasks, { kills: KILLS, seed })) {
    const interrupted = done.filter(({ exit }) => exit !== 0).length;
    kills += interrupted;
    const good = failure === undefined && isDeepStrictEqual(whole, disturbed);
    process.stdout.write(`${good ? '✔' : '✘'} ${label}: ${interrupted} interruptions (seed ${seed})\n`);
    if (good) continue;
    process.stdout.write(
      `${failure ?? 'the bytes differ'}\n${JSON.stringify(done)}\nreplay: npm run soak -- 1 ${seed}\n`,
    );
    process.exit(1);
  }
}
process.stdout.write(`${kills} interruptions, every result the same bytes\n`);
