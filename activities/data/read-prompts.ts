/** Prompts and conversations out of data files, checked one by one. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { PromptData } from '../../pipelines/definition/data.ts';
import type { PreparePromptsInput } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import { holdsRows, type BadRow, type CheckedRow } from './checks.ts';
import { conversationIdentity, conversationOf, type Conversation } from './conversations.ts';
import { isBlank } from './normalise.ts';
import { groupColumns, groupsOf, readValues, type Column } from './readers.ts';

/** `text` is the prompt: by it, and what was said before it, rows are told apart. */
export interface CheckedPrompt extends CheckedRow, Pick<Conversation, 'history'> {
  readonly completion?: string;
  readonly facts?: readonly string[];
}

const PROGRESS_ROWS = 20_000;

/** Rows by file and line, the bad ones apart; with the groups that `data` names. Throws BadData for a file that cannot be read at all. */
export async function readPrompts(
  { files, data }: PreparePromptsInput,
  { store, signal, progress }: StepContext,
): Promise<{ rows: CheckedPrompt[]; badRows: BadRow[]; rowsRead: Record<string, number> }> {
  const rows: CheckedPrompt[] = [];
  const badRows: BadRow[] = [];
  const rowsRead: Record<string, number> = {};
  const columns = columnsOf(data);
  for (const { path: file, format, split, ref } of files) {
    if (!holdsRows(split)) continue;
    if (format !== 'csv' && format !== 'jsonl') continue;
    if (format === 'csv' && data.messages !== undefined) throw conversationsInCsv(file);
    let count = 0;
    for await (const row of readValues({ path: await store.file(ref, signal), name: file, format }, columns, signal)) {
      count += 1;
      if (count % PROGRESS_ROWS === 0) progress({ phase: 'reading', done: count, note: file });
      const { line } = row;
      if ('problem' in row) {
        badRows.push({ reason: row.problem.reason, file, line, message: row.problem.message });
        continue;
      }
      const said =
        data.messages === undefined ? plainRow(row.values, data) : conversation(row.values[data.messages], data);
      const facts = (row.values[data.facts ?? ''] ?? '').split('\n').filter((fact) => !isBlank(fact));
      if ('reason' in said) badRows.push({ ...said, file, line });
      else {
        const { prompt, ...more } = said;
        rows.push({
          file,
          line,
          split,
          text: prompt,
          label: '',
          ...more,
          ...(facts.length === 0 ? {} : { facts }),
          ...(data.groups === undefined ? {} : { groups: groupsOf(row.values, data.groups) }),
          ...conversationIdentity(said),
        });
      }
    }
    rowsRead[file] = count;
  }
  return { rows, badRows, rowsRead };
}

type Values = Readonly<Record<string, string>>;

function columnsOf({ messages, prompt, completion, facts, groups }: PromptData): readonly Column[] {
  return [
    ...(messages === undefined ? [{ name: prompt }] : [{ name: messages, json: true } as const]),
    ...(completion === undefined ? [] : [{ name: completion, optional: true } as const]),
    ...(facts === undefined ? [] : [{ name: facts, optional: true, list: true } as const]),
    ...groupColumns(groups),
  ];
}

function conversation(json = 'null', { messages = '', maxTextBytes }: PromptData): ReturnType<typeof conversationOf> {
  return conversationOf(JSON.parse(json), messages, maxTextBytes);
}

function plainRow(values: Values, data: PromptData): ReturnType<typeof conversationOf> {
  const prompt = values[data.prompt] ?? '';
  const completion = values[data.completion ?? ''] ?? '';
  if (isBlank(prompt)) return { reason: 'empty-text', message: 'the prompt is empty' };
  for (const [what, text] of [
    ['prompt', prompt],
    ['completion', completion],
  ] as const) {
    const bytes = Buffer.byteLength(text);
    if (bytes <= data.maxTextBytes) continue;
    const message = `the ${what} has ${bytes} bytes, more than data.maxTextBytes (${data.maxTextBytes})`;
    return { reason: 'too-long', message };
  }
  return { prompt, ...(isBlank(completion) ? {} : { completion }) };
}

function conversationsInCsv(file: string): EspalierError {
  return new EspalierError('BadData', `${file} is CSV, and no cell of it holds a conversation (data.messages)`, {
    where: file,
    fix: 'write JSONL, one {"messages": [{"role", "content"}, …]} a line',
  });
}
