/** What the files of weights say of themselves: safetensors' `__metadata__`, ONNX's `metadata_props`. Headers only, bounded. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import protobuf from 'protobufjs/minimal.js';
import { FIELD_HEAD_BYTES, LENGTH_DELIMITED, protobufField } from './protobuf-field.ts';
import { decodeUtf8 } from './strangers-yaml.ts';

/** Entries of one file that may state terms, as they stand there. */
export interface WeightsMetadata {
  readonly path: string;
  readonly entries: Readonly<Record<string, string>>;
}

/** Names of a file's entries that say something about terms. */
export const ABOUT_TERMS = /licen[cs]e/i;
/** Headers of real models have a few hundred KB; a longer one is not read, and refused with the file elsewhere. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const MAX_ENTRY_BYTES = 64 * 1024;
const MAX_FIELDS = 10_000;

export function holdsMetadata(path: string): boolean {
  return /\.(safetensors|onnx)$/i.test(path);
}

/**
 * The entries about terms of the file at `path`. A file that cannot be read as what its name says states nothing: whether
 * it may be loaded at all is judged elsewhere. `undefined`: it says more than is read, so what it says is not known.
 */
export function readWeightsMetadata(name: string, path: string): WeightsMetadata | undefined {
  const file = openSync(path, 'r');
  try {
    const size = fstatSync(file).size;
    const read = (from: number, length: number): Buffer => {
      const buffer = Buffer.alloc(Math.min(length, Math.max(0, size - from)));
      return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, from));
    };
    const entries = name.toLowerCase().endsWith('.onnx') ? onnxEntries(read, size) : safetensorsEntries(read, size);
    return entries && { path: name, entries };
  } finally {
    closeSync(file);
  }
}

type Read = (from: number, length: number) => Buffer;
type Entries = Readonly<Record<string, string>>;
const NONE: Entries = {};

function safetensorsEntries(read: Read, size: number): Entries | undefined {
  if (size < 8) return NONE;
  const length = read(0, 8).readBigUInt64LE();
  if (length > BigInt(size - 8)) return NONE;
  if (length > BigInt(MAX_HEADER_BYTES)) return undefined;
  return safetensorsTerms(read(8, Number(length)));
}

/** From the bytes of a safetensors header. */
export function safetensorsTerms(header: Uint8Array): Entries {
  try {
    const { __metadata__: metadata } = JSON.parse(decodeUtf8(header) ?? '') as { __metadata__?: unknown };
    return aboutTerms(Object.entries(metadata ?? {}));
  } catch {
    return NONE;
  }
}

/** ModelProto, field 14: `StringStringEntryProto { key = 1; value = 2 }` (onnx.proto). The graph is passed over, not read. */
const METADATA_PROPS = 14;

function onnxEntries(read: Read, size: number): Entries | undefined {
  const found: [string, unknown][] = [];
  let at = 0;
  for (let field = 0; at < size; field += 1) {
    if (field >= MAX_FIELDS) return undefined;
    const next = protobufField(read(at, FIELD_HEAD_BYTES));
    if (next === undefined || at + next.headBytes + next.bodyBytes > size) return NONE;
    const body = at + next.headBytes;
    at = body + next.bodyBytes;
    if (next.number !== METADATA_PROPS || next.type !== LENGTH_DELIMITED) continue;
    if (next.bodyBytes > MAX_ENTRY_BYTES) return undefined;
    const entry = onnxEntry(read(body, next.bodyBytes));
    if (entry === undefined) return NONE;
    found.push(entry);
  }
  return aboutTerms(found);
}

/** Key and value of a StringStringEntryProto, the last of each as every reader takes it; undefined: it is none. */
export function onnxEntry(bytes: Buffer): [key: string, value: string | undefined] | undefined {
  try {
    const reader = protobuf.Reader.create(bytes);
    const texts = new Map<number, string>();
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if ((tag & 7) === LENGTH_DELIMITED) texts.set(tag >>> 3, reader.string());
      else reader.skipType(tag & 7);
    }
    return [texts.get(1) ?? '', texts.get(2)];
  } catch {
    return undefined;
  }
}

function aboutTerms(entries: readonly (readonly [string, unknown])[]): Entries {
  return Object.fromEntries(
    entries.flatMap(([key, value]) =>
      ABOUT_TERMS.test(key) && typeof value === 'string' && value.trim() !== ''
        ? [[key.slice(0, 200), value.trim().slice(0, 2000)] as const]
        : [],
    ),
  );
}
