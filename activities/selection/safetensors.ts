/**
 * Our own check of a safetensors file before anything else opens it: the header is read, never the weights.
 * The rules are the format's own (huggingface/safetensors, README "Format"): 8 bytes little-endian header length, a JSON
 * header, then one buffer that the tensors cover exactly, without gap, overlap or remainder, so that no bytes can hide.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { EspalierError } from '../../artifacts/errors.ts';
import { hasDuplicateKeys } from './duplicate-keys.ts';
import { boundsFault, SAFETENSORS_HEADER } from './json-bounds.ts';

export interface SafetensorsSummary {
  /** Numbers in all tensors together. */
  readonly parameters: number;
  readonly tensors: number;
  /** Bytes of the weights, without the header. */
  readonly bytes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own limit (100 MB), there so that a lying length cannot exhaust the reader's memory. */
const MAX_HEADER_BYTES = 100_000_000;

/** Bits a number, by dtype (safetensors 0.8). */
const BITS: Readonly<Record<string, number>> = {
  BOOL: 8, U8: 8, I8: 8, F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8,
  I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32, I64: 64, U64: 64, F64: 64, C64: 64,
  F4: 4, F6_E2M3: 6, F6_E3M2: 6,
}; // prettier-ignore

/** A tensor in its file: `bytes` from `start`. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly bytes: number;
}

/** Checks the file at `path`; `name` is what errors call it. Throws UnsafeModel saying what is wrong with it. */
export async function checkSafetensors(path: string, name = path): Promise<SafetensorsSummary> {
  return (await readSafetensors(path, name)).summary;
}

/** The same, and where its tensors lie. */
export async function readSafetensors(
  path: string,
  name = path,
): Promise<{ readonly summary: SafetensorsSummary; readonly tensors: readonly StoredTensor[] }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const header = await readHeader(file, size, name);
    const { summary, tensors } = checkHeader(header.text, size - header.bytes, name);
    const stored = tensors.map(({ begin, end, ...tensor }) => ({
      ...tensor,
      start: header.bytes + begin,
      bytes: end - begin,
    }));
    return { summary, tensors: stored };
  } finally {
    await file.close();
  }
}

async function readHeader(file: FileHandle, size: number, name: string): Promise<{ text: string; bytes: number }> {
  if (size < 8) throw unsafe(name, `truncated: ${size} bytes do not even hold the header's length`);
  const length = Number((await readExactly(file, 0, 8)).readBigUInt64LE());
  if (length > MAX_HEADER_BYTES) {
    throw unsafe(name, `its header claims ${length} bytes, more than the format's limit of ${MAX_HEADER_BYTES}`);
  }
  if (8 + length > size) throw unsafe(name, `truncated: its header claims ${length} bytes and the file has ${size}`);
  const bytes = await readExactly(file, 8, length);
  const tooLarge = boundsFault(bytes, SAFETENSORS_HEADER);
  if (tooLarge !== null) throw unsafe(name, `its header ${tooLarge}`);
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), bytes: 8 + length };
  } catch {
    throw unsafe(name, 'its header is not UTF-8');
  }
}

async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw new Error('the file became shorter while it was read');
    done += bytesRead;
  }
  return buffer;
}

interface Tensor extends Pick<StoredTensor, 'name' | 'dtype' | 'shape'> {
  readonly begin: number;
  readonly end: number;
}

function checkHeader(
  text: string,
  dataBytes: number,
  name: string,
): { readonly summary: SafetensorsSummary; readonly tensors: readonly Tensor[] } {
  const header = parseObject(text, name);
  const { __metadata__: metadata = {}, ...entries } = header;
  if (!isStringMap(metadata)) throw unsafe(name, '__metadata__ is not a map of strings');
  const tensors = Object.entries(entries).map(([tensor, entry]) => readTensor(tensor, entry, name));
  if (tensors.length === 0) throw unsafe(name, 'it holds no tensors');
  tensors.sort((left, right) => left.begin - right.begin || left.end - right.end);
  let covered = 0;
  for (const tensor of tensors) {
    const called = tensor.name.slice(0, 120);
    if (tensor.begin < covered) throw unsafe(name, `tensor '${called}' overlaps the one before it`);
    if (tensor.begin > covered) {
      throw unsafe(name, `${tensor.begin - covered} bytes before tensor '${called}' belong to no tensor`);
    }
    covered = tensor.end;
  }
  if (covered > dataBytes) throw unsafe(name, `truncated: its tensors need ${covered} bytes and it has ${dataBytes}`);
  if (covered < dataBytes) throw unsafe(name, `${dataBytes - covered} bytes after the last tensor belong to no tensor`);
  const parameters = tensors.reduce((sum, tensor) => sum + numbersOf(tensor.shape), 0);
  return { summary: { parameters, tensors: tensors.length, bytes: covered, metadata }, tensors };
}

function parseObject(text: string, name: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw unsafe(name, `its header is not JSON: ${(error as Error).message.slice(0, 120)}`);
  }
  if (!text.startsWith('{') || !isObject(header)) throw unsafe(name, 'its header is not a JSON object');
  // Two readers could take different ones of two equal keys: what was checked must be what is loaded.
  if (hasDuplicateKeys(text)) throw unsafe(name, 'its header names a key twice');
  return header;
}

function readTensor(tensor: string, entry: unknown, name: string): Tensor {
  const wrong = (what: string): EspalierError => unsafe(name, `tensor '${tensor.slice(0, 120)}' ${what}`);
  if (!isObject(entry)) throw wrong('is not described by an object');
  const { dtype, shape, data_offsets: offsets, ...rest } = entry;
  if (Object.keys(rest).length > 0) throw wrong(`has an unknown field '${Object.keys(rest)[0]?.slice(0, 40)}'`);
  const bits = typeof dtype === 'string' && Object.hasOwn(BITS, dtype) ? BITS[dtype] : undefined;
  if (bits === undefined) throw wrong(`has the unknown dtype ${JSON.stringify(dtype)?.slice(0, 40)}`);
  if (!isCounts(shape)) throw wrong('has a shape that is not a list of sizes');
  if (!isCounts(offsets) || offsets.length !== 2) throw wrong('has no two data offsets');
  const [begin = 0, end = 0] = offsets;
  const parameters = numbersOf(shape);
  const bytes = (parameters * bits) / 8;
  if (!Number.isSafeInteger(parameters) || !Number.isSafeInteger(bytes)) throw wrong('has an impossible size');
  if (end - begin !== bytes) {
    throw wrong(
      `lies about its size: ${String(dtype)} [${shape.join(', ').slice(0, 120)}] needs ${bytes} bytes, its offsets span ${end - begin}`,
    );
  }
  return { name: tensor, dtype: String(dtype), shape, begin, end };
}

function numbersOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStringMap(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((entry) => typeof entry === 'string');
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && (entry as number) >= 0);
}

function unsafe(where: string, what: string): EspalierError {
  return new EspalierError('UnsafeModel', `${where} is not a sound safetensors file: ${what}`, {
    where,
    fix: 'download it again, or save the model again with safetensors',
  });
}
