import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runDoctor } from '../../infra/doctor.ts';
import type { Delivery } from '../../artifacts/delivery-log.ts';
import { espalier, type Ended } from '../support/command.ts';
import { startReceiver, type Receiver } from '../support/receiver.ts';
import { testFolder, withStore, type TestStore } from '../support/store.ts';

describe('notifications from the command line', () => {
  let test: TestStore;
  let folder: string;
  let receiver: Receiver;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    test = await withStore();
    folder = await mkdtemp(join(tmpdir(), 'espalier-notifiers-'));
    receiver = await startReceiver();
    const file = join(folder, 'notifiers.json');
    env = { ...process.env, ...test.env, ESPALIER_STATE: testFolder(), NO_COLOR: '1', ESPALIER_NOTIFIERS: file };
  });
  after(async () => {
    await receiver.stop();
    await rm(folder, { recursive: true });
  });
  const run = (...args: string[]): Promise<Ended> => espalier(['notifications', ...args], env);

  it('tries a notifier, lists what was told and what was not, and doctor warns of the failure', async () => {
    const command = { name: 'pager', type: 'command', argv: [process.execPath, '-e', 'process.exit(3)'] };
    const webhook = { name: 'chat', type: 'webhook', url: receiver.url, secrets: [{ env: 'HOOK_SECRET' }] };
    await writeFile(join(folder, 'notifiers.json'), JSON.stringify({ version: 1, notifiers: [webhook, command] }));
    env = { ...env, HOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}` };
    const good = await run('test', 'chat');
    assert.deepEqual([good.code, /^delivered: chat/m.test(good.stderr)], [0, true], good.stderr);
    assert.equal(receiver.received.length, 1);
    assert.match(String(receiver.received[0]?.headers['webhook-signature']), /^v1,/);
    const [bad, none] = await Promise.all([run('test', 'pager'), run('test', 'nobody')]);
    assert.deepEqual([bad.code, /not delivered: pager .*3/.test(bad.stderr)], [1, true], bad.stderr);
    assert.equal(none.code, 5, none.stderr);
    const [table, json, other, wrong] = await Promise.all([
      run('list'),
      run('list', '--json'),
      run('list', 'no-such-run'),
      run('list', '--limit', '0'),
    ]);
    assert.match(table.stdout, /pager .*failed: [^\n]*3[^]*chat .*delivered/);
    const deliveries = JSON.parse(json.stdout) as Delivery[];
    assert.deepEqual(
      deliveries.map(({ notifier, state }) => [notifier, state]),
      [
        ['pager', 'failed'],
        ['chat', 'delivered'],
      ],
    );
    assert.deepEqual([other.code, other.stderr.trim(), wrong.code], [0, 'nobody was told anything', 2]);
    const [warning] = (await runDoctor(env)).filter(({ name }) => name === 'notifications');
    assert.equal(warning?.ok, 'warn');
    assert.match(warning?.detail ?? '', /^1 of the last 2 messages were not delivered, the last to 'pager'/);
    assert.match(warning?.fix ?? '', /notifications test pager/);
    for (const { stdout, stderr } of [good, bad, table, json]) assert.doesNotMatch(stdout + stderr, /whsec_/);
  });
});
