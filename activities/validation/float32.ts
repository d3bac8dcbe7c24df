/** Arrays of little-endian float32: the form in which embeddings and probabilities are kept, on every machine. */
export function float32ToBytes(values: Float32Array): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (let index = 0; index < values.length; index++) bytes.writeFloatLE(values[index]!, index * 4);
  return bytes;
}

/** The whole numbers in `bytes`; a rest of one to three bytes is left out, so callers check the length they expect. */
export function float32FromBytes(bytes: Buffer): Float32Array {
  const values = new Float32Array(Math.floor(bytes.length / 4));
  for (let index = 0; index < values.length; index++) values[index] = bytes.readFloatLE(index * 4);
  return values;
}
