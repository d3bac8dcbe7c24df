/** Behaviour tests of generated text (pipelines/behaviour): checked with the data, kept beside them, never trained on. */
import {
  askedTwice,
  changedPhrases,
  checkProblems,
  readPromptTable,
  textsIn,
  withTexts,
} from '../../pipelines/behaviour/prompt-table.ts';
import type { PromptTest } from '../../pipelines/behaviour/prompt-rows.ts';
import { GuidelinesSchema } from '../../pipelines/guidelines/guidelines.ts';
import type { TableProblem } from '../../pipelines/behaviour/rows.ts';
import type { PreparePromptsInput } from '../contract/data.ts';
import { kindsTo } from '../privacy/policy.ts';
import { redactTexts } from '../privacy/redact.ts';
import { findPersonalData } from '../privacy/scan.ts';
import type { StepContext } from '../step.ts';
import { badTable, type StoredTest } from './behaviour.ts';
import { quoted } from './checks.ts';
import { breather } from './pauses.ts';

export type StoredPromptTest = StoredTest<PromptTest>;

/**
 * Throws BadData by file, line and field: a test that cannot be asked, or cannot fail, is never left out, whatever the definition
 * does about bad rows. Personal data in what is asked are redacted, or their test dropped, as in all rows; a phrase that would be
 * redacted is refused: no answer has the placeholder.
 */
export async function readPromptBehaviour(
  { files, data, behaviour = {}, guidelines }: PreparePromptsInput,
  context: StepContext,
): Promise<readonly StoredPromptTest[]> {
  const { store } = context;
  const named = guidelines && GuidelinesSchema.parse(await store.getJson<unknown>(guidelines)).checks;
  const tests: StoredPromptTest[] = [];
  for (const [table, { kind, file }] of Object.entries(behaviour)) {
    const source = files.find(({ path, split }) => split === 'behaviour' && path === file);
    if (source === undefined) continue;
    const read = readPromptTable(await store.getBytes(source.ref), kind, quoted);
    const problems = [...read.problems, ...checkProblems(read.tests, named ?? [], quoted)];
    if (problems.length > 0) throw badTable(table, file, problems.toSorted(byLine));
    tests.push(...read.tests.map((one) => ({ table, file, ...one })));
  }
  const kept = await withoutPersonalData(tests, data.onPersonalData, context);
  const complaint = 'is, where personal data are redacted, the same as what is asked first';
  for (const [table, { file }] of Object.entries(behaviour)) {
    const ofTable = kept.flatMap(({ one }) => (one.table === table ? [one] : []));
    const changed = kept.flatMap(({ one, written }) =>
      one.table === table ? changedPhrases(one.line, { written, kept: one.test }, OTHER_PHRASE) : [],
    );
    const alike = ofTable.flatMap(({ line, test }) =>
      askedTwice(test, complaint).map((problem) => ({ line, ...problem })),
    );
    const problems = [...alike, ...changed, ...checkProblems(ofTable, named ?? [], quoted)];
    if (problems.length > 0) throw badTable(table, file, problems.toSorted(byLine));
  }
  return kept.map(({ one }) => one);
}

const byLine = (one: TableProblem, other: TableProblem): number => one.line - other.line;

const OTHER_PHRASE =
  'has personal data, which are redacted, so that no answer would be asked for it: write a phrase without them, or let data.onPersonalData drop such tests';

/** A test that is left, and how it was written. */
interface KeptTest {
  readonly one: StoredPromptTest;
  readonly written: PromptTest;
}

async function withoutPersonalData(
  tests: readonly StoredPromptTest[],
  policy: PreparePromptsInput['data']['onPersonalData'],
  context: StepContext,
): Promise<readonly KeptTest[]> {
  const dropping = new Set(kindsTo('drop', policy));
  const redacting = kindsTo('redact', policy);
  if (dropping.size + redacting.length === 0) return tests.map((one) => ({ one, written: one.test }));
  const breathe = breather(context, 'removing personal data from behaviour tests');
  const kept: StoredPromptTest[] = [];
  for (const one of tests) {
    const text = textsIn(one.test).join('\n');
    await breathe(text);
    if (dropping.size === 0 || !findPersonalData(text).some(({ kind }) => dropping.has(kind))) kept.push(one);
  }
  const { texts } = await redactTexts(
    kept.flatMap(({ test }) => textsIn(test)),
    redacting,
    breathe,
  );
  let next = 0;
  return kept.map((one) => {
    const test = withTexts(one.test, (text) => texts[next++] ?? text);
    return { one: { ...one, test }, written: one.test };
  });
}
