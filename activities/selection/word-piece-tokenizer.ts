/** The tokenizer.json of a BERT of which only the vocabulary is there: what transformers' BertTokenizer makes of it. */
import { EspalierError } from '../../artifacts/errors.ts';

/** Google's, in every release. */
const SPECIAL = { pad: '[PAD]', unknown: '[UNK]', start: '[CLS]', end: '[SEP]', mask: '[MASK]' } as const;
const BRACKETED = /^\[[^\]]+\]$/;

/** What a `tokenizer_config.json` says of how texts are normalised. */
export interface Normalising {
  readonly lowercase?: boolean;
  /** Where nobody says it, as `lowercase`. */
  readonly stripAccents?: boolean;
  readonly handleChineseChars?: boolean;
}

/**
 * `vocabulary`: of `vocab.txt`, a token a line; a token's number is its line's. `lowercase`, where nobody says it, is what
 * the vocabulary was made of: with no capital letter in it, a text that kept its own would be unknown words. Throws BadModel
 * without one of BERT's special tokens.
 */
export function wordPieceTokenizer(
  vocabulary: string,
  { lowercase, stripAccents, handleChineseChars = true }: Normalising = {},
): object {
  const lines = vocabulary.replace(/\n$/, '').split('\n');
  const ids = new Map(lines.map((line, id) => [line.trimEnd(), id]));
  const idOf = (token: string): number => {
    const id = ids.get(token);
    if (id !== undefined) return id;
    throw new EspalierError('BadModel', `vocab.txt has no ${token}: it is no vocabulary of a BERT`, {
      where: 'vocab.txt',
      fix: 'put the tokenizer.json of the model into the folder: AutoTokenizer…save_pretrained(folder)',
    });
  };
  const part = (token: string, type: number) => ({ SpecialToken: { id: token, type_id: type } });
  const text = (name: 'A' | 'B', type: number) => ({ Sequence: { id: name, type_id: type } });
  const single = [part(SPECIAL.start, 0), text('A', 0), part(SPECIAL.end, 0)];
  const around = [SPECIAL.start, SPECIAL.end].map((token) => [
    token,
    { id: token, ids: [idOf(token)], tokens: [token] },
  ]);
  const added = Object.values(SPECIAL).map((content) => ({ content, id: idOf(content), ...PLAIN }));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.toSorted((left, right) => left.id - right.id),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: handleChineseChars,
      strip_accents: stripAccents ?? null,
      lowercase: lowercase ?? !hasCapitals(ids.keys()),
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, text('B', 1), part(SPECIAL.end, 1)],
      special_tokens: Object.fromEntries(around),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: SPECIAL.unknown,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
}

const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

/** [CLS], [unused1] and their like stand in every vocabulary. */
function hasCapitals(tokens: Iterable<string>): boolean {
  for (const token of tokens) if (!BRACKETED.test(token) && token.toLowerCase() !== token) return true;
  return false;
}
