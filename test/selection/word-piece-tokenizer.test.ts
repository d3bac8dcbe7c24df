import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeGoogleBert } from '../../activities/selection/google-bert.ts';
import { wordPieceTokenizer, type Normalising } from '../../activities/selection/word-piece-tokenizer.ts';

const SPECIAL = ['[PAD]', '[unused1]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
interface Made {
  readonly normalizer: Readonly<Record<'lowercase' | 'strip_accents' | 'handle_chinese_chars', boolean | null>>;
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
  readonly model: { readonly vocab: Readonly<Record<string, number>> };
}
const made = (words: readonly string[], normalising?: Normalising): Made =>
  wordPieceTokenizer(`${[...SPECIAL, ...words].join('\n')}\n`, normalising) as Made;

describe('the tokenizer of a vocabulary', () => {
  it('keeps capitals where the vocabulary has any, unless somebody says otherwise', () => {
    assert.equal(made(['the', 'ünder', '##s', '[unused2]', '東', 'İ'.toLowerCase()]).normalizer.lowercase, true);
    assert.equal(made(['the', 'The']).normalizer.lowercase, false);
    assert.equal(made(['the', '##É']).normalizer.lowercase, false);
    assert.equal(made(['the', 'The'], { lowercase: true }).normalizer.lowercase, true);
    assert.equal(made(['the'], { lowercase: false }).normalizer.lowercase, false);
  });

  it('keeps accents and leaves Chinese characters together only where somebody says so', () => {
    const usual = made(['the']).normalizer;
    assert.deepEqual([usual.strip_accents, usual.handle_chinese_chars], [null, true]);
    const said = made(['the'], { stripAccents: false, handleChineseChars: false }).normalizer;
    assert.deepEqual([said.strip_accents, said.handle_chinese_chars, said.lowercase], [false, false, true]);
  });

  it('numbers tokens by their lines, whatever they are called, and ends lines as either system does', () => {
    const { vocab } = made(['__proto__', 'constructor\r', '7', 'twice', 'twice']).model;
    assert.deepEqual(
      Object.entries(vocab)
        .toSorted(([, left], [, right]) => left - right)
        .slice(6),
      [
        ['__proto__', 6],
        ['constructor', 7],
        ['7', 8],
        ['twice', 10],
      ],
    );
    assert.deepEqual(
      made([]).added_tokens.map(({ id, content }) => [id, content]),
      [0, 2, 3, 4, 5].map((id) => [id, SPECIAL[id]]),
    );
  });

  it('is none without the tokens that BERT reads as marks', () => {
    assert.throws(() => wordPieceTokenizer('[PAD]\n[UNK]\n[SEP]\n[MASK]\nthe\n'), {
      kind: 'BadModel',
      message: /vocab\.txt has no \[CLS\]/,
    });
    assert.throws(() => wordPieceTokenizer(''), { kind: 'BadModel', message: /vocab\.txt has no \[CLS\]/ });
  });

  it('is made in a folder as its tokenizer_config.json says, which may be neither a number nor a word', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-vocabulary-'));
    try {
      await writeFile(join(folder, 'vocab.txt'), `${[...SPECIAL, 'the', 'The'].join('\n')}\n`);
      const says = (settings: object): Promise<void> =>
        writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(settings));
      await says({ strip_accents: 'no' });
      await assert.rejects(completeGoogleBert(folder), {
        kind: 'BadModel',
        message: /has a strip_accents that is neither true nor false/,
      });
      await says({ do_lower_case: true, strip_accents: false, tokenize_chinese_chars: false });
      await completeGoogleBert(folder);
      const { normalizer } = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as Made;
      assert.deepEqual(
        [normalizer.lowercase, normalizer.strip_accents, normalizer.handle_chinese_chars],
        [true, false, false],
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
