import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TextPair } from '../../inference/texts.ts';
import { TextTokenizer } from '../../inference/tokenizer.ts';
import { addedTokens } from '../support/added-tokens.ts';
import { pythonForTests } from '../support/python.ts';
import { tinyGpt } from '../support/tiny-gpt.ts';

/** Strings on which tokenizers are known to disagree: each has broken some implementation. */
const HARD: Readonly<Record<string, string>> = {
  empty: '',
  blank: ' \t\r\n\u00a0\u2003 ',
  accents: 'Crème brûlée naïve Ångström ÅNGSTRÖM',
  combining: 'e\u0301 a\u0308\u0323 Z\u0300\u0301\u0302\u0303 \u1e9b\u0323',
  emoji: '😀😃 ❤️ 👍🏽 🇩🇪🇫🇷 x😀y',
  zwj: '👩‍👩‍👧‍👦 👨🏿‍🚀 🏳️‍🌈 a\u200db \u200c\u200b',
  cjk: '我想退款 東京タワー 한국어 ﾊﾝｶｸ',
  cjkExtensionB: '𠀀𠀁 a𠮷b 𪜀 𫝀 丽',
  rtl: 'أريد استرداد أموالي שָׁלוֹם \u202eabc\u202c',
  thai: 'ฉันต้องการเงินคืน',
  devanagari: 'मुझे धनवापसी चाहिए क्षि',
  finalSigma: 'ΟΔΥΣΣΕΥΣ ΣΑΣ Σ ας',
  turkish: 'İstanbul IĞDIR ıi',
  sharpS: 'STRASSE ẞ ß ﬁ ﬂ ǅ',
  control: 'a\u0000b\u0001c\u0007d\u007fe\u0085f\ufeffg\ufffdh\u00adi',
  privateUse: 'x\ue000y\u{f0000}z\u{10ffff}',
  loneSurrogate: 'a\ud800b \udc00',
  special: 'a [SEP] b [CLS][PAD] [MASK][UNK] [sep] <s> </s> ##ing',
  punctuation: '...!!!¿¡—–“”‘’«»…·•‰€£¥©®™ $5.99 a_b a-b',
  mathematical: '𝐁𝐨𝐥𝐝 𝒮𝒸𝓇𝒾𝓅𝓉 ½ ² ⅷ Ⅷ ∑∫',
  unicode15: '\u{1FAE8} \u{1FAF8} \u{11F00} \u{1F6DC}',
  longWord: 'x'.repeat(101) + ' ' + 'ab'.repeat(60),
  long: 'Where is my card? 我的卡在哪里 😀 '.repeat(3500),
};

/** A WordPiece tokenizer as BERT has it; small, but with every branch of its normaliser switched on. */
function bertTokenizer(vocabulary: readonly string[]): unknown {
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  const tokens = [...new Set([...special, ...vocabulary])];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(special),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 1 } },
        { SpecialToken: { id: '[SEP]', type_id: 1 } },
      ],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  };
}

/**
 * A Unigram tokenizer as XLM-R, CamemBERT, ALBERT and DeBERTa have it, but for the compiled table of characters, which
 * normal forms stand for. Scores differ by piece and favour longer ones, so the best path of a text is one of many.
 */
function unigramTokenizer(texts: readonly string[]): unknown {
  const special = ['<s>', '<pad>', '</s>', '<unk>'];
  const words = texts.flatMap((text) => text.normalize('NFKC').slice(0, 2000).split(/\s+/u));
  const parts = words.flatMap((word) => {
    const characters = Array.from(`▁${wellFormed(word)}`);
    return characters.flatMap((_, at) => [1, 2, 3, 5].map((length) => characters.slice(at, at + length).join('')));
  });
  // A third is missing: what has no piece is unknown, and unknown characters that stand together are one token.
  const pieces = [...new Set(parts)].filter((piece, at) => !special.includes(piece) && at % 3 !== 0);
  const scored = pieces.map((piece, at) => [piece, -8 - (at % 17) / 4 + Math.min(piece.length, 4)] as const);
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(special),
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }],
    },
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      pair: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      special_tokens: {
        '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] },
        '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] },
      },
    },
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    model: { type: 'Unigram', unk_id: 3, vocab: [...special.map((token) => [token, 0] as const), ...scored] },
  };
}

/**
 * Every character of the hard strings, in every case and normal form, alone and as a continuation: whatever a
 * normaliser makes of a character has an id of its own, so a difference cannot hide behind [UNK].
 */
function vocabularyOf(texts: readonly string[]): string[] {
  const characters = new Set<string>();
  for (const text of texts) {
    for (const form of [text, text.toLowerCase(), text.toUpperCase()]) {
      for (const normal of [form, form.normalize('NFD'), form.normalize('NFC')]) {
        for (const character of wellFormed(normal)) characters.add(character);
      }
    }
  }
  return [...characters].flatMap((character) => [character, `##${character}`]);
}

/** A lone surrogate has no UTF-8 form: it becomes U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

const PYTHON = `
import json, sys
from tokenizers import Tokenizer
request = json.load(sys.stdin)
tokenizer = Tokenizer.from_file(request["file"])
tokenizer.no_padding()
tokenizer.enable_truncation(request["maxLength"])
json.dump([tokenizer.encode(text).ids for text in request["texts"]], sys.stdout)
`;

/** By the trainer's own code: how pairs are cut is its. */
const PYTHON_PAIRS = `
import json, sys
sys.path.insert(0, "workers/trainer")
from tokenizers import Tokenizer
from espalier_trainer.data import encode
request = json.load(sys.stdin)
tokenizer = Tokenizer.from_file(request["file"])
pairs = [tuple(pair) for pair in request["pairs"]]
encoded = [[{"ids": one.ids, "types": one.type_ids} for one in encode(tokenizer, pairs, limit)] for limit in request["maxLengths"]]
json.dump(encoded, sys.stdout)
`;

function askPython<Answer>(python: string, program: string, request: object): Answer {
  const input = JSON.stringify(request);
  const child = spawnSync(python, ['-c', program], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(child.status, 0, child.stderr);
  return JSON.parse(child.stdout) as Answer;
}

function idsByPython(python: string, file: string, texts: readonly string[], maxLength: number): number[][] {
  return askPython(python, PYTHON, { file, maxLength, texts: texts.map(wellFormed) });
}

async function assertSameIds(file: string, python: string, maxLength: number): Promise<number> {
  const names = Object.keys(HARD);
  const texts = Object.values(HARD);
  const expected = idsByPython(python, file, texts, maxLength);
  const tokenizer = await TextTokenizer.load(file, maxLength);
  let tokens = 0;
  for (const [index, text] of texts.entries()) {
    const ids = await tokenizer.ids(text);
    assert.deepEqual(ids, expected[index], `'${names[index]}' differs`);
    tokens += ids.length;
  }
  return tokens;
}

/** Every hard string beside the two after it; a long one in either place. */
function hardPairs(): readonly TextPair[] {
  const texts = Object.values(HARD).map((text) => text.slice(0, 2000));
  const pairs = texts.flatMap((text, index): TextPair[] =>
    [1, 2].map((step) => [text, texts[(index + step) % texts.length]!]),
  );
  return [...pairs, ['', ''], ['a b c d e f', 'a b c d e f g']];
}

async function assertSamePairs(file: string, python: string, maxLengths: readonly number[]): Promise<void> {
  const pairs = hardPairs();
  const asked = pairs.map(([text, pair]) => [wellFormed(text), wellFormed(pair)]);
  type Encoded = { readonly ids: readonly number[]; readonly types: readonly number[] };
  const expected = askPython<Encoded[][]>(python, PYTHON_PAIRS, { file, maxLengths, pairs: asked });
  for (const [place, maxLength] of maxLengths.entries()) {
    const tokenizer = await TextTokenizer.load(file, maxLength);
    for (const [index, pair] of pairs.entries()) {
      const [batch] = await tokenizer.encode([pair], 1e9);
      const found = { ids: [...batch!.ids].map(Number), types: [...batch!.types].map(Number) };
      assert.deepEqual(found, expected[place]![index], `${JSON.stringify(pair).slice(0, 80)} within ${maxLength}`);
    }
  }
}

describe('the Node tokenizer', function () {
  let directory: string;
  let file: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'espalier-tokenizer-'));
    file = join(directory, 'tokenizer.json');
    await writeFile(file, JSON.stringify(bertTokenizer(vocabularyOf(Object.values(HARD)))));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it('gives the ids of the Python tokenizer for every hard string, long ones whole', async () => {
    const python = pythonForTests().executable;
    const tokens = await assertSameIds(file, python, 1_000_000);
    assert.ok(tokens > 70_000, 'the long text was not cut');
  });

  it('cuts long texts at the same token as the Python tokenizer', async () => {
    await assertSameIds(file, pythonForTests().executable, 16);
  });

  it('joins pairs as the Python tokenizer does, whole and cut, ids and types alike', async () => {
    await assertSamePairs(file, pythonForTests().executable, [1_000_000, 17, 16, 8]);
  });

  it('cuts the longer text of a pair first', async () => {
    const tokenizer = await TextTokenizer.load(file, 9);
    const [a, b] = [(await tokenizer.ids('a')).at(1)!, (await tokenizer.ids('b')).at(1)!];
    assert.deepEqual(await tokenizer.ids(['a a', 'b b b b b b']), [2, a, a, 3, b, b, b, b, 3]);
    assert.deepEqual(await tokenizer.ids(['a a a a a a', 'b b b b b b']), [2, a, a, a, 3, b, b, b, 3]);
  });

  it('[real-data] joins pairs as the Python tokenizer does with a real vocabulary', async function () {
    const data = process.env['ESPALIER_TEST_DATA'] ?? this.skip();
    const real = join(directory, 'pairs.json');
    await copyFile(join(data, 'models/derived/minilm-tiny-l4-h128-v8k/tokenizer.json'), real);
    await assertSamePairs(real, pythonForTests().executable, [128, 21]);
  });

  it('[real-data] gives the ids of the Python tokenizer with a real vocabulary', async function () {
    const data = process.env['ESPALIER_TEST_DATA'] ?? this.skip();
    const real = join(directory, 'real.json');
    await copyFile(join(data, 'models/derived/minilm-tiny-l4-h128-v8k/tokenizer.json'), real);
    await assertSameIds(real, pythonForTests().executable, 1_000_000);
  });

  it('gives the ids of the Python tokenizer for byte-level pairs, as generators have them', async () => {
    const { model } = await tinyGpt();
    await assertSameIds(join(model, 'tokenizer.json'), pythonForTests().executable, 1_000_000);
  });

  it('[real-data] gives the ids of the Python tokenizer for SentencePiece-like pairs with single bytes', async function () {
    const data = process.env['ESPALIER_TEST_DATA'] ?? this.skip();
    const real = join(data, 'models/karpathy/tinyllamas-stories260K/tokenizer.json');
    await assertSameIds(real, pythonForTests().executable, 1_000_000);
  });

  it('gives the ids of the Python tokenizer for Unigram pieces, and joins pairs as it does', async () => {
    const unigram = join(directory, 'unigram.json');
    await writeFile(unigram, JSON.stringify(unigramTokenizer(Object.values(HARD))));
    const python = pythonForTests().executable;
    await assertSameIds(unigram, python, 1_000_000);
    await assertSameIds(unigram, python, 16);
    await assertSamePairs(unigram, python, [1_000_000, 17]);
    const tokenizer = await TextTokenizer.load(unigram, 1_000_000);
    const ids = (await Promise.all(Object.values(HARD).map((text) => tokenizer.ids(text)))).flat();
    assert.ok(ids.includes(3), 'some characters have no piece');
    assert.ok(new Set(ids).size > 100, `${new Set(ids).size} pieces were met`);
  });

  it('reads a special token spelled in a text as that token, as the Python tokenizer does', async () => {
    const tokenizer = await TextTokenizer.load(file, 64);
    assert.deepEqual(await tokenizer.ids('[SEP][CLS]'), [2, 3, 2, 3]);
    assert.deepEqual(await tokenizer.ids(''), [2, 3]);
  });

  it('pads a batch to its longest text and masks the padding', async () => {
    const tokenizer = await TextTokenizer.load(file, 64);
    const [batch] = await tokenizer.encode(['', 'a b c'], 1000);
    assert.equal(batch?.rows, 2);
    assert.equal(batch.length, 5);
    assert.deepEqual([...batch.ids.subarray(0, 5)], [2n, 3n, 0n, 0n, 0n]);
    assert.deepEqual([...batch.mask], [1n, 1n, 0n, 0n, 0n, 1n, 1n, 1n, 1n, 1n]);
    assert.deepEqual(
      [...batch.types],
      Array.from({ length: 10 }, () => 0n),
    );
  });

  it('keeps the order and the token budget when it splits texts into batches', async () => {
    const tokenizer = await TextTokenizer.load(file, 64);
    const batches = await tokenizer.encode(['a', 'a b', 'a b c d e f', 'a', 'a'], 12);
    assert.deepEqual(
      batches.map((batch) => [batch.rows, batch.length]),
      [
        [2, 4],
        [1, 8],
        [2, 3],
      ],
    );
  });

  it('names the file when tokenizer.json is missing or broken', async () => {
    await assert.rejects(TextTokenizer.load(join(directory, 'absent.json'), 8), {
      kind: 'BadModel',
      where: join(directory, 'absent.json'),
    });
    const broken = join(directory, 'broken.json');
    await writeFile(broken, '{"version": "1.0"');
    await assert.rejects(TextTokenizer.load(broken, 8), { kind: 'BadModel', where: broken });
  });
});
