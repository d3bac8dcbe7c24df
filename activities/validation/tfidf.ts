/**
 * Words weighed by how rare they are: what scikit-learn's TfidfVectorizer gives with its defaults (lower case, words of two
 * and more letters or digits, smoothed idf, rows of length 1), against whose figures it is tested. Pure.
 */

/** Rows of few columns: row r holds `columns` and `values` from `starts[r]` to `starts[r + 1]`. */
export interface SparseRows {
  readonly starts: Uint32Array;
  readonly columns: Uint32Array;
  readonly values: Float64Array;
  /** Number of columns. */
  readonly width: number;
}

export interface Vocabulary {
  readonly columnOf: ReadonlyMap<string, number>;
  readonly idf: Float64Array;
}

/** Different words kept, the most frequent: what a text's rarest words say is too little to learn from. */
const MOST_WORDS = 20_000;

export function words(text: string): readonly string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}\p{M}_]{2,}/gu) ?? [];
}

/** Of the training texts alone: idf = ln((1 + texts) / (1 + texts with the word)) + 1. */
export function learnVocabulary(texts: readonly string[], most = MOST_WORDS): Vocabulary {
  const holders = new Map<string, number>();
  for (const text of texts) for (const word of new Set(words(text))) holders.set(word, (holders.get(word) ?? 0) + 1);
  const kept = [...holders].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, most);
  return {
    columnOf: new Map(kept.map(([word], column) => [word, column])),
    idf: Float64Array.from(kept, ([, count]) => Math.log((1 + texts.length) / (1 + count)) + 1),
  };
}

/** Unknown words are left out; a text without a known one is a row of zeros. */
export function vectorise(texts: readonly string[], { columnOf, idf }: Vocabulary): SparseRows {
  const starts = new Uint32Array(texts.length + 1);
  const columns: number[] = [];
  const values: number[] = [];
  for (const [row, text] of texts.entries()) {
    const counts = new Map<number, number>();
    for (const word of words(text)) {
      const column = columnOf.get(word);
      if (column !== undefined) counts.set(column, (counts.get(column) ?? 0) + 1);
    }
    const weighed = [...counts].map(([column, count]) => [column, count * idf[column]!] as const);
    const length = Math.hypot(...weighed.map(([, value]) => value));
    for (const [column, value] of weighed) {
      columns.push(column);
      values.push(value / length);
    }
    starts[row + 1] = columns.length;
  }
  return {
    starts,
    columns: Uint32Array.from(columns),
    values: Float64Array.from(values),
    width: idf.length,
  };
}
