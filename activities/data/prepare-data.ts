/** From data files to a checked, split dataset in the store. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { DataDescription, DataFinding, DatasetSummary, PrepareDataInput } from '../contract/data.ts';
import { kindsTo } from '../privacy/policy.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import {
  badData,
  checkRow,
  classProblems,
  deduplicate,
  holdsRows,
  imbalance,
  quoted,
  SHOWN_BAD_ROWS,
  unseenLabels,
  type BadRow,
  type CheckedRow,
} from './checks.ts';
import {
  contaminationFindings,
  dropTwins,
  keepTwinsTogether,
  nearlyTheSame,
  measureContamination,
  type Sides,
} from './contamination.ts';
import { readBehaviour } from './behaviour.ts';
import { readCroissant } from './croissant.ts';
import { divide } from './divide.ts';
import { byPlace, countReasons, putFindings } from './findings.ts';
import { compareText, countLabels } from './group.ts';
import { giveaways, namedLabels } from './leaks.ts';
import { textIdentity } from './normalise.ts';
import { pause } from './pauses.ts';
import { refuseGroups, refusePersonalLabels, removePersonalData } from './personal-data.ts';
import { readRows } from './readers.ts';
import { rowLabels } from './row-labels.ts';
import { readShifted } from './shifted.ts';
import { labelCounts, sizes, writeDataset } from './write-dataset.ts';

const PROGRESS_ROWS = 20_000;

/** Throws BadData naming the first bad rows by file and line, or what the rows as a whole lack. */
export const prepareData: StepDefinition<PrepareDataInput, DatasetSummary> = {
  type: 'data.prepare',
  version: 7,
  // Kinds that are only counted, or refused by the scan that follows, change nothing here.
  identity: ({ files, data: { onPersonalData, ...data }, behaviour }) => ({
    files,
    data,
    ...(behaviour === undefined ? {} : { behaviour }),
    removed: { drop: kindsTo('drop', onPersonalData), redact: kindsTo('redact', onPersonalData) },
  }),
  async run(input, context) {
    const { data } = input;
    const described = await describe(input, context);
    const { rows: read, badRows, rowsRead } = await readAll(input, context);
    const { rows, left, removed } = await removePersonalData(read, data.onPersonalData, context);
    if (!rows.some(({ split }) => split === 'train' || split === 'all') && badRows.length === 0) {
      throw new EspalierError('BadData', 'there are no training rows', {
        where: 'data.files',
        fix: 'declare a train file',
      });
    }
    context.progress({ phase: 'checking rows', done: rows.length, total: rows.length });
    const unseen = data.labels === undefined ? unseenLabels(rows) : [];
    const hidden = new Set(unseen.map(({ file, line }) => `${file}:${line}`));
    const { kept, duplicates, conflicts } = deduplicate(
      hidden.size === 0 ? rows : rows.filter(({ file, line }) => !hidden.has(`${file}:${line}`)),
    );
    const bad = [...badRows, ...unseen, ...conflicts].toSorted(byPlace);
    if (bad.length > 0 && data.onBadRow === 'fail') throw badData(bad);
    await pause(context.signal);

    const labels = data.labels ?? [...countLabels(kept).keys()].toSorted(compareText);
    refusePersonalLabels(labels);
    refuseGroups(kept, data.groups ?? []);
    const leftOut = [...bad, ...duplicates, ...left];
    refuse(classProblems(kept, labels, data.minRowsPerLabel), leftOut.length);
    const findings: DataFinding[] = [
      ...bad.map((row) => ({ severity: 'error' as const, ...row })),
      ...[...duplicates, ...left].map((row) => ({ severity: 'warning' as const, ...row })),
      ...[imbalance(kept) ?? []].flat(),
      ...namedLabels(kept),
    ];
    await pause(context.signal);
    findings.push(...giveaways(kept));
    await pause(context.signal);

    const { sides, twins } = await keepApart(kept, input, context);
    await pause(context.signal);
    const contamination = await measureContamination(sides, input, twins.length, context);
    const trained = countLabels(sides.train);
    const untrained = labels
      .filter((label) => !trained.has(label))
      .map((label) => `train has no row of ${quoted(label)}`);
    refuse(untrained.slice(0, SHOWN_BAD_ROWS), leftOut.length + twins.length);
    findings.push(...straddling(sides), ...contaminationFindings(contamination), ...missingLabels(sides, labels));
    const shifted = await readShifted(
      input,
      { labels, known: [...sides.train, ...sides.validation, ...sides.test] },
      context,
    );
    findings.push(
      ...shifted.badRows.map((row) => ({ severity: 'error' as const, ...row })),
      ...[...twins, ...shifted.left].map((row) => ({ severity: 'warning' as const, ...row })),
    );
    // General findings first: of thousands of duplicates only the first few are shown.
    findings.sort((left, right) => Number(left.line !== undefined) - Number(right.line !== undefined));
    await pause(context.signal);

    const counts = {
      rows: sizes(sides),
      labelCounts: labelCounts(sides, labels),
      dropped: countReasons([...leftOut, ...twins, ...shifted.badRows, ...shifted.left]),
      ...(removed === undefined ? {} : { personalData: removed }),
      ...(described === undefined ? {} : { described }),
    };
    const behaviour = await readBehaviour(input, labels, context);
    const dataset = await writeDataset(input, context, { ...sides, shifted: shifted.rows, behaviour }, labels, {
      ...counts,
      rowsRead: { ...rowsRead, ...shifted.rowsRead },
    });
    return { dataset, labels, ...counts, contamination, ...(await putFindings(findings, context)) };
  },
};

async function describe({ files }: PrepareDataInput, { store }: StepContext): Promise<DataDescription | undefined> {
  const file = files.find(({ split }) => split === 'description');
  return file === undefined ? undefined : readCroissant(await store.getBytes(file.ref), file.path, files);
}

async function readAll(
  { files, data }: PrepareDataInput,
  context: StepContext,
): Promise<{ rows: CheckedRow[]; badRows: BadRow[]; rowsRead: Record<string, number> }> {
  const rows: CheckedRow[] = [];
  const badRows: BadRow[] = [];
  const rowsRead: Record<string, number> = {};
  const rules = { maxTextBytes: data.maxTextBytes, labels: data.labels };
  for (const { path: file, format, split, ref } of files) {
    if (!holdsRows(split)) continue;
    if (format !== 'csv' && format !== 'jsonl') continue;
    const source = { path: await context.store.file(ref, context.signal), name: file, format };
    let read = 0;
    for await (const row of readRows(source, data, context.signal)) {
      read += 1;
      if (read % PROGRESS_ROWS === 0) context.progress({ phase: 'reading', done: read, note: file });
      const problem = 'problem' in row ? row.problem : checkRow({ ...row, ...rowLabels(row) }, rules);
      if (problem !== undefined)
        badRows.push({ reason: problem.reason, file, line: row.line, message: problem.message });
      else if (!('problem' in row)) {
        rows.push({ ...row, ...rowLabels(row), file, split, ...textIdentity(row.text, row.pair) });
      }
    }
    rowsRead[file] = read;
  }
  return { rows, badRows, rowsRead };
}

/** The sides, with near twins on one of them only where the policy says so. */
async function keepApart(
  rows: readonly CheckedRow[],
  { files, data }: PrepareDataInput,
  { signal }: StepContext,
): Promise<{ readonly sides: Sides; readonly twins: readonly BadRow[] }> {
  const policy = data.nearDuplicates;
  if (policy.action !== 'separate') return { sides: divide(rows, files, data.split), twins: [] };
  const { sides, dropped } = await dropTwins(
    divide(await keepTwinsTogether(rows, policy, signal), files, data.split, nearlyTheSame(policy)),
    policy,
    signal,
  );
  const message = 'nearly the same text as one that is measured on';
  return { sides, twins: dropped.map(({ file, line }) => ({ reason: 'near-duplicate', file, line, message })) };
}

/** Texts that differ only in digits or punctuation on two sides: only declared splits can have them. */
function straddling(sides: Sides): readonly DataFinding[] {
  const trained = new Set(sides.train.map(({ near }) => near));
  return (['validation', 'test'] as const).flatMap((split) => {
    const count = sides[split].filter(({ near }) => trained.has(near)).length;
    if (count === 0) return [];
    const message = `${count} of ${sides[split].length} ${split} texts are in train but for digits, punctuation or case: scores will look better than they are`;
    return [{ severity: 'warning' as const, reason: 'near-duplicate', message }];
  });
}

function missingLabels(sides: Sides, labels: readonly string[]): readonly DataFinding[] {
  return (['validation', 'test'] as const).flatMap((split) => {
    const present = countLabels(sides[split]);
    const missing = labels.filter((label) => !present.has(label));
    if (missing.length === 0) return [];
    const message = `${split} has no row of ${missing.slice(0, 10).map(quoted).join(', ')}${missing.length > 10 ? ', …' : ''}: how well these do cannot be measured there`;
    return [{ severity: 'warning' as const, reason: 'label-not-measured', message }];
  });
}

function refuse(problems: readonly string[], dropped: number): void {
  if (problems.length === 0) return;
  const note = dropped === 0 ? '' : ` (${dropped} rows were left out as bad or duplicate)`;
  throw new EspalierError('BadData', `${problems.join('; ')}${note}`, {
    where: 'data.files',
    fix: 'add rows, merge or remove labels, or check that data.label names the right column',
  });
}
