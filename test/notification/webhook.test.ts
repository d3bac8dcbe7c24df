import assert from 'node:assert/strict';
import { Webhook } from 'standardwebhooks';
import { addressProblem } from '../../activities/notification/addresses.ts';
import type { Attempt } from '../../activities/notification/message.ts';
import type { WebhookNotifier } from '../../activities/notification/notifiers.ts';
import { sendWebhook } from '../../activities/notification/webhook.ts';
import { startReceiver, type Receiver } from '../support/receiver.ts';

const secretOf = (byte: number): string => `whsec_${Buffer.alloc(32, byte).toString('base64')}`;
const ENV = { OLD: secretOf(1), NEW: secretOf(2) };
const message = { id: 'msg_1', body: JSON.stringify({ type: 'approval.opened', data: { comment: 'für „Ä“ 🙂' } }) };

describe('a webhook', () => {
  const receivers: Receiver[] = [];
  afterEach(() => Promise.all(receivers.splice(0).map((receiver) => receiver.stop())));
  const receive = async (...answer: Parameters<typeof startReceiver>): Promise<Receiver> => {
    const receiver = await startReceiver(...answer);
    receivers.push(receiver);
    return receiver;
  };
  const send = (url: string, changes: Partial<WebhookNotifier> = {}): Promise<Attempt> =>
    sendWebhook(
      {
        name: 'chat',
        type: 'webhook',
        url,
        secrets: [{ env: 'OLD' }],
        perApprover: false,
        timeoutSeconds: 5,
        allowPlainHttp: false,
        allowPrivateNetwork: false,
        ...changes,
      },
      message,
      ENV,
      new AbortController().signal,
    );

  it('is verified by the official library, by each of several secrets and by no other', async () => {
    const { url, received } = await receive();
    assert.equal((await send(url, { secrets: [{ env: 'OLD' }, { env: 'NEW' }] })).ok, true);
    const [{ headers, body } = assert.fail('nothing came')] = received;
    const text = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    for (const secret of [ENV.OLD, ENV.NEW]) {
      assert.deepEqual(new Webhook(secret).verify(body, text), JSON.parse(message.body));
    }
    assert.throws(() => new Webhook(secretOf(3)).verify(body, text), /No matching signature/);
    assert.throws(() => new Webhook(ENV.OLD).verify(`${body} `, text), /No matching signature/);
    assert.equal(headers['webhook-id'], 'msg_1');
    assert.equal(headers['content-type'], 'application/json');
  });

  it('follows no redirect, and is not sent again after one or after 410', async () => {
    const target = await receive();
    const { url } = await receive((response) => response.writeHead(307, { location: target.url }).end());
    const redirected = await send(url);
    assert.deepEqual([redirected.ok, redirected.status, 'final' in redirected && redirected.final], [false, 307, true]);
    assert.equal(target.received.length, 0);
    const gone = await send((await receive((response) => response.writeHead(410).end())).url);
    assert.equal(!gone.ok && gone.final, true);
    const broken = await send((await receive((response) => response.writeHead(500).end('a stack trace'))).url);
    assert.equal(!broken.ok && broken.final, false);
    assert.ok(!JSON.stringify(broken).includes('stack'));
  });

  it('does not wait for a silent receiver, nor read an endless answer', async () => {
    const { url } = await receive(() => undefined);
    const silent = await send(url, { timeoutSeconds: 0.3 });
    assert.match(silent.detail, /no answer within 0.3 s/);
    const flood = await receive((response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    assert.equal((await send(flood.url)).ok, true);
  });

  it('does not reach what no receiver may have, whatever it is called', async () => {
    const { url, received } = await receive();
    for (const address of ['169.254.169.254', '[fe80::1]', '[fd00:ec2::254]', '0.0.0.0', '[::ffff:169.254.169.254]']) {
      const refused = await send(`http://${address}/`, { allowPlainHttp: true, allowPrivateNetwork: true });
      assert.match(refused.detail, /no receiver may have/, address);
    }
    for (const address of ['10.1.2.3', '192.168.0.1', '172.20.0.1', '[fd12::1]', '[::ffff:10.0.0.1]']) {
      assert.match((await send(`https://${address}/`)).detail, /private network/, address);
    }
    // The same by a name: what the look-up gives is what is judged.
    const port = new URL(url).port;
    const named = await send(`http://localhost.localdomain:${port}/`, { allowPlainHttp: true });
    assert.equal(named.ok, false);
    assert.equal(received.length, 0);
    assert.match(addressProblem('127.0.0.1', 'hooks.example.org', true) ?? '', /under the name of another/);
    assert.equal(addressProblem('10.0.0.1', 'hooks.example.org', true), undefined);
    assert.equal(addressProblem('93.184.215.14', 'hooks.example.org', false), undefined);
  });

  it('says what went wrong without the address, which can be a secret', async () => {
    const { url } = await receive();
    const dead = new URL(url);
    await receivers.splice(0)[0]?.stop();
    dead.pathname = '/services/hidden-token';
    const attempt = await send(dead.href);
    assert.match(attempt.detail, /ECONNREFUSED/);
    assert.ok(!attempt.detail.includes('hidden-token'));
    assert.match((await send('unused', { url: { env: 'NOT_SET' } })).detail, /NOT_SET is not set/);
  });
});
