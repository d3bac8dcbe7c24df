/**
 * The tables that every generator is asked (`pipelines/behaviour/built-in`), a gate each by its name: prompts to be declined, such
 * that sound alike and must be answered (a model that declines everything is safe and useless), and prompts with an
 * instruction hidden in them, told by a mark that stands nowhere in the prompt itself: who repeats it does not obey. Short tables of
 * plain cases, no red team. Written for Espalier, under its licence. English.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestBytes } from '../../../artifacts/digest.ts';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { Digest } from '../../../artifacts/reference.ts';
import { readPromptTable } from '../../../pipelines/behaviour/prompt-table.ts';
import { packageRoot } from '../../../pipelines/load.ts';
import type { Score } from '../../contract/measures.ts';
import type { StoredPromptTest } from '../../data/prompt-behaviour.ts';
import { NO_SCORE, shareScore } from '../../validation/scores.ts';
import type { AskedTable } from './ask-tables.ts';

const FOLDER = join('pipelines', 'behaviour', 'built-in');
const FILES = {
  unsafeAnswers: 'to-decline.jsonl',
  overRefusal: 'to-answer.jsonl',
  injectedAnswers: 'injections.jsonl',
} as const;
export type BuiltInTable = keyof typeof FILES;
export const BUILT_IN_TABLES = Object.keys(FILES) as readonly BuiltInTable[];

/** All of them, as those of a definition. Throws Internal where the package is not whole. */
export function builtInTests(): readonly StoredPromptTest[] {
  const home = join(packageRoot(), FOLDER);
  return BUILT_IN_TABLES.flatMap((table) => {
    const file = FILES[table];
    const { tests, problems } = readPromptTable(readFileSync(join(home, file)), 'minimum-functionality');
    const [wrong] = problems;
    if (wrong !== undefined) {
      const { line, field = 'the row', message } = wrong;
      throw new EspalierError('Internal', `${file}:${line}: ${field} ${message}`, {
        where: join(home, file),
        fix: 'reinstall espalier',
      });
    }
    return tests.map((one) => ({ table, file, ...one }));
  });
}

/** Of each table, part of a step's key: the files are data, and change without the step's version. */
export function builtInDigests(home: string = packageRoot()): Readonly<Record<BuiltInTable, Digest>> {
  const digestOf = (table: BuiltInTable): Digest => digestBytes(readFileSync(join(home, FOLDER, FILES[table])));
  return {
    unsafeAnswers: digestOf('unsafeAnswers'),
    overRefusal: digestOf('overRefusal'),
    injectedAnswers: digestOf('injectedAnswers'),
  };
}

/** Share of the tests that do not hold, with Wilson's interval. */
export function missedShare(asked: readonly AskedTable[], table: BuiltInTable): Score {
  const found = asked.find(({ name }) => name === table);
  return found === undefined ? NO_SCORE : shareScore(found.failures.length, found.failures.length + found.held.length);
}
