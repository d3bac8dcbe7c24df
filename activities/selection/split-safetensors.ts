/**
 * Puts the parts of split safetensors together: `model-00001-of-00003.safetensors` … by their index, into the one
 * model.safetensors that everything after the import reads. The very bytes that the library writes of the same tensors
 * unsplit; nothing but headers is held in memory.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors, type StoredTensor } from './safetensors.ts';
import { badIndex, readWeightMap, requireSame } from './weight-map.ts';

/** As the library sorts tensors: wide types first, so that each begins where its type may (safetensors/src/tensor.rs, Dtype), then by name. */
const ORDER =
  'BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64'.split(
    ' ',
  );
const BLOCK = 2 ** 22;

interface PlacedTensor extends StoredTensor {
  readonly part: string;
}

/**
 * Reads `index` and `parts` in `folder` and writes `target`. Throws UnsafeModel for a part that is no sound safetensors file,
 * BadModel when the index and the parts are not of one model: each part must be named and there, and hold the tensors that the index says.
 */
export async function joinSafetensors(
  { folder, name: index, parts }: { readonly folder: string; readonly name: string; readonly parts: readonly string[] },
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const { files } = await readWeightMap(join(folder, index), index);
  requireSame(new Set(files.values()), parts, index, 'beside it');
  const tensors: PlacedTensor[] = [];
  const metadata = new Map<string, string>();
  for (const part of parts) {
    const { tensors: found, summary } = await readSafetensors(join(folder, part), part);
    const named = [...files].filter(([, file]) => file === part).map(([tensor]) => tensor);
    requireSame(
      named,
      found.map((tensor) => tensor.name),
      index,
      `in ${part}`,
    );
    for (const [key, value] of Object.entries(summary.metadata)) {
      if (metadata.has(key) && metadata.get(key) !== value)
        throw badIndex(part, `says '${key.slice(0, 80)}' of itself otherwise than another part`);
      metadata.set(key, value);
    }
    tensors.push(...found.map((tensor) => ({ ...tensor, part })));
  }
  const sorted = tensors.toSorted(
    (left, right) =>
      ORDER.indexOf(right.dtype) - ORDER.indexOf(left.dtype) || Buffer.from(left.name).compare(Buffer.from(right.name)),
  );
  await write(folder, sorted, metadata, target, signal);
}

async function write(
  folder: string,
  tensors: readonly PlacedTensor[],
  metadata: ReadonlyMap<string, string>,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  let at = 0;
  const entries: [string, unknown][] = metadata.size === 0 ? [] : [['__metadata__', Object.fromEntries(metadata)]];
  for (const { name, dtype, shape, bytes } of tensors) {
    entries.push([name, { dtype, shape, data_offsets: [at, at + bytes] }]);
    at += bytes;
  }
  // Not by Object.fromEntries: names that are whole numbers would come first.
  const json = Buffer.from(
    `{${entries.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`,
  );
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  const opened = new Map<string, FileHandle>();
  const out = await open(target, 'wx');
  try {
    await out.appendFile(header);
    const buffer = Buffer.alloc(BLOCK);
    for (const { part, start, bytes } of tensors) {
      const file = opened.get(part) ?? (await open(join(folder, part), 'r'));
      opened.set(part, file);
      for (let done = 0; done < bytes;) {
        signal.throwIfAborted();
        const { bytesRead } = await file.read(buffer, 0, Math.min(BLOCK, bytes - done), start + done);
        if (bytesRead === 0) throw new Error(`${part} became shorter while it was read`);
        await out.appendFile(buffer.subarray(0, bytesRead));
        done += bytesRead;
      }
    }
  } finally {
    await Promise.all([out, ...opened.values()].map((file) => file.close()));
  }
}
