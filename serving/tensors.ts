/** Tensor bytes of the binary extension: little-endian; a BYTES element is its length (uint32) and its bytes. Pure. */
import { Buffer } from 'node:buffer';
import { endianness } from 'node:os';

/** The elements of a BYTES tensor (views of `bytes`), or what is wrong with the bytes. */
export function splitBytesTensor(bytes: Buffer): Buffer[] | string {
  const elements: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + 4 > bytes.length) return `truncated length of element ${elements.length}`;
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length) return `element ${elements.length} ends at byte ${end} of ${bytes.length}`;
    elements.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return elements;
}

export function encodeBytesTensor(values: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    values.flatMap((value) => {
      const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
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
