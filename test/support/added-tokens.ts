/** The special tokens of a `tokenizer.json`, by their places in the vocabulary. */
export const addedTokens = (special: readonly string[]) =>
  special.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
