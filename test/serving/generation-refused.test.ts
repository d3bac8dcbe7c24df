import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict';
import type { ActivityServices } from '../../activities/step.ts';
import type { ServedGenerator } from '../../serving/served-model.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { startTestServer, until, type TestServer } from '../support/model-server.ts';
import { deploy } from '../support/release.ts';
import { events, generatorRelease } from '../support/served-generator.ts';
import type { TestStore } from '../support/store.ts';
import { tinyGenerator } from '../support/tiny-generator.ts';

const CHAT = '/v1/chat/completions';
const GENERATE = `/v2/models/${MODEL}/generate`;
const USER = { role: 'user', content: 'please refund the money' };
const LONG = 'the parcel is late '.repeat(99);
const REFUND = { type: 'object', properties: { refund: { type: 'boolean' } }, required: ['refund'] };

describe('a generation that does not come to its end', function () {
  this.timeout(180_000);
  let services: TestStore & ActivityServices;
  let server: TestServer;
  const served = () => server.follower.states.get(MODEL)?.served as ServedGenerator;
  const stream = (path: string, body: object) =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const chat = (more: object = {}) => ({ model: MODEL, messages: [USER], max_tokens: 12, ...more });
  /** How many generations ended so. */
  const ended = async (finish: string): Promise<number> => {
    const { values } = await server.metrics.generations.get();
    return values.find(({ labels }) => labels.finish === finish)?.value ?? 0;
  };

  before(async () => {
    services = await withServices();
    await deploy(services, await generatorRelease(services, await tinyGenerator(), null));
  });
  beforeEach(async () => {
    server = await startTestServer(services, { maxTokens: 60, drainDeadlineMs: 1 });
    await until('it is served', () => served() !== undefined);
  });
  afterEach(() => server.drain());
  after(() => services.close());

  it('says what was wrong by the field that the protocol has for it', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'answer', schema: REFUND } };
    for (const [more, expected] of [
      [
        { messages: [{ ...USER, content: LONG }] },
        /^messages: the prompt has \d+ tokens, .*: send fewer than 64 tokens$/,
      ],
      [{ messages: [USER, { role: 'assistant', content: 'yes' }] }, /^messages: the last message must be the user’s$/],
      [
        { response_format: format, max_tokens: 3 },
        /^max_tokens: an answer .* may need 15 tokens.*: allow at least 15$/,
      ],
      [
        { response_format: format, max_completion_tokens: 3 },
        /^max_completion_tokens: an answer .* may need 15 tokens/,
      ],
    ] as const) {
      const { status, json } = await server.post(CHAT, chat(more));
      equal(status, 400);
      match(json.error.message, expected);
    }
    const late = { history: [USER, { role: 'system', content: 'Be brief.' }] };
    for (const [text, parameters, expected] of [
      [LONG, {}, /^text_input: the prompt has \d+ tokens, .*: send fewer than 64 tokens$/],
      [LONG, { raw: true }, /^text_input: the prompt has \d+ tokens/],
      [
        'a',
        { history: [{ ...USER, content: LONG }] },
        /^parameters\.history and text_input: the prompt has \d+ tokens/,
      ],
      ['a', late, /^parameters\.history: message 1 is a system message: it must be the first$/],
      ['a', { json_schema: REFUND, max_tokens: 3 }, /^parameters\.max_tokens: an answer .* may need 15 tokens/],
      [
        'a',
        { json_schema: { enum: ['yes'] }, banned_phrases: ['"'] },
        /^parameters\.banned_phrases: every token that could follow is banned: leave out a phrase/,
      ],
    ] as const) {
      const { status, json } = await server.post(GENERATE, { text_input: text, parameters });
      equal(status, 400);
      match(json.error, expected);
    }
    deepEqual([await ended('refused'), await ended('failed')], [10, 0]);
    doesNotMatch(server.lines.join('\n'), /-failed/);
  });

  it('is told at its break with the way out, and is no refusal once it has begun', async () => {
    const body = { text_input: 'a', parameters: { json_schema: { enum: ['yes'] }, banned_phrases: ['s'] } };
    const all = await events(await stream(`${GENERATE}_stream`, body));
    const { error } = all.at(-1);
    equal(
      all
        .slice(0, -1)
        .map(({ text_output: text }) => text)
        .join(''),
      '"ye',
    );
    match(error, /^parameters\.banned_phrases: every token that could follow is banned: leave out a phrase/);
    deepEqual([await ended('refused'), await ended('failed')], [0, 1]);
    match(server.lines.join('\n'), /"stream-failed",[^\n]*"model":"tiny-parity",[^\n]*parameters\.banned_phrases/);
    const whole = await server.post(GENERATE, body);
    deepEqual([whole.status, whole.json.error], [400, error]);
    deepEqual([await ended('refused'), await ended('failed')], [0, 2]);
  });

  it('stands in the log where it broke off whole, by its request, model and field, and without a word of the prompt', async () => {
    const parameters = { json_schema: { enum: ['yes'] }, banned_phrases: ['s'] };
    const { status, headers } = await server.post(GENERATE, { text_input: 'Zanzibar', parameters });
    equal(status, 400);
    const failures = server.lines.filter((line) => line.includes('-failed"'));
    equal(failures.length, 1, 'as many as are counted');
    const { event, level, requestId, model, reason } = JSON.parse(failures[0] as string);
    deepEqual([event, level, model], ['request-failed', 'error', MODEL]);
    equal(requestId, headers.get('x-request-id'));
    match(reason, /^parameters\.banned_phrases: every token that could follow is banned/);
    doesNotMatch(server.lines.join('\n'), /Zanzibar/);
  });

  it('is refused as OpenAI does where options of a stream are given without one, and names the field by itself', async () => {
    for (const more of [{}, { stream: false }, { stream: null }]) {
      for (const options of [{}, { include_usage: true }]) {
        const { status, json } = await server.post(CHAT, chat({ ...more, stream_options: options }));
        deepEqual([status, json.error.type, json.error.param], [400, 'invalid_request_error', 'stream_options']);
        match(json.error.message, /^stream_options: is for streams alone/);
      }
      equal((await server.post(CHAT, chat({ ...more, stream_options: null, max_tokens: 2 }))).status, 200);
    }
    for (const [more, field] of [
      [{ n: 2 }, 'n'],
      [{ tools: [] }, 'tools'],
      [{ messages: [{ role: 'wizard', content: 'a' }] }, 'messages.0.role'],
      [{ messages: [{ ...USER, content: LONG }] }, 'messages'],
      [{ max_completion_tokens: 61 }, 'max_completion_tokens'],
      [{ model: 'nobody' }, null],
    ] as const) {
      const { json } = await server.post(CHAT, chat(more));
      equal(json.error.param, field, json.error.message);
    }
  });

  it('is counted by its model whatever its status, and a model that there is not makes no label', async () => {
    equal((await server.post(CHAT, chat({ n: 2 }))).status, 400);
    equal((await server.post(CHAT, chat({ max_tokens: 61 }))).status, 400);
    equal((await server.post(CHAT, chat({ model: 'nobody', n: 2 }))).status, 400);
    equal((await server.post(CHAT, chat({ model: 'nobody' }))).status, 404);
    equal((await server.post(CHAT, '{')).status, 400);
    const asked = Promise.all(Array.from({ length: 20 }, () => server.post(CHAT, chat({ max_tokens: 60 }))));
    await until('they wait', () => served().pool.queued > 0, { everyMs: 1 });
    await served().pool.crashWorker();
    const lost = (await asked).filter(({ status }) => status === 500).length;
    ok(lost > 0);
    const { values } = await server.metrics.requests.get();
    const counted = values.flatMap(({ labels: { route, model, status }, value }) =>
      route === 'chat-completions' && status !== 200 ? [[model, status, value]] : [],
    );
    deepEqual(counted, [
      [MODEL, 400, 2],
      ['', 400, 2],
      ['', 404, 1],
      [MODEL, 500, lost],
    ]);
    match(server.lines.join('\n'), /"request-failed",[^\n]*"model":"tiny-parity"/);
    doesNotMatch(server.lines.join('\n'), /nobody/);
  });

  it('is a failure where the server itself cuts it off in a drain, and says so in the log', async () => {
    const asked = Array.from({ length: 40 }, async (_, place) =>
      (await stream(CHAT, chat({ stream: place % 2 === 0, max_tokens: 60 }))).text(),
    );
    const answered = Promise.allSettled(asked);
    await until('they wait', () => served().pool.queued > 0, { everyMs: 1 });
    await server.drain();
    await answered;
    const { values } = await server.metrics.requests.get();
    const statuses = new Set(values.map(({ labels }) => labels.status));
    deepEqual([statuses.has(500), statuses.has(499)], [true, false]);
    equal(await ended('cancelled'), 0);
    const failures = server.lines.filter((line) => line.includes('-failed"'));
    equal(failures.length, await ended('failed'));
    for (const line of failures) match(line, /"model":"tiny-parity",.*cut off: the server was told to end/);
  });
});
