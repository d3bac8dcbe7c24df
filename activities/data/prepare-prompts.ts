/** From data files to checked, split prompts in the store, with answers and facts where people have written them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { DatasetSummary, DataFinding, PreparePromptsInput } from '../contract/data.ts';
import type { PromptData } from '../../pipelines/definition/data.ts';
import { kindsTo } from '../privacy/policy.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { LEAST_SLICE_ROWS } from '../validation/slices.ts';
import { BEHAVIOUR_FILE, behaviourLines } from './behaviour.ts';
import { badData, deduplicate, type BadRow } from './checks.ts';
import {
  contaminationFindings,
  dropTwins,
  keepTwinsTogether,
  nearlyTheSame,
  measureContamination,
  type Sides,
} from './contamination.ts';
import { keepConversationsWhole } from './conversations.ts';
import { readCroissant } from './croissant.ts';
import { SPLITS } from './dataset.ts';
import { divide } from './divide.ts';
import { countReasons, putFindings } from './findings.ts';
import { groupBy } from './group.ts';
import { isBlank } from './normalise.ts';
import { pause } from './pauses.ts';
import { refuseGroups } from './personal-data.ts';
import { readPromptBehaviour, type StoredPromptTest } from './prompt-behaviour.ts';
import { withoutPersonalData } from './prompt-personal-data.ts';
import { jsonLine } from './prompts.ts';
import { readPrompts, type CheckedPrompt } from './read-prompts.ts';
import { SHIFTED_FILE } from './shifted.ts';
import { readShiftedPrompts } from './shifted-prompts.ts';
import { originOf, sizes } from './write-dataset.ts';

/** A side with fewer says nothing, and a split cannot fill three sides with fewer. */
const LEAST_ROWS = 3;

/** Throws BadData naming the first bad rows by file and line, or what the rows as a whole lack. */
export const preparePrompts: StepDefinition<PreparePromptsInput, DatasetSummary> = {
  type: 'data.prepare-prompts',
  version: 8,
  // Kinds that are only counted, or refused by the scan that follows, change nothing here.
  identity: ({ files, data: { onPersonalData, ...data }, behaviour, guidelines }) => ({
    files,
    data,
    ...definedOnly({ behaviour, guidelines: guidelines?.digest }),
    removed: { drop: kindsTo('drop', onPersonalData), redact: kindsTo('redact', onPersonalData) },
  }),
  async run(input, context) {
    const { data, files } = input;
    const { store, signal } = context;
    const description = files.find(({ split }) => split === 'description');
    const described = description && readCroissant(await store.getBytes(description.ref), description.path, files);
    const { rows: read, badRows, rowsRead } = await readPrompts(input, context);
    if (badRows.length > 0 && data.onBadRow === 'fail') throw badData(badRows);
    const { rows, left, removed } = await withoutPersonalData(read, data.onPersonalData, context);
    // One label for all: then no two rows contradict each other. Of equal prompts the first answer stands.
    const { kept, duplicates } = deduplicate(
      rows,
      data.messages === undefined ? 'text' : 'conversation',
      ({ id }) => id,
    );
    refuseGroups(kept, data.groups ?? []);
    const { rows: whole, straddling } = await keepConversationsWhole(kept, signal);
    const { sides, twins } = await keepApart(whole, input, context);
    refuseFew(sides, data);
    const { messages } = data;
    const compared = {
      files,
      data: { nearDuplicates: data.nearDuplicates, text: data.prompt },
      ...(messages === undefined ? {} : { conversations: { column: messages, maxTextBytes: data.maxTextBytes } }),
    };
    const contamination = await measureContamination(sides, compared, twins.length, context);
    await pause(signal);

    const shifted = await readShiftedPrompts(input, [...sides.train, ...sides.validation, ...sides.test], context);
    const bad = [...badRows, ...shifted.badRows];
    const warned = [...duplicates, ...left, ...straddling, ...twins, ...shifted.left];
    const findings: DataFinding[] = [
      ...contaminationFindings(contamination),
      ...unanswered(sides, data),
      ...unjudgedGroups(sides.test, data.groups),
      ...bad.map((row) => ({ severity: 'error' as const, ...row })),
      ...warned.map((row) => ({ severity: 'warning' as const, ...row })),
    ];
    const counts = {
      rows: sizes(sides),
      labelCounts: {},
      dropped: countReasons([...bad, ...warned]),
      ...definedOnly({ personalData: removed, described }),
    };
    const tests = await readPromptBehaviour(input, context);
    const dataset = await writePrompts(
      input,
      context,
      { ...sides, shifted: shifted.rows, tests },
      {
        ...counts,
        rowsRead: { ...rowsRead, ...shifted.rowsRead },
      },
    );
    const completions = sides.train.filter(({ completion }) => completion !== undefined).length;
    return {
      dataset,
      labels: [],
      completions,
      ...counts,
      contamination,
      ...(await putFindings(findings, context)),
    };
  },
};

/** The sides, with near twins on one of them only where the policy says so. */
async function keepApart(
  rows: readonly CheckedPrompt[],
  { files, data }: PreparePromptsInput,
  { signal }: StepContext,
): Promise<{ readonly sides: Sides<CheckedPrompt>; readonly twins: readonly BadRow[] }> {
  const policy = data.nearDuplicates;
  if (policy.action !== 'separate') return { sides: divide(rows, files, data.split), twins: [] };
  const together = divide(await keepTwinsTogether(rows, policy, signal), files, data.split, nearlyTheSame(policy));
  const { sides, dropped } = await dropTwins(together, policy, signal);
  const message = 'nearly the same prompt as one that is measured on';
  return { sides, twins: dropped.map(({ file, line }) => ({ reason: 'near-duplicate', file, line, message })) };
}

function refuseFew(sides: Sides<CheckedPrompt>, { messages, completion: column }: PromptData): void {
  const few = SPLITS.filter((split) => split !== 'train' && sides[split].length < LEAST_ROWS);
  const problem =
    few.length > 0
      ? `${few.map((split) => `${split} has ${sides[split].length}`).join(' and ')} prompts; each needs at least ${LEAST_ROWS}${messages === undefined ? '' : conversationsOf(sides)}`
      : sides.train.some(({ completion }) => completion !== undefined)
        ? undefined
        : messages !== undefined
          ? 'no conversation of train ends with an answer'
          : column !== undefined
            ? 'data.completion is given, but no row of train has one'
            : undefined;
  if (problem === undefined) return;
  throw new EspalierError('BadData', problem, {
    where: 'data.files',
    fix: 'add rows, or check that data.prompt and data.completion, or data.messages, name the right columns',
  });
}

/** Many rows of few conversations cannot be split, and nothing of that is to be seen in their number. */
function conversationsOf(sides: Sides<CheckedPrompt>): string {
  const different = new Set(SPLITS.flatMap((split) => sides[split].map(({ near }) => near))).size;
  return `. The rows are of ${different} different conversations, each of which is on one side: a row is of one with all that ask on their way what it asks`;
}

/** Without a good answer a row teaches nothing, and the perplexity cannot be measured on it. */
function unanswered(sides: Sides<CheckedPrompt>, { messages, completion: column }: PromptData): readonly DataFinding[] {
  if (column === undefined && messages === undefined) return [];
  return SPLITS.flatMap((split): readonly DataFinding[] => {
    const missing = sides[split].filter(({ completion }) => completion === undefined).length;
    if (missing === 0) return [];
    const what = messages === undefined ? 'rows have no completion' : 'conversations end with the user';
    const message = `${missing} of ${sides[split].length} ${split} ${what}: they are asked, and nothing is learnt from them`;
    return [{ severity: 'warning', reason: 'no-completion', message }];
  });
}

/** A gate on slices judges a group of so many test prompts, and as many others; of a column without one it says nothing. */
function unjudgedGroups(test: readonly CheckedPrompt[], columns: PromptData['groups'] = []): readonly DataFinding[] {
  return columns.flatMap((column): readonly DataFinding[] => {
    const values = groupBy(
      test.flatMap(({ groups }) => groups?.[column] ?? []),
      (value) => value,
    );
    const isJudged = [...values.values()].some(
      ({ length }) => length >= LEAST_SLICE_ROWS && test.length - length >= LEAST_SLICE_ROWS,
    );
    if (isJudged) return [];
    const message = `no value of the group '${column}' has ${LEAST_SLICE_ROWS} test prompts beside ${LEAST_SLICE_ROWS} others: how it is answered is not judged`;
    return [{ severity: 'warning', reason: 'few-in-groups', message }];
  });
}

async function writePrompts(
  { files, data }: PreparePromptsInput,
  { store, workDir, signal }: StepContext,
  sides: Sides<CheckedPrompt> & {
    readonly shifted: readonly CheckedPrompt[];
    readonly tests: readonly StoredPromptTest[];
  },
  counts: Parameters<typeof originOf>[2],
): Promise<ArtifactRef> {
  const folder = join(workDir, 'dataset');
  await mkdir(folder);
  const write = async (name: string, rows: readonly CheckedPrompt[]): Promise<void> => {
    const lines = rows.map(({ id, text, completion, facts, history, groups }) =>
      jsonLine({ id, prompt: text, ...definedOnly({ completion, facts, history, groups }) }),
    );
    await writeFile(join(folder, name), lines.join(''), { signal });
  };
  for (const split of SPLITS) await write(`${split}.jsonl`, sides[split]);
  if (sides.shifted.length > 0) await write(SHIFTED_FILE, sides.shifted);
  if (sides.tests.length > 0) await writeFile(join(folder, BEHAVIOUR_FILE), behaviourLines(sides.tests), { signal });
  const general = files.find(({ split }) => split === 'general');
  if (general !== undefined) {
    const texts = (await readFile(await store.file(general.ref, signal), 'utf8'))
      .split(/\r?\n\s*\r?\n/)
      .filter((text) => !isBlank(text));
    await writeFile(join(folder, 'general.jsonl'), texts.map((text) => jsonLine({ text: text.trim() })).join(''));
  }
  const { messages, prompt, completion, facts } = data;
  const columns = definedOnly(messages === undefined ? { prompt, completion, facts } : { messages, facts });
  await writeFile(join(folder, 'dataset.json'), canonicalJson(originOf({ files, data }, columns, counts)));
  return store.putTree(folder, 'dataset', { signal });
}
