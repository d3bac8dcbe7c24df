/**
 * Our own check of an ONNX file before anything else opens it: the protobuf messages are walked field by field in a small
 * window, weights are passed over. What could run foreign code or reach outside the folder is refused: operators of a
 * domain that onnxruntime does not have itself, and external data anywhere but beside the file.
 * The numbers of the fields are those of onnx.proto (ONNX 1.23).
 */
import { lstat, open, realpath, type FileHandle } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { FIELD_HEAD_BYTES, LENGTH_DELIMITED, protobufField } from '../../pipelines/licence/protobuf-field.ts';
import { onnxEntry } from '../../pipelines/licence/weights-metadata.ts';

export interface OnnxSummary {
  /** Files with weights outside the ONNX file, as it names them: relative to its folder. */
  readonly externalData: readonly string[];
}

/** What onnxruntime computes itself; an operator of another domain would need a foreign library. */
const DOMAINS = ['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft'];

type Message = 'model' | 'graph' | 'node' | 'attribute' | 'tensor' | 'sparse' | 'function' | 'training';
type Inner = Message | 'domain' | 'external';

/** The fields that can hold an operator, a graph or a tensor, by message; every other field is passed over. */
const FIELDS: Readonly<Record<Message, Readonly<Partial<Record<number, Inner>>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node', 10: 'domain', 11: 'attribute' },
  // A domain that is only imported (ModelProto.opset_import) computes nothing: optimisers import all they know.
  node: { 5: 'attribute', 7: 'domain' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'external' },
};

/** Far above what real graphs have; below what would keep a worker busy. */
const MAX_FIELDS = 2_000_000;
/** protobuf's own readers stop at 100 nested messages. */
const MAX_DEPTH = 100;
const MAX_TEXT_BYTES = 4096;
const WINDOW_BYTES = 64 * 1024;

/** The summary of the sound ONNX file at `path`, or what is wrong with it, to be read after the file's name. */
export async function checkOnnx(path: string): Promise<OnnxSummary | { readonly fault: string }> {
  const file = await open(path, 'r');
  try {
    const found = await walk(file, (await file.stat()).size);
    if ('fault' in found) return found;
    const sizes = new Map<string, number>();
    for (const entries of found.tensors) {
      const fault = await externalFault(dirname(path), entries, sizes);
      if (fault !== null) return { fault };
    }
    return { externalData: [...sizes.keys()] };
  } finally {
    await file.close();
  }
}

/** Keys and values of a tensor's external data. */
type External = [key: string, value: string][];

async function walk(file: FileHandle, size: number): Promise<{ tensors: External[] } | { fault: string }> {
  const window = new Window(file, size);
  const open: { readonly message: Message; readonly end: number; readonly external: External }[] = [
    { message: 'model', end: size, external: [] },
  ];
  const tensors: External[] = [];
  let graphs = 0;
  let at = 0;
  for (let fields = 0; ; fields++) {
    let top = open.at(-1);
    while (top !== undefined && at === top.end) {
      if (top.external.length > 0) tensors.push(top.external);
      open.pop();
      top = open.at(-1);
    }
    if (top === undefined) break;
    if (fields === MAX_FIELDS) return { fault: `has more than ${MAX_FIELDS} fields` };
    const headBytes = Math.min(FIELD_HEAD_BYTES, top.end - at);
    // Millions of fields are read without a turn of the event loop and a view for each.
    if (!window.holds(at, headBytes)) await window.fill(at);
    const field = protobufField(window.buffer, at - window.start);
    if (field === undefined || at + field.headBytes + field.bodyBytes > top.end) return NOT_ONNX;
    at += field.headBytes;
    const inner = FIELDS[top.message][field.number];
    if (inner === undefined) {
      at += field.bodyBytes;
      continue;
    }
    // A known field of another type is skipped by one reader and an error to the next.
    if (field.type !== LENGTH_DELIMITED) return NOT_ONNX;
    if (inner === 'domain' || inner === 'external') {
      if (field.bodyBytes > MAX_TEXT_BYTES) return { fault: `has a name of ${field.bodyBytes} bytes` };
      const bytes = await window.read(at, field.bodyBytes);
      at += field.bodyBytes;
      if (inner === 'domain') {
        const domain = bytes.toString('utf8');
        if (!DOMAINS.includes(domain)) return { fault: `has operators of the domain ${quoted(domain)}` };
        continue;
      }
      const entry = onnxEntry(bytes);
      if (entry === undefined) return NOT_ONNX;
      top.external.push([entry[0], entry[1] ?? '']);
      continue;
    }
    if (open.length === MAX_DEPTH) return { fault: `nests more than ${MAX_DEPTH} messages` };
    if (top.message === 'model' && inner === 'graph') graphs += 1;
    open.push({ message: inner, end: at + field.bodyBytes, external: [] });
  }
  return graphs === 1 ? { tensors } : { fault: `is not ONNX: it has ${graphs} graphs` };
}

const NOT_ONNX = { fault: 'is not ONNX: its protobuf is unsound' };

/** A file read through one buffer: most fields are small and near. */
class Window {
  readonly #file: FileHandle;
  readonly #size: number;
  start = 0;
  buffer = Buffer.alloc(0);

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  holds(at: number, length: number): boolean {
    return at >= this.start && at + length <= this.start + this.buffer.length;
  }

  async fill(at: number): Promise<void> {
    const buffer = Buffer.alloc(Math.min(WINDOW_BYTES, this.#size - at));
    let done = 0;
    while (done < buffer.length) {
      const { bytesRead } = await this.#file.read(buffer, done, buffer.length - done, at + done);
      if (bytesRead === 0) throw new Error('the file became shorter while it was read');
      done += bytesRead;
    }
    this.start = at;
    this.buffer = buffer;
  }

  async read(at: number, length: number): Promise<Buffer> {
    if (!this.holds(at, length)) await this.fill(at);
    return this.buffer.subarray(at - this.start, at - this.start + length);
  }
}

/** `sizes` collects the data files that were found, with their bytes. */
async function externalFault(folder: string, entries: External, sizes: Map<string, number>): Promise<string | null> {
  const values = new Map(entries);
  if (values.size < entries.length) return 'names a key of external data twice';
  const location = values.get('location') ?? '';
  const parts = location.split('/');
  if (/[\\:\0]/.test(location) || parts.some((part) => part === '' || part === '.' || part === '..')) {
    return `has external data outside its folder: ${quoted(location)}`;
  }
  if (!sizes.has(location)) {
    const target = join(folder, location);
    const stat = await lstat(target).catch(() => undefined);
    if (stat === undefined) return `has external data that is missing: ${quoted(location)}`;
    if (!stat.isFile() || (await realpath(target)) !== (await realpath(folder)) + sep + parts.join(sep)) {
      return `has external data that is a link or no regular file: ${quoted(location)}`;
    }
    sizes.set(location, stat.size);
  }
  const span = [values.get('offset') ?? '0', values.get('length') ?? '0'];
  if (!span.every((text) => /^\d{1,15}$/.test(text))) return 'has external data at an impossible place';
  const end = Number(span[0]) + Number(span[1]);
  return end > (sizes.get(location) ?? 0) ? `has external data behind the end of ${quoted(location)}` : null;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
