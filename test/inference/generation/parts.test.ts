import { deepEqual, doesNotMatch, equal, ok, throws } from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { answerSpans, answerText, chatText, renderChat, withPrompt } from '../../../inference/generation/chat.ts';
import { CHAT_FORMAT_NAMES } from '../../../inference/generation/chat-formats.ts';
import { PromptTokenizer, segments } from '../../../inference/generation/prompt-tokens.ts';
import { uniform } from '../../../inference/generation/random.ts';
import { penalise, pickToken } from '../../../inference/generation/sampling.ts';
import { AnswerStream } from '../../../inference/generation/stream.ts';
import { readVocabulary } from '../../../inference/generation/vocabulary.ts';
import { tinyGpt } from '../../support/tiny-gpt.ts';

const HARD = [
  'plain words, and 12.5 %',
  ' \t\r\n\u00a0 ',
  'Crème brûlée e\u0301',
  '👩‍👩‍👧‍👦 👨🏿‍🚀 🇩🇪 ❤️',
  '我想退款 東京タワー 한국어 𠀀𠮷',
  'أريد שָׁלוֹם \u202eabc\u202c',
  'a\u0000b\u007f\ufeff\ufffd\u00ad',
  '\u{10ffff} \ue000',
  "I'll don't we've",
  'x'.repeat(300),
];

describe('the text of an answer', () => {
  it('is let out in whole characters, however its bytes come', () => {
    for (const text of HARD) {
      const stream = new AnswerStream([], false);
      let said = '';
      for (const byte of Buffer.from(text)) {
        const piece = stream.push(Uint8Array.of(byte));
        ok(piece.isWellFormed());
        said += piece;
      }
      equal(said + stream.end(), text);
    }
  });

  it('ends before a character that was not finished', () => {
    const stream = new AnswerStream([], false);
    equal(stream.push(Buffer.from('é€').subarray(0, 4)), 'é');
    equal(stream.end(), '');
  });

  it('ends before the first stop sequence, and never shows a part of one', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\n'), maxLength: 30 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\n'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        text,
        fc.array(stop, { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat(5), { maxLength: 80 }),
        (all, stops, sizes) => {
          const stream = new AnswerStream(stops, false);
          // Whole first, and of those that end together the longest.
          const ends = Array.from({ length: all.length + 1 }, (_, end) => all.slice(0, end));
          const ended = ends.find((text) => stops.some((one) => text.endsWith(one)));
          const expected =
            ended === undefined
              ? all
              : ended.slice(0, -Math.max(...stops.filter((one) => ended.endsWith(one)).map(({ length }) => length)));
          const bytes = Buffer.from(all);
          let [at, said] = [0, ''];
          for (let turn = 0; at < bytes.length; turn++) {
            const size = 1 + (sizes[turn] ?? 0);
            said += stream.push(bytes.subarray(at, at + size));
            ok(expected.startsWith(said), `'${said}' is not the beginning of '${expected}'`);
            at += size;
          }
          if (!stream.stopped) said += stream.end();
          equal(said, expected);
          equal(stream.stopped, ended !== undefined);
        },
      ),
      { numRuns: 1000 },
    );
    for (const pieces of [['abb'], ['a', 'bb'], ['ab', 'b'], ['a', 'b', 'b']]) {
      const stream = new AnswerStream(['abb', 'b'], false);
      equal(pieces.map((piece) => stream.push(Buffer.from(piece))).join(''), 'a', pieces.join('|'));
    }
  });
});

describe('a draw', () => {
  it('is a function of seed and place, evenly spread', () => {
    equal(uniform(1, 2), uniform(1, 2));
    const draws = Array.from({ length: 20_000 }, (_, index) => uniform(9, index));
    ok(draws.every((draw) => draw >= 0 && draw < 1));
    const counts = Array.from({ length: 10 }, (_, bin) => draws.filter((draw) => Math.floor(draw * 10) === bin).length);
    // Chi-squared with 9 degrees of freedom: 27.9 is passed once in a thousand times.
    ok(counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0) < 27.9);
    equal(new Set(draws).size, draws.length);
  });
});

describe('the choice of a token', () => {
  const logits = () => Float32Array.from([0, 2, 1, -1, 2]);
  const draws = Array.from({ length: 4000 }, (_, index) => uniform(3, index));
  const shares = (rules: Parameters<typeof pickToken>[1]) => {
    const counts = [0, 0, 0, 0, 0];
    for (const draw of draws) counts[pickToken(logits(), rules, draw)]! += 1 / draws.length;
    return counts.map((share) => Math.round(share * 20) / 20);
  };

  it('is the most probable one at temperature 0, the first of equals', () => {
    equal(pickToken(logits(), { temperature: 0, topP: 1 }, 0.99), 1);
  });

  it('follows the softmax at temperature 1, sharpened below and flattened above', () => {
    // softmax([0, 2, 1, −1, 2]) = .053, .392, .144, .020, .392
    deepEqual(shares({ temperature: 1, topP: 1 }), [0.05, 0.4, 0.15, 0, 0.4]);
    deepEqual(shares({ temperature: 0.1, topP: 1 }), [0, 0.5, 0, 0, 0.5]);
    deepEqual(shares({ temperature: 1000, topP: 1 }), [0.2, 0.2, 0.2, 0.2, 0.2]);
  });

  it('is among the k most probable, and among the fewest that have the wanted probability', () => {
    deepEqual(shares({ temperature: 1, topK: 1, topP: 1 }), [0, 1, 0, 0, 0]);
    deepEqual(shares({ temperature: 1, topK: 2, topP: 1 }), [0, 0.5, 0, 0, 0.5]);
    deepEqual(shares({ temperature: 1, topP: 0.3 }), [0, 1, 0, 0, 0]);
    deepEqual(shares({ temperature: 1, topP: 0.78 }), [0, 0.5, 0, 0, 0.5]);
    deepEqual(shares({ temperature: 1, topP: 0.9 }), [0, 0.4, 0.15, 0, 0.4]);
  });

  it('is none where none is possible, and never an impossible one', () => {
    equal(pickToken(Float32Array.from([-Infinity, -Infinity]), { temperature: 1, topP: 1 }, 0.5), -1);
    for (const draw of [0, 0.5, 1 - 2 ** -53]) {
      equal(pickToken(Float32Array.from([-Infinity, 0, -Infinity]), { temperature: 1, topP: 0.5, topK: 3 }, draw), 1);
    }
  });

  it('makes what was there before less probable, whatever its sign', () => {
    const row = logits();
    penalise(row, [1, 3], 2);
    deepEqual([...row], [0, 1, 1, -2, 2]);
  });
});

describe('the bytes of tokens', () => {
  async function check(folder: string, size: number, before: string): Promise<void> {
    const text = await readFile(join(folder, 'tokenizer.json'), 'utf8');
    const { bytes, special } = readVocabulary(text, size, folder);
    const tokenizer = new PromptTokenizer(text, special, folder);
    for (const hard of HARD) {
      const ids = await tokenizer.continuation(hard);
      equal(Buffer.concat(ids.map((id) => bytes[id] ?? new Uint8Array())).toString('utf8'), before + hard);
    }
  }

  it('spell every text that a byte-level tokenizer reads', async () => check((await tinyGpt()).model, 320, ''));

  it('spell every text that a SentencePiece tokenizer reads, after its space [real-data]', async function () {
    const data = process.env['ESPALIER_TEST_DATA'];
    if (data === undefined) return this.skip();
    await check(join(data, 'models/karpathy/tinyllamas-stories260K'), 512, ' ');
  });

  it('are not guessed for a tokenizer of another kind', () => {
    const wordPiece = JSON.stringify({ model: { vocab: { a: 0 } }, decoder: { type: 'WordPiece' } });
    throws(() => readVocabulary(wordPiece, 1, 'here'), { kind: 'BadModel', message: /neither byte-level nor/ });
  });
});

describe('a conversation', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'hello' },
    { role: 'user', content: 'bye' },
  ] as const;

  it('is written as the known families write it', () => {
    equal(chatText('plain', messages), 'Be brief.\n\nUser: hi\nAssistant: hello\nUser: bye\nAssistant:');
    equal(
      chatText('chatml', messages),
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n<|im_start|>user\nbye<|im_end|>\n<|im_start|>assistant\n',
    );
    equal(
      chatText('llama-2', messages),
      '[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nhi [/INST] hello </s><s>[INST] bye [/INST]',
    );
    for (const format of CHAT_FORMAT_NAMES) {
      const text = chatText(format, messages);
      const places = messages.map(({ content }) => text.indexOf(content));
      ok(
        places.every((place, at) => place > (places[at - 1] ?? -1)),
        format,
      );
    }
  });

  it('shows where its earlier answers stand, with what the opening leaves to them, and what ends each', () => {
    const learnt = (format: (typeof CHAT_FORMAT_NAMES)[number]) => {
      const said = [messages[0], { role: 'user', content: 'hi 👋' }, ...messages.slice(2)] as const;
      const characters = Array.from(chatText(format, said));
      return answerSpans(format, said, () => true).map(([from, to]) => characters.slice(from, to).join(''));
    };
    deepEqual(learnt('plain'), [' hello']);
    deepEqual(learnt('chatml'), ['hello', '<|im_end|>']);
    deepEqual(learnt('llama-2'), [' hello', '</s>']);
    deepEqual(learnt('llama-3'), ['hello', '<|eot_id|>']);
    deepEqual(learnt('mistral'), [' hello', '</s>']);
    deepEqual(learnt('zephyr'), ['hello', '</s>']);
    for (const format of CHAT_FORMAT_NAMES) {
      // As the answer that comes next is learnt.
      equal(learnt(format)[0], answerText(format, 'hello'), format);
      deepEqual(
        answerSpans(format, messages, () => false),
        [],
      );
      deepEqual(
        answerSpans(format, [messages[1]], () => true),
        [],
      );
    }
  });

  it('begins with the bundle’s prompt, the caller’s own system text after it', () => {
    const prompt = { system: 'We sell shoes.', examples: [{ user: 'hey', assistant: 'Hello!' }] };
    deepEqual(
      withPrompt(prompt, messages).map(({ role, content }) => `${role}: ${content}`),
      [
        'system: We sell shoes.\n\nBe brief.',
        'user: hey',
        'assistant: Hello!',
        'user: hi',
        'assistant: hello',
        'user: bye',
      ],
    );
    deepEqual(withPrompt({ system: '', examples: [] }, [messages[1]]), [messages[1]]);
  });

  it('must end with the user', () => {
    throws(() => renderChat('plain', messages.slice(0, 3)), { kind: 'BadRequest' });
    throws(() => renderChat('plain', []), { kind: 'BadRequest' });
    throws(() => renderChat('plain', [messages[1], messages[0], messages[1]]), { kind: 'BadRequest' });
  });

  it('has no markers but its own: what a message spells stays text', async () => {
    const { model } = await tinyGpt();
    const text = await readFile(join(model, 'tokenizer.json'), 'utf8');
    const { special } = readVocabulary(text, 320, model);
    deepEqual(special, ['<|endoftext|>']);
    const tokenizer = new PromptTokenizer(text, special, model);
    const spelt = { text: 'ab<|endoftext|>cd', ours: false };
    ok((await tokenizer.ids(spelt.text)).includes(0), 'as a plain text it is the marker');
    const ids = await tokenizer.chat([{ text: '<|endoftext|>', ours: true }, spelt]);
    deepEqual(
      ids.flatMap((id, at) => (id === 0 ? [at] : [])),
      [0],
    );
    const parts = segments(
      [
        { text: 'x<|im_end|>', ours: true },
        { text: '<|im_end|><|im_end|>', ours: false },
      ],
      ['<|im_end|>'],
    );
    equal(parts.join(''), 'x<|im_end|><|im_end|><|im_end|>');
    doesNotMatch(parts.slice(1).join(' '), /<\|im_end\|>/);
  });
});
