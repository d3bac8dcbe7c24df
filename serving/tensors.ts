/** Tensor bytes of the binary extension: little-endian; a BYTES element is its length (uint32) and its bytes. Pure. */
import { Buffer } from 'node:buffer';
import { endianness } from 'node:os';

/** The strings of a BYTES tensor, or what is wrong with the bytes. */
export function decodeBytesTensor(bytes: Buffer): string[] | string {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const texts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 4 > bytes.length) return `truncated length of element ${texts.length}`;
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length) return `element ${texts.length} ends at byte ${end} of ${bytes.length}`;
    try {
      texts.push(utf8.decode(bytes.subarray(at + 4, end)));
    } catch {
      return `element ${texts.length} is not UTF-8`;
    }
    at = end;
  }
  return texts;
}

export function encodeBytesTensor(texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const bytes = Buffer.from(text, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** float32, little-endian. */
export function encodeFloats(values: Float32Array): Buffer {
  const bytes = Buffer.from(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength));
  return endianness() === 'LE' ? bytes : bytes.swap32();
}
