/** The head of one protobuf field, read strictly: what lenient readers take differently is no field at all. */

export interface ProtobufField {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes; groups are not read. */
  readonly type: number;
  readonly headBytes: number;
  readonly bodyBytes: number;
}

export const LENGTH_DELIMITED = 2;
/** Room for a tag and the longest varint. */
export const FIELD_HEAD_BYTES = 20;

/** The field whose head begins at `at`, of which FIELD_HEAD_BYTES (or all up to the end) must be there; undefined: it is none. */
export function protobufField(bytes: Uint8Array, at = 0): ProtobufField | undefined {
  const tag = varint(bytes, at, 5);
  if (tag === undefined || tag.value >= 2 ** 32 || tag.value < 8) return undefined;
  const type = tag.value % 8;
  const number = Math.floor(tag.value / 8);
  if (type === 1 || type === 5) return { number, type, headBytes: tag.bytes, bodyBytes: type === 1 ? 8 : 4 };
  if (type !== 0 && type !== LENGTH_DELIMITED) return undefined;
  // A length has 32 bits in every reader.
  const next = varint(bytes, at + tag.bytes, type === 0 ? 10 : 5);
  if (next === undefined) return undefined;
  return { number, type, headBytes: tag.bytes + next.bytes, bodyBytes: type === 0 ? 0 : next.value };
}

function varint(bytes: Uint8Array, at: number, maxBytes: number): { value: number; bytes: number } | undefined {
  let value = 0;
  let scale = 1;
  for (let index = 0; index < maxBytes; index++) {
    const byte = bytes[at + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) return { value, bytes: index + 1 };
  }
  return undefined;
}
