/**
 * Bounds on a stranger's JSON before anything parses it: a hundred megabytes of `{},` become gigabytes of objects. One
 * pass over the bytes, without a copy of them.
 */
const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

export interface JsonBounds {
  /** Lists and objects within each other. */
  readonly depth: number;
  /** Opening brackets, commas and colons: what becomes values in memory. */
  readonly tokens: number;
}

/** The largest tokenizers known (vocabularies of 262,144 with merges as pairs) have 2.3 million tokens. */
export const MODEL_JSON: JsonBounds = { depth: 64, tokens: 6_000_000 };
/** A header is tensors of lists, about 14 tokens each: room for 280,000 tensors. */
export const SAFETENSORS_HEADER: JsonBounds = { depth: 3, tokens: 4_000_000 };

/** What makes the text too large to parse, or null. It need not be JSON. */
export function boundsFault(json: Uint8Array, bounds: JsonBounds): string | null {
  let depth = 0;
  let tokens = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === QUOTE) {
      for (at++; at < json.length && json[at] !== QUOTE; at++) if (json[at] === BACKSLASH) at++;
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      tokens++;
      if (++depth > bounds.depth) return `nests more than ${bounds.depth} levels deep`;
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
    else if (byte === COMMA || byte === COLON) tokens++;
    if (tokens > bounds.tokens) return `holds more than ${bounds.tokens} values and keys`;
  }
  return null;
}
