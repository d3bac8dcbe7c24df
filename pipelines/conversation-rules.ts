/** The rules of data whose rows are conversations. */
import type { Problem } from './check.ts';
import type { PromptData } from './definition/data.ts';

/** A conversation has its questions and answers in itself, and no cell of CSV holds one. `rows`: the data files by path. */
export function conversationProblems(
  { messages, prompt, completion, format, evaluationFiles = [], shiftedFiles = [] }: PromptData,
  rows: readonly { readonly path: string; readonly file: string }[],
): readonly Problem[] {
  if (messages === undefined) return [];
  const problems: Problem[] = [];
  const columns = { prompt: prompt === 'prompt' ? undefined : prompt, completion };
  for (const [name, column] of Object.entries(columns)) {
    if (column === undefined) continue;
    const message = `is '${column}', and rows are conversations (data.messages), which hold it themselves`;
    problems.push({ path: `data.${name}`, message, fix: `leave out data.${name}, or data.messages` });
  }
  const fix = 'write JSONL, one {"messages": [{"role", "content"}, …]} a line';
  if (format === 'csv')
    problems.push({ path: 'data.format', message: "is 'csv', which holds no conversations (data.messages)", fix });
  const named = (files: readonly string[], at: string) =>
    files.map((file, index) => ({ path: `data.${at}[${index}]`, file }));
  const others = [...named(evaluationFiles, 'evaluationFiles'), ...named(shiftedFiles, 'shiftedFiles')];
  for (const { path, file } of [...rows, ...others]) {
    if (format !== undefined || !/\.csv$/i.test(file)) continue;
    problems.push({ path, message: `'${file}' is CSV, which holds no conversations (data.messages)`, fix });
  }
  return problems;
}
