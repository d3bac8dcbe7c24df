/** The log of an attempt as it is kept: its beginning and its end within a size, and no secret in it. */
import { open } from 'node:fs/promises';

const HEAD_BYTES = 256 * 1024;
const TAIL_BYTES = 1792 * 1024;
const SECRET_NAME = /SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY/i;
/** Shorter values stand in ordinary text by chance. */
const SECRET_LENGTH = 8;
const SECRET_SHAPES = [
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\bhf_[A-Za-z0-9]{16,}/g,
  /(?<=\bBearer )[A-Za-z0-9._~+/=-]{8,}/g,
  /(?<=:\/\/[^\s/:@]{0,100}:)[^\s/@]+(?=@)/g,
];

/** The text without the values of our environment's secrets, nor anything of a credential's shape. */
export function redact(text: string, env: NodeJS.ProcessEnv): string {
  const values = Object.entries(env).flatMap(([name, value]) =>
    SECRET_NAME.test(name) && value !== undefined && value.length >= SECRET_LENGTH ? [value] : [],
  );
  const withoutValues = values.reduce((rest, value) => rest.replaceAll(value, '[secret]'), text);
  return SECRET_SHAPES.reduce((rest, shape) => rest.replace(shape, '[secret]'), withoutValues);
}

/** At most 2 MiB: of a longer file the first 256 KiB and the end, and how much is missing between. */
export async function readLog(path: string, env: NodeJS.ProcessEnv): Promise<string> {
  return redacted(path, env, async (size, read) => {
    if (size <= HEAD_BYTES + TAIL_BYTES) return read(0, size);
    const gap = `\n… espalier left out ${size - HEAD_BYTES - TAIL_BYTES} bytes …\n`;
    return `${await read(0, HEAD_BYTES)}${gap}${await read(size - TAIL_BYTES, size)}`;
  });
}

/** At most the last `bytes` of the file. */
export async function readLogEnd(path: string, bytes: number, env: NodeJS.ProcessEnv): Promise<string> {
  return redacted(path, env, (size, read) => read(Math.max(0, size - bytes), size));
}

async function redacted(
  path: string,
  env: NodeJS.ProcessEnv,
  choose: (size: number, read: (from: number, to: number) => Promise<string>) => Promise<string>,
): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const text = await choose(size, async (from, to) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(to - from), 0, to - from, from);
      return buffer.toString('utf8', 0, bytesRead);
    });
    return redact(text, env);
  } finally {
    await file.close();
  }
}
