/** JSON a line, of a file that we wrote ourselves. */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { EspalierError } from '../../artifacts/errors.ts';

export async function* readJsonLines(source: Readable, name: string): AsyncGenerator {
  let line = 0;
  for await (const text of createInterface({ input: source, crlfDelay: Number.POSITIVE_INFINITY })) {
    line += 1;
    try {
      yield JSON.parse(text);
    } catch {
      const where = `${name}:${line}`;
      throw new EspalierError('BadData', `${where} is not JSON`, { where, fix: 'prepare the data again' });
    }
  }
}
