import { deepEqual, doesNotMatch, equal, match, notEqual, ok, rejects } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Generator } from '../../../inference/generation/generator.ts';
import type { Piece } from '../../../inference/generation/options.ts';
import { exportedOnce, tinyGenerator } from '../../support/tiny-generator.ts';

const PROMPT = 'please refund the money';
const USER = [{ role: 'user', content: PROMPT }] as const;

describe('a generator', function () {
  this.timeout(120_000);
  let generator: Generator;
  before(async () => {
    generator = await Generator.load(join(await tinyGenerator(), 'generator'));
  });
  after(() => generator.release());

  const sampled = (seed: number, more: object = {}) =>
    generator.complete(PROMPT, { maxNewTokens: 24, temperature: 1, seed, ...more });

  it('gives the same text for the same seed, piece by piece and whole, and another for another', async () => {
    const whole = await sampled(1);
    const pieces: Piece[] = [];
    const generation = generator.generate(PROMPT, { maxNewTokens: 24, temperature: 1, seed: 1 });
    for await (const piece of generation) pieces.push(piece);
    equal(pieces.map(({ text }) => text).join(''), whole.text);
    deepEqual(await sampled(1), whole);
    notEqual((await sampled(2)).text, whole.text);
  });

  it('answers several at once, a token each in turn, with what each says alone', async () => {
    const order: number[] = [];
    const begun = [1, 2, 3].map((seed) => ({
      seed,
      generation: generator.generate(PROMPT, { maxNewTokens: 16, temperature: 1, seed }),
    }));
    // Reading their prompts takes them different times: the turns are counted from then on.
    const firsts = await Promise.all(begun.map(({ generation }) => generation.next()));
    const together = await Promise.all(
      begun.map(async ({ seed, generation }, index) => {
        const first = firsts[index]?.value as Piece;
        let { text } = first;
        for await (const piece of generation) {
          order.push(seed);
          text += piece.text;
        }
        return text;
      }),
    );
    const switches = order.filter((seed, at) => at > 0 && seed !== order[at - 1]).length;
    ok(switches > order.length / 2, `they take turns: ${order.join('')}`);
    for (const [index, text] of together.entries()) equal(text, (await sampled(index + 1, { maxNewTokens: 16 })).text);
  });

  it('keeps the event loop going while it generates', async () => {
    // Turns: how many milliseconds forty tokens take is the machine's.
    let turns = 0;
    let turning = setImmediate(function turn() {
      turns += 1;
      turning = setImmediate(turn);
    });
    await sampled(1, { maxNewTokens: 40 });
    clearImmediate(turning);
    ok(turns > 10, `${turns} turns`);
  });

  it('ends before a stop sequence, and where the context is full', async () => {
    const { text } = await sampled(4);
    const stop = text.slice(5, 8);
    const stopped = await sampled(4, { stop: [stop] });
    equal(stopped.text, text.slice(0, text.indexOf(stop)));
    equal(stopped.finish, 'stop');
    const full = await sampled(4, { maxNewTokens: 1000 });
    ok(full.finish === 'end' || full.promptTokens + full.tokens === 64);
  });

  it('never writes what is banned, in whatever case', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const { text } = await sampled(seed, { bannedPhrases: ['E', 'th', 'a'], maxNewTokens: 30 });
      doesNotMatch(text, /e|th|a/i);
    }
  });

  it('says why it cannot answer: no room, no sense, nothing to go on from', async () => {
    await rejects(generator.complete('the order '.repeat(99), { maxNewTokens: 1 }), {
      kind: 'BadRequest',
      message: /the model's context of 64 leaves no room/,
    });
    await rejects(generator.complete(PROMPT, { maxNewTokens: 0, temperature: -1 }), {
      kind: 'BadRequest',
      message: /maxNewTokens: .*temperature: /,
    });
    equal((await generator.complete('', { maxNewTokens: 2 })).promptTokens, 1, 'an empty text begins after an end');
  });

  it('ends between two tokens when it is cancelled', async () => {
    const controller = new AbortController();
    const generation = generator.generate(PROMPT, { maxNewTokens: 40, temperature: 1, signal: controller.signal });
    await generation.next();
    controller.abort(new Error('enough'));
    await rejects(async () => {
      while ((await generation.next()).done !== true);
    }, /enough/);
  });

  it('writes JSON that parses, to a conversation too', async () => {
    const jsonSchema = {
      type: 'object',
      properties: { ok: { type: 'boolean' }, why: { type: 'string' } },
      required: ['ok'],
    };
    for (let seed = 0; seed < 6; seed++) {
      const { text } = await generator.complete(USER, { maxNewTokens: 22, temperature: 2, seed, jsonSchema });
      equal(typeof (JSON.parse(text) as { ok: boolean }).ok, 'boolean');
    }
  });

  it('knows how probable a text is, at once as token by token', async () => {
    const [whole] = await generator.logLikelihood([PROMPT]);
    const words = PROMPT.split(' ');
    const rest = ` ${words.slice(1).join(' ')}`;
    const [first, after] = await generator.logLikelihood([
      words[0] ?? '',
      { prompt: words[0] ?? '', completion: rest },
    ]);
    equal((first?.tokens ?? 0) + (after?.tokens ?? 0), whole?.tokens);
    ok(Math.abs((first?.nats ?? 0) + (after?.nats ?? 0) - (whole?.nats ?? 0)) < 1e-4);
    deepEqual(await generator.logLikelihood(['', 'p']), [
      { nats: 0, tokens: 0 },
      { nats: 0, tokens: 0 },
    ]);
  });

  it('is the same from files in memory, and says what is wrong with them', async () => {
    const folder = join(await tinyGenerator(), 'generator');
    const read = (name: string) => readFile(join(folder, name));
    const files = {
      where: folder,
      'generator.json': await read('generator.json'),
      'tokenizer.json': await read('tokenizer.json'),
      'model.onnx': await read('model.onnx'),
      'prompt.json': Buffer.from('{"system":"Be kind.","examples":[]}'),
    };
    const again = await Generator.from(files);
    equal(again.servedPrompt?.system, 'Be kind.');
    equal((await again.complete(PROMPT, { maxNewTokens: 24, temperature: 1, seed: 1 })).text, (await sampled(1)).text);
    await again.release();
    await rejects(again.complete(PROMPT, { maxNewTokens: 2 }), /released/);
    await rejects(Generator.from({ ...files, 'prompt.json': Buffer.from('{}') }), {
      kind: 'BadModel',
      message: /prompt\.json/,
    });
    const config = JSON.parse(String(files['generator.json'])) as object;
    const wrong = { ...files, 'generator.json': Buffer.from(JSON.stringify({ ...config, layers: 3 })) };
    await rejects(Generator.from(wrong), { kind: 'BadModel', message: /past_key_values\.2\.key/ });
    await rejects(Generator.load('/nowhere'), { kind: 'BadModel' });
  });
});

describe('a generator of stories [real-data]', function () {
  this.timeout(120_000);

  it('finds real stories as probable as was reported of it', async function () {
    const data = process.env['ESPALIER_TEST_DATA'];
    if (data === undefined) return this.skip();
    const folder = await exportedOnce(join(data, 'models/karpathy/tinyllamas-stories260K'), 'stories260K');
    const generator = await Generator.load(join(folder, 'generator'));
    const { text } = await generator.complete('Once upon a time', { maxNewTokens: 30 });
    match(text, /^, there was a little girl named Lily\. She loved to play outside/);
    // Longer than what is read at once: the pieces must fit together.
    const story = await generator.complete('Once upon a time', { maxNewTokens: 300, temperature: 0.5, seed: 1 });
    const [likely, unlikely] = await generator.logLikelihood([`Once upon a time${story.text}`, 'zq xj 9 { } ; QQ']);
    const perToken = (one?: { nats: number; tokens: number }) => (one?.nats ?? 0) / (one?.tokens ?? 1);
    ok(likely !== undefined && likely.tokens > 250 && perToken(likely) < 1.3, `${perToken(likely)} nats a token`);
    ok(perToken(unlikely) > 4);
    await generator.release();
  });
});
