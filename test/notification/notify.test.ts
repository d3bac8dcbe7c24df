import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { Notifying } from '../../activities/notification/deliver.ts';
import { deliver } from '../../activities/notification/deliver.ts';
import type { NotificationEvent } from '../../activities/notification/events.ts';
import { notifyActivity } from '../../activities/notification/notify.ts';
import type { WebhookNotifier } from '../../activities/notification/notifiers.ts';
import { DeliveryLog } from '../../artifacts/delivery-log.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { cancelRun, runOutcome } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { startReceiver, type Receiver } from '../support/receiver.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { freePort, temporalForTests } from '../support/temporal.ts';
import { approveRun, fakeActivities, ref, replayRun, runInput, untilRun, withWorkers } from '../support/workflow.ts';

const SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
const webhook = (name: string, url: string): WebhookNotifier => ({
  name,
  type: 'webhook',
  url,
  secrets: [{ env: 'SECRET' }],
  perApprover: false,
  timeoutSeconds: 2,
  allowPlainHttp: false,
  allowPrivateNetwork: false,
});
const EVENT: NotificationEvent = {
  event: 'run.parked',
  runId: 'run-1',
  pipeline: 'p',
  at: '2026-01-01T00:00:00.000Z',
  step: 'train',
  reason: 'Diverged: the loss is NaN',
};

describe('what people are told', () => {
  let store: TestStore;
  let temporal: TemporalClient & { server: string };
  const receivers: Receiver[] = [];
  before(async () => {
    store = await withStore();
    const server = await temporalForTests();
    temporal = { ...(await server.connect()), server: server.address };
  });
  after(() => temporal.close());
  afterEach(() => Promise.all(receivers.splice(0).map((receiver) => receiver.stop())));
  const receive = async (...answer: Parameters<typeof startReceiver>): Promise<Receiver> => {
    const receiver = await startReceiver(...answer);
    receivers.push(receiver);
    return receiver;
  };
  const telling = (...notifiers: WebhookNotifier[]): Notifying => ({ notifiers, env: { SECRET } });
  const tell = (notifying: Notifying, event: NotificationEvent, last = false) =>
    deliver(event, { ...notifying, pointers: store.pointers, signal: new AbortController().signal, unique: 'u', last });

  it('comes once, under the same id at every try, beside a receiver that is down', async () => {
    const well = await receive();
    const flaky = await receive((response, count) => response.writeHead(count < 3 ? 503 : 200).end());
    const dead = webhook('dead', `http://127.0.0.1:${await freePort()}/`);
    const notifying = telling(webhook('well', well.url), webhook('flaky', flaky.url), dead);
    const event = { ...EVENT, runId: 'once' };
    const states: string[][] = [];
    for (const last of [false, false, false, true]) {
      states.push((await tell(notifying, event, last)).map(({ state }) => state));
    }
    assert.deepEqual(states, [
      ['delivered', 'trying', 'trying'],
      ['delivered', 'trying', 'trying'],
      ['delivered', 'delivered', 'trying'],
      ['delivered', 'delivered', 'failed'],
    ]);
    assert.equal(well.received.length, 1);
    assert.equal(new Set(flaky.received.map(({ headers }) => headers['webhook-id'])).size, 1);
    const logged = await new DeliveryLog(store.pointers).list({ runId: 'once', limit: 10 });
    assert.deepEqual(logged.map(({ notifier, tries, state }) => `${notifier} ${tries} ${state}`).sort(), [
      'dead 4 failed',
      'flaky 3 delivered',
      'well 1 delivered',
    ]);
    const text = JSON.stringify(logged);
    for (const hidden of [SECRET, well.url, 'loss is NaN']) assert.ok(!text.includes(hidden), hidden);
  });

  it('is listed the newest first, by run and up to a limit', async () => {
    const { url } = await receive();
    for (const [index, runId] of ['list-a', 'list-b', 'list-a'].entries()) {
      await tell(telling(webhook('well', url)), { ...EVENT, runId, at: `2027-01-0${index + 1}T00:00:00.000Z` });
    }
    const log = new DeliveryLog(store.pointers);
    const days = (await log.list({ limit: 2 })).map(({ at }) => at.slice(0, 10));
    assert.deepEqual(days, ['2027-01-03', '2027-01-02']);
    assert.equal((await log.list({ runId: 'list-a', limit: 10 })).length, 2);
    assert.equal((await log.list({ runId: 'list', limit: 10 })).length, 0);
  });

  /** A run on fake activities that tells real notifiers. */
  const run = async (
    notifying: Notifying,
    body: (runId: string) => Promise<void>,
    notify = true,
  ): Promise<string[]> => {
    const runId = `told-${randomUUID()}`;
    const { activities, ran } = fakeActivities();
    const real = { ...activities, notify: notifyActivity(store.pointers, notifying) };
    await withWorkers(temporal.server, real, async () => {
      const prepared = { input: runInput(notify ? { notify } : {}), inputRef: ref('input'), digest: digestJson(runId) };
      await startRun(temporal.client, prepared, { runId });
      await body(runId);
    });
    await replayRun(temporal.client, runId);
    return ran;
  };

  it('tells the end of a run, and a dead receiver holds no run up and fails none', async () => {
    const well = await receive();
    const dead = webhook('dead', `http://127.0.0.1:${await freePort()}/`);
    await run(telling(dead, webhook('well', well.url)), async (runId) => {
      await approveRun(temporal.client, runId, 'review', 'lena');
      await approveRun(temporal.client, runId, 'release', 'omar');
      assert.equal((await runOutcome(temporal.client, runId)).state, 'deployed');
      const isEnd = ({ body }: { body: string }): boolean => body.includes('run.ended');
      while (!well.received.some(isEnd)) await new Promise((resolve) => setTimeout(resolve, 50));
      const { headers, body } = well.received.find(isEnd) ?? assert.fail('no end');
      const text = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
      const told = new Webhook(SECRET).verify(body, text) as { data: { runId: string; state: string } };
      assert.deepEqual([told.data.runId, told.data.state], [runId, 'deployed']);
    });
  });

  it('tells when an approval opens and how it was decided, and on which evidence', async () => {
    const well = await receive();
    await run(telling(webhook('well', well.url)), async (runId) => {
      const told = (): { type: string; data: Record<string, unknown> }[] =>
        well.received.map(({ body }) => JSON.parse(body) as { type: string; data: Record<string, unknown> });
      const until = async (type: string, approval?: string) => {
        for (;;) {
          const found = told().find((one) => one.type === type && one.data['approval'] === approval);
          if (found !== undefined) return found.data;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const opened = await until('approval.opened', 'review');
      const { approvals } = await untilRun(temporal.client, runId, ({ state }) => state === 'waiting-for-approval');
      const [review] = approvals;
      assert.equal(opened['runId'], runId);
      assert.ok(JSON.stringify(opened).includes(review?.evidence?.digest ?? 'no evidence'), JSON.stringify(opened));
      assert.equal(opened['deadline'], review?.deadline);
      await approveRun(temporal.client, runId, 'review', 'lena');
      assert.ok(JSON.stringify(await until('approval.decided', 'review')).includes('lena'));
      await until('approval.opened', 'release');
      await approveRun(temporal.client, runId, 'release', 'omar');
      assert.equal((await runOutcome(temporal.client, runId)).state, 'deployed');
      // What is still on its way would reach the next test's receiver.
      await until('approval.decided', 'release');
      await until('run.ended');
    });
  });

  it('tells of a cancelled run, too, and nothing at all where a run has nobody to tell', async () => {
    const well = await receive();
    const notifying = telling(webhook('well', well.url));
    const cancelled = async (runId: string): Promise<void> => {
      await untilRun(temporal.client, runId, ({ state }) => state === 'waiting-for-approval');
      await cancelRun(temporal.client, runId);
      await runOutcome(temporal.client, runId).catch(() => undefined);
    };
    await run(notifying, cancelled, false);
    assert.equal(well.received.length, 0);
    await run(notifying, async (runId) => {
      await cancelled(runId);
      while (!well.received.some(({ body }) => body.includes('"cancelled"'))) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
  });
});
