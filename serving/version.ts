/** This package's version, as package.json has it; from sources and from dist alike. */
import { readFileSync } from 'node:fs';

export const VERSION = read(['../package.json', '../../package.json']);

function read(candidates: readonly string[]): string {
  for (const candidate of candidates) {
    try {
      const text = readFileSync(new URL(candidate, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  throw new Error('package.json is missing beside the program');
}
