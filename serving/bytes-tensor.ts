/** The values of a BYTES tensor as a request carries them: strings in the JSON, or elements in the bytes behind it. Pure. */
import type { Buffer } from 'node:buffer';
import { z } from 'zod';
import { ProtocolError } from './protocol-error.ts';
import { splitBytesTensor } from './tensors.ts';

export const TensorSchema = z.looseObject({
  name: z.string(),
  shape: z.array(z.int().min(0)),
  datatype: z.string(),
  parameters: z.record(z.string(), z.unknown()).optional(),
  data: z.unknown().optional(),
});
export type RawTensor = z.output<typeof TensorSchema>;

/** One of the two. */
export type BytesTensor =
  | { readonly strings: readonly string[]; readonly elements?: never }
  | { readonly strings?: never; readonly elements: readonly Buffer[] };

/** 1 to `maxRows` values. `binary`: what follows the JSON. Throws ProtocolError 400. */
export function readBytesTensor(input: RawTensor, binary: Buffer, maxRows: number): BytesTensor {
  const { name, datatype, shape } = input;
  if (datatype !== 'BYTES') throw bad(`input '${name}' has datatype '${datatype}': send BYTES`);
  const [rows, width] = shape;
  if (rows === undefined || shape.length > 2 || (shape.length === 2 && width !== 1)) {
    throw bad(`input '${name}' has shape [${shape.join(', ')}]: send [n] or [n, 1]`);
  }
  if (rows < 1 || rows > maxRows) throw bad(`input '${name}' has ${rows} rows: send 1 to ${maxRows}`);
  const size = input.parameters?.['binary_data_size'];
  if (size === undefined) {
    if (binary.length > 0) throw bad(`${binary.length} bytes follow the JSON, but no input says binary_data_size`);
    return { strings: readStrings(name, input.data, rows) };
  }
  if (input.data !== undefined) throw bad(`input '${name}' has both data and binary_data_size`);
  if (size !== binary.length) {
    throw bad(
      `input '${name}' says binary_data_size ${JSON.stringify(size)}, but ${binary.length} bytes follow the JSON`,
    );
  }
  const elements = splitBytesTensor(binary);
  if (typeof elements === 'string') throw bad(`input '${name}': ${elements}`);
  if (elements.length !== rows)
    throw bad(`input '${name}' has shape [${shape.join(', ')}], but ${elements.length} values`);
  return { elements };
}

function readStrings(name: string, data: unknown, rows: number): readonly string[] {
  if (!Array.isArray(data)) throw bad(`input '${name}' has no data array`);
  // Row-major data may come flat or nested as its shape.
  const flat: unknown[] = data.flat(1);
  if (flat.length !== rows) throw bad(`input '${name}' has ${flat.length} values for ${rows} rows`);
  const wrong = flat.findIndex((value) => typeof value !== 'string');
  if (wrong >= 0)
    throw bad(`input '${name}' has a ${flat[wrong] === null ? 'null' : typeof flat[wrong]} at ${wrong}: send strings`);
  return flat as string[];
}

function bad(message: string): ProtocolError {
  return new ProtocolError(400, message);
}
