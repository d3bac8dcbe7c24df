/** From sources of pictures to a checked, split dataset in the store. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../../../artifacts/canonical-json.ts';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { DataFinding, DatasetSummary, PreparePicturesInput } from '../../contract/data.ts';
import type { StepContext, StepDefinition } from '../../step.ts';
import { BEHAVIOUR_FILE, behaviourLines } from '../behaviour.ts';
import { badData, classProblems, deduplicate, imbalance, quoted, unseenLabels, type BadRow } from '../checks.ts';
import type { Sides } from '../contamination.ts';
import { readCroissant } from '../croissant.ts';
import { SPLITS } from '../dataset.ts';
import { divide } from '../divide.ts';
import { byPlace, countReasons, putFindings } from '../findings.ts';
import { compareText, countLabels } from '../group.ts';
import { pause } from '../pauses.ts';
import { refuseGroups, refusePersonalLabels } from '../personal-data.ts';
import { labelCounts, originOf, sizes } from '../write-dataset.ts';
import { dropLikes, keepLikesTogether, likesMessage, measureLikes } from './near-pictures.ts';
import { readElsewhere } from './elsewhere.ts';
import { readPictureTests, type PictureTests } from './behaviour.ts';
import { writePack, writeSplit } from './pictures.ts';
import { readSources, type CheckedPicture, type ReadPictures } from './read-sources.ts';

/** Throws BadData naming the first bad pictures, or what the pictures as a whole lack. */
export const preparePictures: StepDefinition<PreparePicturesInput, DatasetSummary> = {
  type: 'data.prepare-pictures',
  version: 8,
  async run(input, context) {
    const { files, data } = input;
    const { store, signal } = context;
    const description = files.find(({ split }) => split === 'description');
    const described = description && readCroissant(await store.getBytes(description.ref), description.path, files);
    const read = await readSources(input, context);
    refuseMetadata(read, data);
    const unseen = data.labels === undefined ? unseenLabels(read.rows) : [];
    const hidden = new Set(unseen.map(({ file, line }) => `${file}:${line}`));
    const seen = read.rows.filter(({ file, line }) => !hidden.has(`${file}:${line}`));
    const { kept, duplicates, conflicts } = deduplicate(seen, 'picture');
    const bad = [...read.badRows, ...unseen, ...conflicts].toSorted(byPlace);
    if (bad.length > 0 && data.onBadRow === 'fail') throw badData(bad);
    await pause(signal);

    const labels = data.labels ?? [...countLabels(kept).keys()].toSorted(compareText);
    refusePersonalLabels(labels);
    refuseGroups(kept, data.groups ?? []);
    refuse(classProblems(kept, labels, data.minRowsPerLabel), bad.length + duplicates.length);
    const { sides, likes } = await keepApart(kept, input, signal);
    const contamination = measureLikes(sides, data.nearDuplicates, likes.length);
    const trained = countLabels(sides.train);
    const untrained = labels
      .filter((label) => !trained.has(label))
      .map((label) => `train has no picture of ${quoted(label)}`);
    refuse(untrained.slice(0, 10), bad.length + duplicates.length + likes.length);
    await pause(signal);

    const known = [...sides.train, ...sides.validation, ...sides.test];
    const elsewhere = await readElsewhere(input, { labels, known }, context);
    refuseMetadata(elsewhere, data);
    const behaviour = await readPictureTests(input, { labels, gallery: sides.train }, context);
    refuseMetadata({ told: behaviour.told, rows: behaviour.pictures }, data);
    const warned = (row: BadRow): DataFinding => ({ severity: 'warning', ...row });
    const { nearTwins } = contamination;
    const findings: DataFinding[] = [
      ...metadataFindings(read),
      ...[imbalance(kept) ?? []].flat(),
      ...(nearTwins.validation + nearTwins.test > 0
        ? [{ severity: 'warning' as const, reason: 'near-twin', message: likesMessage(nearTwins, data.nearDuplicates) }]
        : []),
      ...[...bad, ...elsewhere.badRows].map((row) => ({ severity: 'error' as const, ...row })),
      ...[...duplicates, ...likes, ...elsewhere.left].map(warned),
    ];
    const counts = {
      rows: sizes(sides),
      labelCounts: labelCounts(sides, labels),
      dropped: countReasons([...bad, ...duplicates, ...likes, ...elsewhere.badRows, ...elsewhere.left]),
      ...(described === undefined ? {} : { described }),
    };
    const dataset = await writePictures(input, context, { ...sides, elsewhere, behaviour }, labels, read, counts);
    return { dataset, labels, ...counts, contamination, ...(await putFindings(findings, context)) };
  },
};

/** The sides, with pictures that look nearly alike on one of them only where the policy says so. */
async function keepApart(
  rows: readonly CheckedPicture[],
  { files, data }: PreparePicturesInput,
  signal: AbortSignal,
): Promise<{ readonly sides: Sides<CheckedPicture>; readonly likes: readonly BadRow[] }> {
  const grouped = await keepLikesTogether(rows, data.nearDuplicates, signal);
  const alike = 'pictures that look nearly the same';
  if (data.nearDuplicates.action === 'separate') {
    const { sides, dropped } = dropLikes(divide(grouped, files, data.split, alike));
    const message = 'looks nearly like a picture that is measured on';
    return { sides, likes: dropped.map(({ file, line }) => ({ reason: 'near-duplicate', file, line, message })) };
  }
  // Split as if nobody knew, then told which are alike.
  const nearOf = new Map(grouped.map(({ id, near }) => [id, near]));
  const sides = divide(rows, files, data.split, alike);
  const marked = (side: readonly CheckedPicture[]): readonly CheckedPicture[] =>
    side.map((row) => ({ ...row, near: nearOf.get(row.id) ?? row.near }));
  return {
    sides: { train: marked(sides.train), validation: marked(sides.validation), test: marked(sides.test) },
    likes: [],
  };
}

async function writePictures(
  { files, data }: PreparePicturesInput,
  context: StepContext,
  {
    elsewhere,
    behaviour,
    ...sides
  }: Sides<CheckedPicture> & { readonly elsewhere: ReadPictures; readonly behaviour: PictureTests },
  labels: readonly string[],
  { spool, rowsRead }: ReadPictures,
  counts: Pick<DatasetSummary, 'rows' | 'labelCounts' | 'dropped' | 'described'>,
): Promise<DatasetSummary['dataset']> {
  const folder = join(context.workDir, 'dataset');
  await mkdir(folder);
  for (const split of SPLITS) {
    context.progress({ phase: 'packing pictures', note: split });
    await writeSplit(folder, split, sides[split], spool, context.signal);
  }
  if (elsewhere.rows.length > 0) await writeSplit(folder, 'shifted', elsewhere.rows, elsewhere.spool, context.signal);
  if (behaviour.tests.length > 0) {
    const { tests, pictures, spool: asked } = behaviour;
    await writeFile(join(folder, BEHAVIOUR_FILE), behaviourLines(tests), { signal: context.signal });
    await writePack(folder, 'behaviour', pictures, asked, context.signal);
  }
  await writeFile(join(folder, 'labels.json'), canonicalJson(labels));
  const columns = { image: data.image, label: data.label };
  const origin = originOf({ files, data }, columns, { ...counts, rowsRead: { ...rowsRead, ...elsewhere.rowsRead } });
  await writeFile(
    join(folder, 'dataset.json'),
    canonicalJson({ ...origin, pictures: { ...sizesOf(sides), nearDistance: data.nearDuplicates.distance } }),
  );
  return context.store.putTree(folder, 'dataset', { signal: context.signal });
}

/** Of all pictures: shortest and longest edge, and how many were kept as they were coded. */
function sizesOf(sides: Sides<CheckedPicture>): Readonly<Record<string, number>> {
  const all = SPLITS.flatMap((split) => sides[split]);
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const { width, height } of all) {
    least = Math.min(least, width, height);
    most = Math.max(most, width, height);
  }
  return { shortestEdge: least, longestEdge: most, keptCode: all.filter(({ ending }) => ending === 'jpg').length };
}

type Told = Pick<ReadPictures, 'told'> & { readonly rows: readonly unknown[] };

function toldMessage({ told, rows }: Told): string | undefined {
  const words = {
    location: 'where they were taken',
    person: 'names or words of people',
    device: 'which camera took them',
  };
  const parts = [...told]
    .toSorted(([one], [other]) => compareText(one, other))
    .map(([what, count]) => `${count} ${words[what]}`);
  return parts.length === 0 ? undefined : `of ${rows.length} pictures, the metadata of ${parts.join(', of ')} told`;
}

function refuseMetadata(read: Told, { onPersonalMetadata }: PreparePicturesInput['data']): void {
  const message = toldMessage(read);
  if (onPersonalMetadata === 'strip' || message === undefined) return;
  throw new EspalierError('BadData', message, {
    where: 'data.onPersonalMetadata',
    fix: "remove the metadata at the source, or set data.onPersonalMetadata to 'strip'",
  });
}

function metadataFindings(read: ReadPictures): readonly DataFinding[] {
  const message = toldMessage(read);
  const warning = (reason: string, text: string): DataFinding => ({ severity: 'warning', reason, message: text });
  return [
    ...(message === undefined ? [] : [warning('personal-metadata', `${message}; it was removed`)]),
    ...(read.animated === 0
      ? []
      : [warning('animated', `${read.animated} pictures are animated: their first frame is taken`)]),
  ];
}

function refuse(problems: readonly string[], dropped: number): void {
  if (problems.length === 0) return;
  const note = dropped === 0 ? '' : ` (${dropped} pictures were left out as bad or duplicate)`;
  throw new EspalierError('BadData', `${problems.join('; ')}${note}`, {
    where: 'data.files',
    fix: 'add pictures, merge or remove labels, or check where the labels come from',
  });
}
