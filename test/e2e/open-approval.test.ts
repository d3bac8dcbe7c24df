/** One real run up to its review: what nobody may find anywhere, and that it waits through anything. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporal } from '@temporalio/proto';
import { digestBytes } from '../../artifacts/digest.ts';
import { hexOf } from '../../artifacts/reference.ts';
import { listApprovals } from '../../client/approvals.ts';
import { decisionUrl } from '../../client/decision-links.ts';
import { cancelRun } from '../../client/runs.ts';
import { readLinkKey } from '../../infra/embedded/link-key.ts';
import type { TextClassificationDefinition } from '../../pipelines/definition.ts';
import type { RunView } from '../../workflows/messages.ts';
import {
  smallCsv,
  smallPipeline,
  startSmallRun,
  startTestHost,
  stopTestHosts,
  type TestHost,
} from '../support/host.ts';
import { PLANTED, plantedIn } from '../support/personal-data.ts';
import { freePort } from '../support/temporal.ts';
import { untilRun } from '../support/workflow.ts';

/** Four digits stand in some digest by chance; whole values do not. */
const SHORTEST = 8;
const CHILDREN = ['temporal', 's3', 'worker-pipeline', 'worker-gpu', 'model-server'] as const;

describe('a run that waits for its review', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  let url: string;
  let console: ChildProcess;
  let said = '';
  before(async () => {
    host = await startTestHost();
    url = `http://127.0.0.1:${await freePort()}`;
    await startConsole();
    for (const [runId, onPersonalData] of [
      ['planted', 'redact'],
      ['refused', 'fail'],
    ] as const) {
      const definition = await smallPipeline();
      const data: TextClassificationDefinition['data'] = { ...definition.data, onPersonalData };
      await startSmallRun(host, runId, { ...definition, data }, { csv });
    }
  });
  after(async () => {
    console?.kill('SIGKILL');
    await Promise.allSettled(['planted', 'refused'].map(async (runId) => cancelRun(host.temporal.client, runId)));
    await stopTestHosts();
  });

  const planted = PLANTED.map(([, value], row) => `"about ${value} please, my invoice ${row} was late",billing`).join(
    '\n',
  );
  const csv = `${smallCsv()}${planted}\n`;
  const until = (runId: string, condition: (run: RunView) => boolean) =>
    untilRun(host.temporal.client, runId, condition);

  /** Rows of a dataset, as they lie in the store. */
  function isSplit(bytes: Buffer): boolean {
    return /^\{"id":"[0-9a-f]{16}","text":"/.test(bytes.subarray(0, 100).toString('utf8'));
  }

  async function startConsole(): Promise<void> {
    const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
    console = spawn(process.execPath, ['--import', 'tsx', main, 'console', '--json', '--port', new URL(url).port], {
      env: { ...process.env, ESPALIER_STATE: host.stateDir, ESPALIER_CONSOLE_URL: url, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    console.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await once(console.stdout ?? assert.fail('no output'), 'data');
  }

  it('has no value of the data in a history, a log or the store, but for the file itself', async () => {
    await until('planted', ({ approvals }) => approvals[0]?.state === 'open');
    const refused = await until('refused', ({ state }) => state === 'parked');
    const parked = refused.steps.find(({ state }) => state === 'parked');
    assert.match(parked?.error?.message ?? '', /personal data|email/i, JSON.stringify(parked));

    const found: string[] = [];
    const look = (where: string, bytes: Uint8Array): void => {
      const text = Buffer.from(bytes).toString('utf8');
      found.push(...plantedIn(text, SHORTEST).map((value) => `${where}: ${value}`));
    };
    for (const runId of ['planted', 'refused']) {
      const history = await host.temporal.client.workflow.getHandle(runId).fetchHistory();
      assert.ok((history.events?.length ?? 0) > 20);
      look(`the history of ${runId}`, temporal.api.history.v1.History.encode(history).finish());
    }
    const source = hexOf(digestBytes(Buffer.from(csv)));
    const whole = PLANTED.flatMap(([, ...values]) => values).filter(({ length }) => length >= SHORTEST).length;
    const { objects } = host.store;
    const data = { file: 0, redacted: 0, asTheyAre: 0 };
    for (const key of await objects.list('')) {
      const bytes = (await objects.getBytes(key))?.bytes ?? Buffer.alloc(0);
      if (key.endsWith(source)) {
        assert.equal(plantedIn(bytes.toString('utf8'), SHORTEST).length, whole, 'what is looked for would be found');
        data.file += 1;
      } else if (isSplit(bytes)) {
        // The data themselves: refused for what they hold, or without it.
        data[plantedIn(bytes.toString('utf8'), SHORTEST).length === 0 ? 'redacted' : 'asTheyAre'] += 1;
      } else look(key, bytes);
    }
    assert.ok(data.file === 1 && data.redacted >= 3 && data.asTheyAre <= 3, JSON.stringify(data));
    // Everything else on the machine: what the processes wrote, the server's own database, what they keep.
    const kept = await readdir(host.stateDir, { recursive: true, withFileTypes: true });
    let looked = 0;
    for (const entry of kept.filter((one) => one.isFile())) {
      const path = join(entry.parentPath, entry.name);
      if (relative(host.stateDir, path).startsWith('s3/')) continue;
      look(path, await readFile(path));
      looked += 1;
    }
    assert.ok(looked > 5, `${looked} files: ${kept.map(({ name }) => name).join(', ')}`);
    look('the console', Buffer.from(said));
    assert.deepEqual(found, []);
  });

  it('outlives the end of everything at once: it is decided afterwards, and the run goes on', async () => {
    const run = await until('planted', ({ approvals }) => approvals[0]?.state === 'open');
    const evidence = run.approvals[0]?.evidence?.digest ?? assert.fail('no evidence');
    const expires = Math.floor(Date.now() / 1000) + 600;
    const link = { runId: 'planted', approval: 'review', approver: 'lena-legal', evidence, expires } as const;
    const page = decisionUrl(url, link, readLinkKey(host.stateDir));
    const pids = await Promise.all(CHILDREN.map((name) => host.pid(name)));
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    console.kill('SIGKILL');
    await once(console, 'exit');
    await startConsole();
    // Each comes back at its address; the worker last.
    const opened = async (): Promise<string> => {
      for (;;) {
        const answer = await fetch(page).catch(() => undefined);
        if (answer?.status === 200) return answer.text();
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    };
    assert.match(await opened(), /as <strong>lena-legal<\/strong>/);
    const after = await Promise.all(CHILDREN.map((name) => host.pid(name)));
    assert.ok(
      after.every((pid) => !pids.includes(pid)),
      'every process is another one',
    );
    const { approvals } = await listApprovals(host.temporal.client);
    assert.ok(approvals.some(({ runId }) => runId === 'planted'));
    const body = new URLSearchParams({ decision: 'approve', comment: 'after the end of everything' });
    const voted = await fetch(page, { method: 'POST', body, redirect: 'manual' });
    assert.equal(voted.status, 303, await voted.text());
    const going = await until('planted', ({ steps }) =>
      steps.some(({ id, state }) => id === 'train' && state === 'running'),
    );
    assert.equal(going.approvals[0]?.record?.comment, 'after the end of everything');
    const again = run.steps
      .filter(({ state }) => state === 'done')
      .filter(({ id, finishedAt }) => going.steps.find((one) => one.id === id)?.finishedAt !== finishedAt);
    assert.deepEqual(again, [], 'nothing finished is done again');
  });
});
