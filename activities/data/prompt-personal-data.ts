/** What is done about personal data in prompts before anything of them is stored. */
import { definedOnly } from '../../artifacts/defined-only.ts';
import type { PersonalDataRemoved, PreparePromptsInput } from '../contract/data.ts';
import { kindsTo } from '../privacy/policy.ts';
import { redactTexts } from '../privacy/redact.ts';
import { findPersonalData } from '../privacy/scan.ts';
import type { StepContext } from '../step.ts';
import type { BadRow } from './checks.ts';
import { conversationIdentity } from './conversations.ts';
import { breather } from './pauses.ts';
import { textsOf } from './prompts.ts';
import type { CheckedPrompt } from './read-prompts.ts';

/** The policy on prompts, completions and facts alike: what one value is called is the same in all of them. */
export async function withoutPersonalData(
  rows: readonly CheckedPrompt[],
  policy: PreparePromptsInput['data']['onPersonalData'],
  context: StepContext,
): Promise<{ rows: readonly CheckedPrompt[]; left: readonly BadRow[]; removed?: PersonalDataRemoved }> {
  const dropping = new Set(kindsTo('drop', policy));
  const redacting = kindsTo('redact', policy);
  if (dropping.size + redacting.length === 0) return { rows, left: [] };
  const breathe = breather(context, 'removing personal data');
  const kept: CheckedPrompt[] = [];
  const left: BadRow[] = [];
  for (const row of rows) {
    const parts = partsOf(row);
    const found = [...new Set(parts.flatMap((part) => findPersonalData(part).map(({ kind }) => kind)))].filter((kind) =>
      dropping.has(kind),
    );
    if (found.length === 0) kept.push(row);
    else {
      const message = `the row holds personal data: ${found.join(', ')}`;
      left.push({ reason: 'personal-data', file: row.file, line: row.line, message });
    }
    for (const part of parts) await breathe(part);
  }
  const { texts, values } = await redactTexts(kept.flatMap(partsOf), redacting, breathe);
  let next = 0;
  const redacted = kept.map((row): CheckedPrompt => {
    const taken = partsOf(row).map(() => texts[next++] as string);
    const [prompt = row.text, ...rest] = taken;
    const completion = row.completion === undefined ? undefined : rest.shift();
    const facts = rest.splice(0, row.facts?.length ?? 0);
    const history = row.history?.map(({ role }, place) => ({ role, content: rest[place]! }));
    return {
      ...row,
      text: prompt,
      ...definedOnly({ completion, history }),
      ...(row.facts === undefined ? {} : { facts }),
      ...conversationIdentity({ prompt, ...definedOnly({ history }) }),
    };
  });
  const rowsRedacted = redacted.filter((row, index) => {
    const before = kept[index];
    return before !== undefined && partsOf(row).some((part, place) => part !== partsOf(before)[place]);
  }).length;
  return { rows: redacted, left, removed: { rowsDropped: left.length, rowsRedacted, values } };
}

function partsOf({ id, text, completion, facts, history }: CheckedPrompt): readonly string[] {
  return textsOf({ id, prompt: text, facts: [...(facts ?? [])], ...definedOnly({ completion, history }) });
}
