/** The lines of a table of cases, one after another: a line without end costs no more memory than it may have. */
import { createReadStream } from 'node:fs';
import { MAX_LINE_CHARACTERS } from './cases.ts';

/** What is too long is cut to one character more than is allowed, so that it is refused as a line of the table. */
export async function* caseLines(path: string): AsyncGenerator<string> {
  let line = '';
  for await (const chunk of createReadStream(path, 'utf8')) {
    const [first = '', ...others] = (chunk as string).split('\n');
    line = within(line + first);
    for (const next of others) {
      yield line.replace(/\r$/, '');
      line = within(next);
    }
  }
  if (line !== '') yield line;
}

const within = (line: string): string =>
  line.length <= MAX_LINE_CHARACTERS ? line : line.slice(0, MAX_LINE_CHARACTERS + 1);
