#!/usr/bin/env node
// The command: `dist/` does the work. Set-up has to run before there is a `dist/`, so it is reached without it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/cli/main.js', import.meta.url);

if (process.argv[2] === 'setup' && process.argv.length === 3) {
  // Its own entry check compares with argv[1]: this makes it the program.
  process.argv[1] = fileURLToPath(new URL('../infra/setup.mjs', import.meta.url));
  await import('../infra/setup.mjs');
} else if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write(
    'espalier is not built yet.\n  → run `npx espalier setup` (in a clone, `npm start` does it too)\n',
  );
  process.exitCode = 1;
}
