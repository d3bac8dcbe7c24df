/** A real Ray cluster of one node, for tests with RAY_E2E=1. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../infra/root.ts';
import { cachePath } from '../../infra/tools.ts';
import { freePort } from './temporal.ts';

export interface RayCluster {
  readonly address: string;
  /** What `training.launcher.installation` is to be: it runs the worker from source. */
  readonly installation: string;
  stop(): Promise<void>;
}

/** `env`: what the nodes have in their environment, credentials included. */
export async function startRay(env: NodeJS.ProcessEnv): Promise<RayCluster> {
  const ray = join(cachePath(), 'ray-venv/bin/ray');
  if (!existsSync(ray)) {
    throw new Error(`no Ray at ${ray}: python3 -m venv the folder and \`pip install "ray[default]==2.60.0"\` into it`);
  }
  // Short: Ray makes sockets in it, whose paths have at most 107 characters.
  const folder = await mkdtemp(join(tmpdir(), 'ray-'));
  const [port, dashboard, agent, client] = await Promise.all(Array.from({ length: 4 }, () => freePort()));
  const settings = {
    'node-ip-address': '127.0.0.1',
    port,
    'dashboard-host': '127.0.0.1',
    'dashboard-port': dashboard,
    'dashboard-agent-listen-port': agent,
    'ray-client-server-port': client,
    // Outside of what the system gives to others.
    'min-worker-port': 20_002,
    'max-worker-port': 20_999,
    'num-cpus': 2,
    'num-gpus': 0,
    'object-store-memory': 80_000_000,
    'temp-dir': folder,
  };
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const head = spawn(ray, ['start', '--head', '--block', '--disable-usage-stats', ...args], { env, stdio: 'ignore' });
  const exited = once(head, 'exit');
  const address = `http://127.0.0.1:${dashboard}`;
  const stop = async (): Promise<void> => {
    head.kill('SIGTERM');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  for (const deadline = Date.now() + 90_000; ; await sleep(200)) {
    if (
      await fetch(`${address}/api/jobs/`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      break;
    if (Date.now() < deadline && head.exitCode === null) continue;
    await stop();
    throw new Error('the Ray cluster did not start');
  }
  return { address, installation: await installation(folder), stop };
}

/** What set-up would have installed on a node, running from source. */
async function installation(folder: string): Promise<string> {
  const home = join(folder, 'espalier');
  await mkdir(join(home, 'dist/workers'), { recursive: true });
  await writeFile(join(home, 'package.json'), '{"type": "module"}');
  const [tsx, worker] = ['node_modules/tsx/dist/esm/api/index.mjs', 'workers/gpu.ts'].map((path) =>
    join(packageRoot, path),
  );
  await writeFile(
    join(home, 'dist/workers/gpu.js'),
    `import { register } from '${tsx}';\nregister();\nawait import('${worker}');\n`,
  );
  return home;
}
