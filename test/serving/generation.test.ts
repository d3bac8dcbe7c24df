import { deepEqual, doesNotMatch, equal, match, notEqual, ok, rejects } from 'node:assert/strict';
import { join } from 'node:path';
import type { PromptRow } from '../../activities/data/prompts.ts';
import { answerAll, conversationOf, seedOf } from '../../activities/generation/answers.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { GenerationRecord } from '../../artifacts/bundle.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import { Generator } from '../../inference/generation/generator.ts';
import { GenerationDefaultsSchema } from '../../pipelines/definition/generation.ts';
import type { ServedGenerator } from '../../serving/served-model.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { startTestServer, until, type TestServer } from '../support/model-server.ts';
import { deploy } from '../support/release.ts';
import { events, generatorRelease, occupied } from '../support/served-generator.ts';
import type { TestStore } from '../support/store.ts';
import { exportedOnce, tinyGenerator } from '../support/tiny-generator.ts';

const CHAT = '/v1/chat/completions';
const USER = { role: 'user', content: 'please refund the money' };

describe('a served generator', function () {
  this.timeout(180_000);
  let services: TestStore & ActivityServices;
  let server: TestServer;
  const served = () => server.follower.states.get(MODEL)?.served as ServedGenerator;
  const chat = (more: object = {}) => ({ model: MODEL, messages: [USER], max_tokens: 12, ...more });
  const stream = (path: string, body: object, signal?: AbortSignal) =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });

  before(async () => {
    services = await withServices();
    const prompt = { system: 'Be kind.', examples: [], version: 1 };
    await deploy(services, await generatorRelease(services, await tinyGenerator(), prompt, { recordText: true }));
    server = await startTestServer(services, { maxTokens: 40 });
    await until('it is served', () => served() !== undefined);
  });
  after(async () => {
    await server.drain();
    services.close();
  });

  it('answers a conversation as OpenAI’s clients expect, the same for the same seed', async () => {
    const ask = async (more: object) => (await server.post(CHAT, chat(more))).json;
    const first = await ask({ seed: 7, temperature: 1 });
    equal(first.object, 'chat.completion');
    equal(first.choices[0].message.role, 'assistant');
    equal(first.choices[0].finish_reason, 'length');
    equal(first.usage.completion_tokens, 12);
    equal(first.usage.total_tokens, first.usage.prompt_tokens + 12);
    equal((await ask({ seed: 7, temperature: 1 })).choices[0].message.content, first.choices[0].message.content);
    notEqual((await ask({ seed: 8, temperature: 1 })).choices[0].message.content, first.choices[0].message.content);
    deepEqual(
      (await server.get('/v1/models')).json.data.map(({ id }: { id: string }) => id),
      [MODEL],
    );
  });

  it('puts the bundle’s own prompt before what is said, and leaves a raw text as it is', async () => {
    const tokens = async (parameters: object) =>
      (await server.post(`/v2/models/${MODEL}/generate`, { text_input: 'order', parameters })).json.details
        .prompt_tokens;
    const [raw, said] = [await tokens({ max_tokens: 1, raw: true }), await tokens({ max_tokens: 1 })];
    ok(said > raw + 10, `${said} tokens with the prompt, ${raw} without`);
  });

  it('gives a conversation the very tokens that its evaluation gives it, at either door', async () => {
    const history = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'the order' },
      { role: 'assistant', content: 'was sent' },
    ] as const;
    const row = { id: 'x', history, prompt: 'twice?' };
    const generation = GenerationDefaultsSchema.parse({ maxNewTokens: 12, temperature: 1 });
    const generator = await Generator.load(join(await tinyGenerator(), 'generator'));
    const prompt = { system: 'Be kind.', examples: [] };
    const signal = new AbortController().signal;
    const ask = (of: PromptRow) => answerAll(generator, prompt, [of], { generation, seed: 7, signal });
    const [evaluated] = await ask(row);
    const [alone] = await ask({ id: 'x', prompt: 'twice?' });
    await generator.release();
    const seed = seedOf(7, 'x');
    const body = chat({ seed, temperature: 1, messages: conversationOf(row) });
    const { choices, usage } = (await server.post(CHAT, body)).json;
    equal(choices[0].message.content, evaluated?.text);
    deepEqual([usage.prompt_tokens, usage.completion_tokens], [evaluated?.promptTokens, evaluated?.tokens]);
    const parameters = { max_tokens: 12, temperature: 1, seed };
    const spoken = async (more: object) =>
      (
        await server.post(`/v2/models/${MODEL}/generate`, {
          text_input: 'twice?',
          parameters: { ...parameters, ...more },
        })
      ).json;
    const said = await spoken({ history });
    deepEqual([said.text_output, said.details.prompt_tokens], [evaluated?.text, evaluated?.promptTokens]);
    equal((await spoken({})).text_output, alone?.text);
    notEqual(alone?.promptTokens, evaluated?.promptTokens);
    match((await spoken({ history, raw: true })).error, /a raw text is no part of a conversation/);
  });

  it('streams the very text that it gives whole, ends it with [DONE], and says what was used', async () => {
    const body = { seed: 3, temperature: 1.2, stream: true, stream_options: { include_usage: true } };
    const response = await stream(CHAT, chat(body));
    match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
    const all = await events(response);
    equal(all.at(-1), '[DONE]');
    equal(all.at(-2).usage.completion_tokens, 12);
    const text = all
      .slice(0, -2)
      .map((event) => event.choices[0].delta.content ?? '')
      .join('');
    const whole = (await server.post(CHAT, chat({ seed: 3, temperature: 1.2 }))).json.choices[0].message.content;
    equal(text, whole);
    equal(all.at(-3).choices[0].finish_reason, 'length');
  });

  it('speaks the generate extension, whole and streamed', async () => {
    const body = { text_input: 'the order', parameters: { max_tokens: 9, seed: 5, temperature: 1, raw: true } };
    const { json } = await server.post(`/v2/models/${MODEL}/generate`, body);
    deepEqual([json.model_name, json.model_version, json.details.generated_tokens], [MODEL, '1', 9]);
    const all = await events(await stream(`/v2/models/${MODEL}/versions/1/generate_stream`, body));
    equal(all.map(({ text_output: text }) => text).join(''), json.text_output);
    equal(all.at(-1).details.finish_reason, 'length');
    const about = (await server.get(`/v2/models/${MODEL}`)).json;
    equal(about.parameters.context_tokens, 64);
    equal(about.inputs[0].name, 'text_input');
  });

  it('refuses by name what it does not do, in the shape of the protocol that was spoken', async () => {
    for (const [more, expected] of [
      [{ tools: [] }, /tools: not supported/],
      [{ n: 2 }, /n: /],
      [{ logprobs: true }, /logprobs: /],
      [{ response_format: { type: 'json_object' } }, /response_format/],
      [{ max_tokens: 41 }, /41 tokens are asked for: this server gives at most 40/],
      [{ temperature: -1 }, /temperature/],
      [{ max_tokens: -5 }, /^max_tokens: Too small: expected number to be >=1$/],
      [{ stop: ['a', 'b', 'c', 'd', 'e'] }, /^stop: must be a text of 1 to 200 characters, or a list of at most 4/],
      [{ stop: '' }, /^stop: Too small/],
      [
        { messages: [{ role: 'wizard', content: 'a' }] },
        /^messages\.0\.role: .*"system"\|"developer"\|"user"\|"assistant"/,
      ],
      [{ messages: [{ role: 'user', content: null }] }, /^messages\.0\.content: must be a text, or a list of parts/],
      [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] }, /content/],
      [{ messages: [{ role: 'user', content: 'the parcel is late '.repeat(99) }] }, /no room for an answer/],
      [{ messages: [USER, { role: 'assistant', content: 'yes' }] }, /last message must be the user/],
    ] as const) {
      for (const streamed of [false, true]) {
        const { status, json } = await server.post(CHAT, chat({ ...more, stream: streamed }));
        deepEqual([status, json.error.type], [400, 'invalid_request_error'], JSON.stringify(more));
        match(json.error.message, expected);
      }
    }
    const unknown = await server.post(CHAT, chat({ model: 'nobody' }));
    deepEqual([unknown.status, unknown.json.error.code], [404, 'model_not_found']);
    match((await server.infer(MODEL, ['a'])).json.error, /generates text: use/);
    const bad = await server.post(`/v2/models/${MODEL}/generate`, { text_input: 'a', parameters: { best_of: 3 } });
    deepEqual([bad.status, typeof bad.json.error], [400, 'string']);
    for (const [parameters, expected] of [
      [{ temperature: 11 }, /^parameters\.temperature: Too big/],
      [{ repetition_penalty: 11 }, /^parameters\.repetition_penalty: Too big/],
      [{ stop: Array.from({ length: 17 }, () => 'q') }, /^parameters\.stop: must be .* at most 16 of them$/],
      [{ banned_phrases: [''] }, /^parameters\.banned_phrases\.0: Too small/],
      [{ json_schema: { type: 'objekt' } }, /^parameters\.json_schema\.type must be one of/],
      [{ json_schema: { type: 'boolean' }, stop: 'x' }, /^parameters\.stop cannot be used together/],
    ] as const) {
      const { status, json } = await server.post(`/v2/models/${MODEL}/generate`, { text_input: 'a', parameters });
      equal(status, 400);
      match(json.error, expected);
    }
    const metrics = (await server.get('/metrics')).bytes.toString();
    match(metrics, /generations_total\{model="tiny-parity",finish="refused"\} [1-9]/);
    doesNotMatch(metrics, /finish="failed"/);
  });

  it('ends a generation whose client is gone, and has room for others then', async () => {
    const gone = new AbortController();
    const response = await stream(CHAT, chat({ stream: true, max_tokens: 40 }), gone.signal);
    await response.body?.getReader().read();
    gone.abort();
    await until('nothing runs', () => served().pool.running === 0);
    match(
      (await server.get('/metrics')).bytes.toString(),
      /generations_total\{model="tiny-parity",finish="length"\} \d/,
    );
    equal((await server.post(CHAT, chat())).status, 200);
  });

  it('counts a client that is gone before its answer as no error of the server’s', async () => {
    const gone = new AbortController();
    const others = occupied(served().pool);
    const asked = stream(CHAT, chat(), gone.signal);
    await until('it waits behind them', () => others.behind() > 0, { everyMs: 1 });
    gone.abort();
    await rejects(asked, { name: 'AbortError' });
    await others.ended;
    await until('nothing runs', () => served().pool.running === 0);
    equal((await events(await stream(CHAT, chat({ stream: true })))).at(-1), '[DONE]');
    const counted = async (): Promise<string> => (await server.get('/metrics')).bytes.toString();
    const left = /route="chat-completions",model="tiny-parity",status="499"\} 1$/m;
    await until('it is counted by its model', async () => left.test(await counted()));
    doesNotMatch(await counted(), /route="chat-completions"[^}]*status="500"/);
    match(await counted(), /route="chat-completions",model="tiny-parity",status="200"/);
  });

  it('takes a message back as it gave it', async () => {
    const { message } = (await server.post(CHAT, chat())).json.choices[0];
    deepEqual(message, { role: 'assistant', content: message.content, refusal: null });
    const messages = [
      { role: 'user', content: 'hi' },
      { ...message, content: 'yes' },
      { role: 'user', content: 'now' },
    ];
    equal((await server.post(CHAT, chat({ messages, max_tokens: 2 }))).status, 200);
  });

  it('answers many at once, and says that it is overloaded when too many wait', async () => {
    const ask = (seed: number) => server.post(CHAT, chat({ seed, temperature: 1, max_tokens: 30 }));
    let answers: Awaited<ReturnType<typeof ask>>[] = [];
    // Far more than there is room for: a busy machine sends them so slowly that many are answered meanwhile.
    for (let many = 400; many <= 3200 && !answers.some(({ status }) => status === 503); many *= 2) {
      answers = await Promise.all(Array.from({ length: many }, (_, seed) => ask(seed)));
    }
    const statuses = new Set(answers.map(({ status }) => status));
    deepEqual(
      [...statuses].sort((a, b) => a - b),
      [200, 503],
    );
    const refused = answers.find(({ status }) => status === 503);
    equal(refused?.headers.get('retry-after'), '1');
    equal(refused?.json.error.type, 'server_error');
    const alone = await ask(0);
    equal(answers[0]?.json.choices[0].message.content, alone.json.choices[0].message.content, 'others change nothing');
    match(
      (await server.get('/metrics')).bytes.toString(),
      /route="chat-completions",model="tiny-parity",status="503"\} [1-9]/,
    );
  });

  it('tells whoever a lost worker was answering, and replaces it', async () => {
    const { pool } = served();
    const before = pool.threadIds;
    const order = { prompt: 'the order', options: { maxNewTokens: 40, temperature: 1 } };
    const pieces = pool.generate(order, new AbortController().signal);
    // The first tokens may come before the crash does.
    const allOf = async (): Promise<void> => {
      while ((await pieces.next()).done !== true);
    };
    const under = allOf();
    const crashed = pool.crashWorker();
    await rejects(under, /worker ended with code 1/);
    await crashed;
    await until('another is up', () => pool.threadIds.some((id) => !before.includes(id)));
    equal((await server.post(CHAT, chat())).status, 200);
  });

  it('answers with JSON that the schema accepts, whole and streamed, or says why it cannot', async () => {
    const schema = {
      type: 'object',
      properties: { refund: { type: 'boolean' }, why: { type: 'string' } },
      required: ['refund'],
    };
    const format = (more: object) => ({
      type: 'json_schema',
      json_schema: { name: 'answer', strict: true, schema: more },
    });
    const body = { response_format: format(schema), temperature: 2, seed: 11, max_tokens: 30 };
    const { content } = (await server.post(CHAT, chat(body))).json.choices[0].message;
    equal(typeof JSON.parse(content).refund, 'boolean');
    const all = await events(await stream(CHAT, chat({ ...body, stream: true })));
    equal(
      all
        .slice(0, -1)
        .map((event) => event.choices[0].delta.content ?? '')
        .join(''),
      content,
    );
    for (const [wrong, expected] of [
      [
        { ...body, response_format: format({ type: 'string', pattern: 'a' }) },
        /^response_format\.json_schema\.schema\.pattern is not supported/,
      ],
      [{ ...body, max_tokens: 3 }, /may need 15 tokens, and 3 are left/],
      [{ ...body, stop: 'x' }, /stop cannot be used together/],
    ] as const) {
      const { status, json } = await server.post(CHAT, chat(wrong));
      equal(status, 400);
      match(json.error.message, expected);
    }
  });

  it('takes a developer’s text for a system text, and a list of text parts for a text', async () => {
    const ask = async (messages: object[]) => (await server.post(CHAT, chat({ messages }))).json;
    const plain = await ask([{ role: 'system', content: 'Be brief.' }, USER]);
    const parts = [
      { type: 'text', text: 'please refund ' },
      { type: 'text', text: 'the money' },
    ];
    const same = await ask([
      { role: 'developer', content: 'Be brief.' },
      { role: 'user', content: parts },
    ]);
    deepEqual([same.choices, same.usage], [plain.choices, plain.usage]);
  });

  it('records figures, and texts where the release allows it', async () => {
    await server.post(CHAT, chat({ seed: 1, temperature: 1 }));
    await server.recorder.flush();
    const records = await readPredictions<GenerationRecord>(services, MODEL, served().release.bundle, 1000);
    const last = records.at(-1);
    deepEqual([last?.tokens, last?.finish], [12, 'length']);
    equal(last?.prompt, 'user: please refund the money');
    ok((last?.firstTokenMs ?? 0) > 0 && (last?.totalMs ?? 0) >= (last?.firstTokenMs ?? 0));
    const metrics = (await server.get('/metrics')).bytes.toString();
    match(metrics, /espalier_serving_generated_tokens_total\{model="tiny-parity"\} [1-9]/);
    match(metrics, /espalier_serving_first_token_seconds_count\{model="tiny-parity"\} [1-9]/);
  });

  it('cuts no stream when a new release takes over', async () => {
    const old = served();
    const open = await Promise.all(
      Array.from({ length: 12 }, (_, seed) =>
        stream(CHAT, chat({ stream: true, seed, temperature: 1, max_tokens: 40 })),
      ),
    );
    await deploy(services, await generatorRelease(services, await tinyGenerator(), null), 'second-run');
    await until('the new one is served', () => served().release.version === '2');
    for (const response of open) {
      const all = await events(response);
      equal(all.at(-1), '[DONE]');
      equal(all[0].system_fingerprint, old.release.bundle);
    }
    await until('the old one is unloaded', () => server.lines.some((line) => line.includes('model-unloaded')));
    const { json } = await server.post(CHAT, chat());
    equal(json.system_fingerprint, served().release.bundle);
    await server.recorder.flush();
    const [record] = await readPredictions<GenerationRecord>(services, MODEL, served().release.bundle, 10);
    deepEqual([record?.prompt, record?.text], [undefined, undefined], 'this release allows no texts');
  });

  it('answers a conversation as it was measured where the request does not say, at either door; a raw text not', async () => {
    const measured = { maxNewTokens: 9, temperature: 1.5, topK: 40, topP: 0.9, repetitionPenalty: 1.4, seed: 3 };
    const prompt = { system: 'Be kind.', examples: [], generation: { ...measured, stop: ['~never~'] } };
    await deploy(services, await generatorRelease(services, await tinyGenerator(), prompt), 'third-run');
    await until('it is served', () => served().release.version === '3');
    const spoken = async (parameters: object) =>
      (await server.post(`/v2/models/${MODEL}/generate`, { text_input: USER.content, parameters })).json;
    const all = {
      max_tokens: 9,
      temperature: 1.5,
      top_k: 40,
      top_p: 0.9,
      repetition_penalty: 1.4,
      stop: ['~never~'],
    };
    for (const seed of [1, 2, 3]) {
      const asMeasured = await spoken({ ...all, seed });
      const open = await spoken({ seed });
      deepEqual([open.text_output, open.details], [asMeasured.text_output, asMeasured.details]);
      const { choices } = (await server.post(CHAT, { model: MODEL, messages: [USER], seed })).json;
      equal(choices[0].message.content, asMeasured.text_output);
      // Each of them counts: without any one of them the answer is another.
      for (const other of [{ temperature: 0 }, { max_tokens: 4 }, { top_k: 1 }, { repetition_penalty: 9 }]) {
        notEqual((await spoken({ ...other, seed })).text_output, open.text_output, JSON.stringify(other));
      }
    }
    const seeds = [await spoken({}), await spoken({})].map(({ details }) => details.seed);
    notEqual(seeds[0], seeds[1], 'the seed of the evaluation is nobody’s default');
    const raw = await spoken({ raw: true, seed: 1 });
    equal(raw.text_output, (await spoken({ raw: true, seed: 2, temperature: 0, max_tokens: 40 })).text_output);
  });

  it('ends where the measured answers ended, but never cuts JSON there', async () => {
    const asked = { model: MODEL, messages: [USER], seed: 1, temperature: 0 };
    const whole = (await server.post(CHAT, { ...asked, max_tokens: 12 })).json.choices[0].message.content as string;
    const stop = [Array.from(whole)[2] as string, '"'];
    const prompt = { system: 'Be kind.', examples: [], generation: { maxNewTokens: 30, repetitionPenalty: 1.4, stop } };
    await deploy(services, await generatorRelease(services, await tinyGenerator(), prompt), 'fourth-run');
    await until('it is served', () => served().release.version === '4');
    const [choice] = (await server.post(CHAT, { ...asked, top_p: 1 })).json.choices;
    deepEqual(
      [choice.finish_reason, choice.message.content],
      ['stop', whole.slice(0, whole.indexOf(stop[0] as string))],
    );
    const [uncut] = (await server.post(CHAT, { ...asked, top_p: 1, stop: [], max_tokens: 12 })).json.choices;
    equal(uncut.message.content, whole);
    const schema = { type: 'object', properties: { refund: { type: 'boolean' } }, required: ['refund'] };
    const format = { type: 'json_schema', json_schema: { name: 'answer', schema } };
    const json = (await server.post(CHAT, { ...asked, response_format: format })).json.choices[0].message.content;
    equal(typeof JSON.parse(json).refund, 'boolean');
  });

  it('is held to the evaluation when it is deployed, by what it answers unasked: other defaults are noticed', async () => {
    const folder = await tinyGenerator();
    const prompt = { system: 'Be kind.', examples: [] };
    const generation = GenerationDefaultsSchema.parse({
      maxNewTokens: 9,
      temperature: 1.5,
      topK: 40,
      stop: ['~never~'],
    });
    const generator = await Generator.load(join(folder, 'generator'));
    const rows = ['late', 'refund', 'order', 'money'].map((text) => ({ id: text, prompt: text }));
    const signal = new AbortController().signal;
    const said = await answerAll(generator, prompt, rows, { generation, seed: 7, signal });
    await generator.release();
    const questions = said.map(({ row, text }) => ({
      text: row.prompt,
      answer: text,
      options: { max_tokens: 9, seed: seedOf(7, row.id) },
    }));
    const details = await services.store.putJson({ questions }, 'evaluation.json');
    const papers = { 'provenance.json': JSON.stringify({ evaluation: { details: details.digest } }) };
    const asked = { ...services, servingUrl: server.url };
    const measured = await generatorRelease(services, folder, { ...prompt, generation }, { papers });
    deepEqual((await deploy(asked, measured, 'fifth-run')).serving, { url: server.url, checkedRows: 4, agreement: 1 });
    const other = await generatorRelease(services, folder, { ...prompt, generation: { temperature: 0 } }, { papers });
    await rejects(deploy(asked, other, 'sixth-run'), {
      kind: 'BadModel',
      message: /answers [234] of 4 test prompts otherwise/,
    });
  });
});

describe('a served story teller [real-data]', function () {
  this.timeout(180_000);
  const data = process.env['ESPALIER_TEST_DATA'];

  it('tells by HTTP what the paper’s own program tells', async function () {
    if (data === undefined) return this.skip();
    const services = await withServices();
    const folder = await exportedOnce(join(data, 'models/karpathy/tinyllamas-stories260K'), 'stories260K');
    await deploy(services, await generatorRelease(services, folder, null));
    const server = await startTestServer(services, { maxTokens: 64 });
    await until('it is served', () => server.follower.states.get(MODEL)?.served !== undefined);
    const { json } = await server.post(`/v2/models/${MODEL}/generate`, {
      text_input: 'Once upon a time',
      parameters: { raw: true, stop: ['.'] },
    });
    // llama2.c, doc/stories260K.md: the greedy story begins so.
    equal(json.text_output, ', there was a little girl named Lily');
    equal(json.details.finish_reason, 'stop');
    doesNotMatch(json.text_output, /\./);
    await server.drain();
    services.close();
  });
});
