/** Behaviour tests that people wrote down (pipelines/behaviour): checked with the data, kept beside them, never trained on. */
import { createReadStream } from 'node:fs';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { textInput, textsOf, type TextInput } from '../../inference/texts.ts';
import type { TableProblem } from '../../pipelines/behaviour/rows.ts';
import {
  comparedWithItself,
  readBehaviourTable,
  inputsOf,
  unknownLabels,
  withInputs,
  type BehaviourTest,
} from '../../pipelines/behaviour/table.ts';
import type { PrepareDataInput } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import { quoted, SHOWN_BAD_ROWS } from './checks.ts';
import { readJsonLines } from './json-lines.ts';
import { textIdentity } from './normalise.ts';
import { removePersonalData } from './personal-data.ts';

/** In a dataset's tree, where the definition names any tables. */
export const BEHAVIOUR_FILE = 'behaviour.jsonl';

/** A test with the gate that it is of, and where it was written. */
export interface StoredTest<Test = BehaviourTest> {
  readonly table: string;
  readonly file: string;
  readonly line: number;
  readonly test: Test;
}

/**
 * Throws BadData by file, line and field: a test that cannot be asked, or cannot fail, is never left out, whatever the definition
 * does about bad rows. Personal data are redacted, or their test dropped, as in all rows.
 */
export async function readBehaviour(
  { files, data, behaviour = {} }: PrepareDataInput,
  labels: readonly string[],
  context: StepContext,
): Promise<readonly StoredTest[]> {
  const tests: StoredTest[] = [];
  const tested = { ...data.multiLabel, ...(data.pair === undefined ? {} : { pairs: true as const }) };
  for (const [table, { kind, file }] of Object.entries(behaviour)) {
    const source = files.find(({ path, split }) => split === 'behaviour' && path === file);
    if (source === undefined || (source.format !== 'csv' && source.format !== 'jsonl')) continue;
    const read = readBehaviourTable(await context.store.getBytes(source.ref), kind, source.format, tested);
    const complaint = (name: string) => `is ${quoted(name)}, which the data do not have`;
    const unknown = unknownLabels(read.tests, new Set(labels), complaint);
    const problems = [...read.problems, ...unknown];
    if (problems.length > 0) throw badTable(table, file, problems);
    tests.push(...read.tests.map((one) => ({ table, file, ...one })));
  }
  const kept = await withoutPersonalData(tests, data.onPersonalData, context);
  const complaint = 'is, where personal data are redacted, the same as';
  for (const [table, { file }] of Object.entries(behaviour)) {
    const alike = kept.flatMap((one) => (one.table === table ? comparedWithItself(one.line, one.test, complaint) : []));
    if (alike.length > 0) throw badTable(table, file, alike);
  }
  return kept;
}

/** `[]` where the dataset has none. */
export async function loadBehaviour<Test = BehaviourTest>(
  store: ArtifactStore,
  dataset: ArtifactRef,
  signal?: AbortSignal,
): Promise<readonly StoredTest<Test>[]> {
  const { entries } = await store.tree(dataset);
  if (!entries.some(({ path }) => path === BEHAVIOUR_FILE)) return [];
  const path = await store.fileInTree(dataset, BEHAVIOUR_FILE, signal);
  const tests: StoredTest<Test>[] = [];
  const source = createReadStream(path, { encoding: 'utf8', signal });
  for await (const test of readJsonLines(source, BEHAVIOUR_FILE)) tests.push(test as StoredTest<Test>);
  return tests;
}

/** As a file of the dataset's tree. */
export function behaviourLines(tests: readonly StoredTest<unknown>[]): string {
  return tests.map((test) => `${canonicalJson(test)}\n`).join('');
}

async function withoutPersonalData(
  tests: readonly StoredTest[],
  policy: PrepareDataInput['data']['onPersonalData'],
  context: StepContext,
): Promise<readonly StoredTest[]> {
  // Every text, or pair, is a row for the policy; the place in this list stands for its line.
  const rows = tests.flatMap(({ file, test }, place) =>
    inputsOf(test).map((input) => {
      const [text, pair] = textsOf(input);
      const second = pair === undefined ? {} : { pair };
      return { file, line: place, split: 'test' as const, text, ...second, label: '', ...textIdentity(text, pair) };
    }),
  );
  const texts = new Map<number, TextInput[]>();
  for (const { line, text, pair } of (await removePersonalData(rows, policy, context)).rows) {
    texts.set(line, [...(texts.get(line) ?? []), textInput(text, pair)]);
  }
  return tests.flatMap((one, place) => {
    const left = texts.get(place) ?? [];
    return left.length < inputsOf(one.test).length ? [] : [{ ...one, test: withInputs(one.test, left) }];
  });
}

/** A table that holds what cannot be asked, by file, line and field. */
export function badTable(table: string, file: string, problems: readonly TableProblem[]): EspalierError {
  const shown = problems
    .slice(0, SHOWN_BAD_ROWS)
    .map(({ line, field, message }) => `  ${file}:${line}: ${field ?? 'the row'} ${message}`);
  const more = problems.length > shown.length ? [`  … and ${problems.length - shown.length} more`] : [];
  return new EspalierError(
    'BadData',
    [`the behaviour tests of '${table}' cannot be asked:`, ...shown, ...more].join('\n'),
    {
      where: `${file}:${problems[0]?.line ?? 1}`,
      fix: 'correct these rows (docs/gates.md says what each kind of test needs)',
    },
  );
}
