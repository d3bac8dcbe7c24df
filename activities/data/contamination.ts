/** Texts that training knows nearly word for word are worth nothing for measuring: found, reported, and kept apart on demand. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Contamination, DataFile, DataFinding, PrepareDataInput, Split } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import type { CheckedRow } from './checks.ts';
import { conversationIdentity, conversationOf, type Conversation } from './conversations.ts';
import { findNearTwins, missRate, nearGroups, sketch, type Sketched } from './near-duplicates.ts';
import { normaliseText, textIdentity } from './normalise.ts';
import { readRows, readValues } from './readers.ts';
import { WordCounts } from './word-counts.ts';

export type Sides<Row extends CheckedRow = CheckedRow> = Readonly<Record<Split, readonly Row[]>>;
type Policy = PrepareDataInput['data']['nearDuplicates'];

/** What is compared: the sides with each other, and with the texts of the evaluation files (the same columns). */
interface Compared {
  readonly files: readonly DataFile[];
  readonly data: { readonly nearDuplicates: Policy; readonly text: string; readonly pair?: string | undefined };
  /** Where rows are conversations: so are those of the evaluation files. */
  readonly conversations?: { readonly column: string; readonly maxTextBytes: number };
}

const normalised = (rows: readonly CheckedRow[]): string[] => rows.map((row) => row.normalised);
const counted = (twins: Int32Array): number => twins.filter((twin) => twin !== -1).length;

/** Rows whose near twins have one `near` key with them: the split then keeps them together, whatever their order. */
export async function keepTwinsTogether<Row extends CheckedRow>(
  rows: readonly Row[],
  { similarity }: Policy,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const keys = rows.map(({ near }) => near);
  const groups = await nearGroups(normalised(rows), keys, similarity, signal);
  const smallest = new Map<number, string>();
  for (const [index, key] of keys.entries()) {
    const group = groups[index] as number;
    const known = smallest.get(group) ?? key;
    smallest.set(group, key < known ? key : known);
  }
  return rows.map((row, index) => ({ ...row, near: smallest.get(groups[index] as number) ?? row.near }));
}

/** What rows of one group have in common where near twins are kept together, as a message says it. */
export function nearlyTheSame({ similarity }: Policy): string {
  return `nearly the same text (${similarity} or more of their 5-grams in common, or the same but for digits, punctuation, case or a slip)`;
}

/** Takes out of train what validation or test nearly have, and out of validation what test has. */
export async function dropTwins<Row extends CheckedRow>(
  { train, validation, test }: Sides<Row>,
  { similarity }: Policy,
  signal: AbortSignal,
): Promise<{ readonly sides: Sides<Row>; readonly dropped: readonly Row[] }> {
  const words = await WordCounts.of([train, validation, test].map(normalised), signal);
  const without = async (rows: readonly Row[], heldOut: readonly Row[]) => {
    const twins = await findNearTwins(
      await sketch(normalised(rows), signal),
      await sketch(normalised(heldOut), signal),
      similarity,
      signal,
      words,
    );
    return {
      kept: rows.filter((_, index) => twins[index] === -1),
      dropped: rows.filter((_, index) => twins[index] !== -1),
    };
  };
  const judged = await without(validation, test);
  const learned = await without(train, [...judged.kept, ...test]);
  return {
    sides: { train: learned.kept, validation: judged.kept, test },
    dropped: [...learned.dropped, ...judged.dropped],
  };
}

/** Counts near twins across the splits and with the evaluation files. Throws BadData where the policy refuses them. */
export async function measureContamination(
  { train, validation, test }: Sides,
  { files, data, conversations }: Compared,
  dropped: number,
  context: StepContext,
): Promise<Contamination> {
  const { action, similarity } = data.nearDuplicates;
  const { signal } = context;
  context.progress({ phase: 'looking for near duplicates', total: train.length + validation.length + test.length });
  const [learned, judged, tested] = (await Promise.all(
    [train, validation, test].map((rows) => sketch(normalised(rows), signal)),
  )) as [Sketched, Sketched, Sketched];
  const words = await WordCounts.of([learned.texts, judged.texts, tested.texts], signal);
  const inTrain = await findNearTwins(tested, learned, similarity, signal, words);
  const inValidation = await findNearTwins(tested, judged, similarity, signal, words);
  const nearTwins = {
    validation: counted(await findNearTwins(judged, learned, similarity, signal, words)),
    test: counted(inTrain.map((twin, index) => Math.max(twin, inValidation[index] as number))),
  };
  if (action === 'fail' && nearTwins.validation + nearTwins.test > 0) {
    throw new EspalierError('BadData', twinsMessage(nearTwins, similarity), {
      where: 'data.nearDuplicates',
      fix: "remove them from one side, or set data.nearDuplicates.action to 'separate'",
    });
  }
  const evaluation: Contamination['evaluation'][number][] = [];
  const known = [learned, judged, tested];
  // A question of a benchmark may have been asked in the middle of a conversation, too.
  if (conversations !== undefined) known.push(await sketch(questionsOf([...train, ...validation, ...test]), signal));
  const all = new Set(known.flatMap(({ texts }) => texts));
  for (const file of files.filter(({ split }) => split === 'evaluation')) {
    const texts =
      conversations === undefined
        ? await textsOf(file, data, context)
        : await conversationsOf(file, conversations, context);
    const others = await sketch(
      texts.filter((text) => !all.has(text)),
      signal,
    );
    const twins = new Set<number>();
    await words.addAll(others.texts, signal);
    for (const side of known) {
      for (const [index, twin] of (await findNearTwins(others, side, similarity, signal, words)).entries()) {
        if (twin !== -1) twins.add(index);
      }
    }
    evaluation.push({
      file: file.path,
      rows: texts.length,
      exact: texts.length - others.texts.length,
      near: twins.size,
    });
  }
  return { similarity, missRate: missRate(similarity), nearTwins, dropped, evaluation };
}

async function textsOf(
  { path, format, ref }: DataFile,
  { text, pair }: Compared['data'],
  context: StepContext,
): Promise<string[]> {
  if (format !== 'csv' && format !== 'jsonl') return [];
  const source = { path: await context.store.file(ref, context.signal), name: path, format };
  const texts: string[] = [];
  for await (const row of readRows(source, { text, pair, label: text }, context.signal)) {
    if ('text' in row) texts.push(textIdentity(row.text, row.pair).normalised);
  }
  return texts;
}

async function conversationsOf(
  { path, format, ref }: DataFile,
  { column, maxTextBytes }: Required<Compared>['conversations'],
  context: StepContext,
): Promise<string[]> {
  if (format !== 'jsonl') return [];
  const source = { path: await context.store.file(ref, context.signal), name: path, format } as const;
  const texts: string[] = [];
  for await (const row of readValues(source, [{ name: column, json: true }], context.signal)) {
    if ('problem' in row) continue;
    const said = conversationOf(JSON.parse(row.values[column] ?? 'null'), column, maxTextBytes);
    if ('prompt' in said) texts.push(conversationIdentity(said).normalised);
  }
  return texts;
}

/** What people have asked in conversations, each once. */
function questionsOf(rows: readonly (CheckedRow & Pick<Conversation, 'history'>)[]): readonly string[] {
  const asked = rows.flatMap(({ history = [], text }) =>
    history.length === 0 ? [] : [...history.filter(({ role }) => role === 'user').map(({ content }) => content), text],
  );
  return [...new Set(asked.map(normaliseText))];
}

/** What people should know of it. */
export function contaminationFindings({ similarity, nearTwins, evaluation }: Contamination): readonly DataFinding[] {
  const warning = (reason: string, message: string): DataFinding => ({ severity: 'warning', reason, message });
  const across =
    nearTwins.validation + nearTwins.test > 0 ? [warning('near-twin', twinsMessage(nearTwins, similarity))] : [];
  const known = evaluation.filter(({ exact, near }) => exact + near > 0);
  return [
    ...across,
    ...known.map(({ file, rows, exact, near }) =>
      warning(
        'evaluation-overlap',
        `of the ${rows} texts of ${file}, ${exact} are in the dataset and ${near} nearly so`,
      ),
    ),
  ];
}

function twinsMessage({ validation, test }: Contamination['nearTwins'], similarity: number): string {
  return `${validation} validation and ${test} test texts nearly stand in an earlier split (${similarity} or more of their 5-grams in common, or short and the same but for a slip): scores will look better than they are`;
}
