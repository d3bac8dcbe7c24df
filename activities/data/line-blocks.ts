/** JSON a line, of a file that we wrote ourselves, some lines at a time: a file of a million rows is never in memory whole. */
import { createReadStream } from 'node:fs';
import { EspalierError } from '../../artifacts/errors.ts';

/** A multiple of the rows that a model answers at once, so that its batches are those of a split in one piece. */
const BLOCK_ROWS = 2048;
const BATCH_ROWS = 32;
/** Long lines make shorter blocks. */
const BLOCK_CHARACTERS = 8_000_000;

/** The values of a file's lines in order. A line ends at \n alone: texts hold other separators. Throws BadData. */
export async function* lineBlocks(path: string, name: string, signal?: AbortSignal): AsyncGenerator<unknown[]> {
  let block: unknown[] = [];
  let [line, characters, rest] = [0, 0, ''];
  for await (const chunk of createReadStream(path, { encoding: 'utf8', signal })) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) {
      line += 1;
      characters += text.length;
      block.push(parseLine(text, `${name}:${line}`));
      const isLong = characters >= BLOCK_CHARACTERS && block.length % BATCH_ROWS === 0;
      if (block.length < BLOCK_ROWS && !isLong) continue;
      yield block;
      block = [];
      characters = 0;
    }
  }
  if (rest !== '') block.push(parseLine(rest, `${name}:${line + 1}`));
  if (block.length > 0) yield block;
}

/** How many values `lineBlocks` gives, without parsing them. */
export async function countLines(path: string, signal?: AbortSignal): Promise<number> {
  return (await lineSizes(path, signal)).length;
}

/** The bytes of the line of each value, without its end; 4 bytes of memory a line. */
export async function lineSizes(path: string, signal?: AbortSignal): Promise<Uint32Array> {
  let sizes = new Uint32Array(1024);
  let [lines, size] = [0, 0];
  const end = (): void => {
    if (lines === sizes.length) {
      const grown = new Uint32Array(2 * lines);
      grown.set(sizes);
      sizes = grown;
    }
    sizes[lines++] = size;
    size = 0;
  };
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18, signal })) {
    const bytes = chunk as Buffer;
    let start = 0;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, start)) {
      size += at - start;
      end();
      start = at + 1;
    }
    size += bytes.length - start;
  }
  if (size > 0) end();
  return sizes.subarray(0, lines);
}

const NEWLINE = 0x0a;

/** The parser's own message would quote the text. */
function parseLine(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new EspalierError('BadData', `${where} is not JSON`, { where, fix: 'prepare the data again' });
  }
}
