import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readNotifiers } from '../../activities/notification/notifiers.ts';
import { EspalierError } from '../../artifacts/errors.ts';

const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

describe('the file of notifiers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-notifiers-'));
  after(() => rmSync(folder, { recursive: true }));

  const read = (text: string | object, env: Readonly<Record<string, string>> = { HOOK_SECRET: SECRET }) => {
    const path = join(folder, 'notifiers.yaml');
    writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text));
    return readNotifiers({ ...env, ESPALIER_NOTIFIERS: path });
  };
  const refusal = (text: string | object, env?: Readonly<Record<string, string>>): string => {
    try {
      read(text, env);
    } catch (error) {
      assert.ok(error instanceof EspalierError && error.kind === 'BadConfig', String(error));
      return error.message;
    }
    throw new Error('it was taken');
  };
  const hook = (changes: object = {}): object => ({
    version: 1,
    notifiers: [
      {
        name: 'chat',
        type: 'webhook',
        url: 'https://hooks.example.org/x',
        secrets: [{ env: 'HOOK_SECRET' }],
        ...changes,
      },
    ],
  });

  it('is read as YAML or JSON, with defaults filled in; without the variable there are none', () => {
    const [webhook, command] = read(`
version: 1
notifiers:
  - { name: chat, type: webhook, url: "https://hooks.example.org/x", secrets: [{ env: HOOK_SECRET }], events: [approval.opened] }
  - { name: mail, type: command, argv: ["${process.execPath}", -e, ""] }
`);
    assert.equal(webhook?.type === 'webhook' && webhook.timeoutSeconds, 10);
    assert.equal(command?.perApprover, false);
    assert.equal(read(hook()).length, 1);
    assert.deepEqual(readNotifiers({}), []);
  });

  it('is refused with every problem listed by its place', () => {
    const message = refusal({
      version: 1,
      notifiers: [
        { name: 'Bad Name', type: 'webhook', url: 'ftp://x', secrets: [] },
        { name: 'mail', type: 'command', argv: ['sh -c "rm"'], events: ['approval.opend'], shell: true },
      ],
    });
    for (const part of ['0.name', '0.url', '0.secrets', '1.argv', '1.events', 'shell']) {
      assert.ok(message.includes(part), `${part} in ${message}`);
    }
    assert.match(
      refusal({ version: 1, notifiers: [...Array<object>(2)].map(() => (hook() as never)['notifiers'][0]) }),
      /stands twice/,
    );
  });

  it('takes secrets only by name, and quotes no value in a refusal', () => {
    assert.match(refusal(hook({ secrets: [SECRET] })), /secrets/);
    assert.match(refusal(hook(), {}), /secrets\.0: the variable HOOK_SECRET is not set/);
    const short = 'whsec_c2hvcnQ=';
    const path = join(folder, 'secret');
    writeFileSync(path, short);
    for (const message of [
      refusal(hook({ secrets: [SECRET] })),
      refusal(hook({ secrets: [{ file: path }] })),
      refusal(hook({ url: { env: 'HOOK_URL' } }), { HOOK_SECRET: SECRET, HOOK_URL: `not a url ${short}` }),
      refusal(`secret: ${SECRET}\n  bad: [`),
    ]) {
      assert.ok(!message.includes(short) && !message.includes(SECRET), message);
    }
    writeFileSync(path, `${SECRET}\n`);
    assert.equal(read(hook({ secrets: [{ file: path }] })).length, 1);
  });

  it('takes plain http only to this machine, unless it says otherwise, and no password in a URL', () => {
    assert.match(refusal(hook({ url: 'http://hooks.example.org/x' })), /plain http/);
    assert.match(refusal(hook({ url: 'http://127.0.0.1.example.org/x' })), /plain http/);
    assert.match(refusal(hook({ url: 'https://me:pass@hooks.example.org/x' })), /password/);
    for (const url of ['http://localhost:8080/x', 'http://127.0.0.1/x', 'http://[::1]:9/x']) read(hook({ url }));
    read(hook({ url: 'http://hooks.example.org/x', allowPlainHttp: true }));
  });

  it('ends in bounded time at a bomb, at a file too large and at bytes that are no text', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
      .split('')
      .map((name, index) => `${name}: &${name} [${`*${'abcdefg'[index]},`.repeat(9)}]`)
      .join('\n')}`;
    assert.match(refusal(bomb), /cannot be used/);
    assert.match(refusal(`version: 1 # ${'x'.repeat(300_000)}`), /more than/);
    assert.match(refusal('['.repeat(50_000)), /deep/);
    const path = join(folder, 'latin1.yaml');
    writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00]));
    assert.throws(() => readNotifiers({ ESPALIER_NOTIFIERS: path }), /UTF-8/);
    assert.throws(() => readNotifiers({ ESPALIER_NOTIFIERS: join(folder, 'none') }), /ENOENT/);
  });
});
