import assert from 'node:assert/strict';
import { wordPieceTokenizer } from '../../activities/selection/word-piece-tokenizer.ts';

const SPECIAL = ['[PAD]', '[unused1]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
interface Made {
  readonly normalizer: { readonly lowercase: boolean };
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
  readonly model: { readonly vocab: Readonly<Record<string, number>> };
}
const made = (words: readonly string[], lowercase?: boolean): Made =>
  wordPieceTokenizer(`${[...SPECIAL, ...words].join('\n')}\n`, lowercase) as Made;

describe('the tokenizer of a vocabulary', () => {
  it('keeps capitals where the vocabulary has any, unless somebody says otherwise', () => {
    assert.equal(made(['the', 'ünder', '##s', '[unused2]', '東', 'İ'.toLowerCase()]).normalizer.lowercase, true);
    assert.equal(made(['the', 'The']).normalizer.lowercase, false);
    assert.equal(made(['the', '##É']).normalizer.lowercase, false);
    assert.equal(made(['the', 'The'], true).normalizer.lowercase, true);
    assert.equal(made(['the'], false).normalizer.lowercase, false);
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
});
