/**
 * Minutes of `espalier run --prototype` beside those of the whole run, of the pipeline that `npm start` runs: both from the command line, on the
 * embedded stack, approved as soon as they ask, and nothing of the one reused by the other. By the clock from start to end, as the steps'
 * attempts ran by their workers' clocks (the report's cost), and as CPU time of the two workers and all their processes, which a busy machine
 * stretches least (Linux only).
 *
 *   npx tsx bench/prototype-minutes.ts [pipeline]
 */
import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import type { RunFacts } from '../activities/contract/evidence.ts';
import { runOutcome } from '../client/runs.ts';
import { espalier } from '../test/support/command.ts';
import { finishRun, startTestHost } from '../test/support/host.ts';

const pipeline = process.argv[2] ?? 'support-intents';
const WITHIN_MS = 60 * 60_000;
/** USER_HZ, in which Linux counts. */
const TICKS_A_SECOND = 100;
/** Of `/proc/PID/stat` after the name: user and system time of the process, then of its ended children. */
const TIMES = [11, 15] as const;

const host = await startTestHost();

async function cpuSeconds(): Promise<number> {
  const pids = await Promise.all((['worker-pipeline', 'worker-gpu'] as const).map((name) => host.pid(name)));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8')));
  const ticks = stats.flatMap((stat) =>
    stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(...TIMES),
  );
  return ticks.reduce((sum, one) => sum + Number(one), 0) / TICKS_A_SECOND;
}

try {
  const env = { ...process.env, ESPALIER_STATE: host.stateDir, ESPALIER_USER: 'bench' };
  for (const [id, flags] of [
    ['prototype', ['--prototype']],
    ['whole', []],
  ] as const) {
    const [began, cpuBefore] = [performance.now(), await cpuSeconds()];
    const started = await espalier(['run', pipeline, '--id', id, '--no-reuse', ...flags], env);
    if (started.code !== 0) throw new Error(started.stderr);
    const { state } = await finishRun(host, id, undefined, WITHIN_MS);
    const [wall, cpu] = [(performance.now() - began) / 1000, (await cpuSeconds()) - cpuBefore];
    const { report } = await runOutcome(host.temporal.client, id);
    const { entries } = await host.store.store.tree(report);
    const { digest } = entries.find(({ path }) => path === 'facts.json')!;
    const { steps, data } = await host.store.store.getJson<RunFacts>(digest);
    const ran = steps.map((step) => ({ id: step.id, seconds: step.ranSeconds ?? 0 }));
    const total = ran.reduce((sum, { seconds }) => sum + seconds, 0);
    console.log(
      `${id}: ${state} after ${wall.toFixed(0)} s by the clock; its steps ran ${total.toFixed(0)} s, its workers took ${cpu.toFixed(0)} s of CPU; rows ${JSON.stringify(data?.rows)}; load ${loadavg()[0]?.toFixed(0)}`,
    );
    for (const { id: step, seconds } of ran.toSorted((a, b) => b.seconds - a.seconds).slice(0, 12)) {
      console.log(`  ${step} ${seconds.toFixed(1)} s`);
    }
  }
} finally {
  await host.stop();
}
process.exit(0);
