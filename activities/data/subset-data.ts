/**
 * A small part of a dataset for prototypes: stratified by label, and growing. A row's place is the hash of seed and id, so
 * that of one seed a smaller part lies within every larger one, whatever order the rows stand in.
 */
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import type { DataSubset, RowLimit, SubsetDataInput } from '../contract/prototype.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { SPLITS } from './dataset.ts';
import { compareText, countLabels, groupBy } from './group.ts';
import { sha256Hex } from './normalise.ts';

/** A line with what decides whether it stays; what else it holds is the task's. */
interface Line {
  readonly place: number;
  readonly id: string;
  /** What it is stratified by. */
  readonly label: string;
  readonly labels?: readonly string[] | undefined;
  readonly rank: string;
  /** Of a prompt: there is a good answer. */
  readonly answered: boolean;
}
/** Rows without a label are one group. */
const RowSchema = z.looseObject({
  id: z.string(),
  label: z.string().default(''),
  labels: z.array(z.string()).optional(),
  completion: z.string().optional(),
});

/** Rows to keep of `count`. */
export function rowsKept(count: number, { share = 1, least = 0, most = Number.POSITIVE_INFINITY }: RowLimit): number {
  return Math.min(count, most, Math.max(Math.ceil(count * share), least));
}

/**
 * The places of `wanted` rows in ascending order. The rows stand in one queue, each label's spread evenly over it and the
 * first of each in front: any beginning of the queue is stratified, and lies within every longer one.
 */
export function stratifiedPlaces(lines: readonly Omit<Line, 'answered'>[], wanted: number): readonly number[] {
  const queue = [...groupBy(lines, ({ label }) => label)].flatMap(([label, members]) =>
    members
      .toSorted((one, other) => compareText(one.rank, other.rank) || compareText(one.id, other.id))
      .map(({ place }, at) => ({
        place,
        label,
        turn: at === 0 ? 0 : (at + 0.5) / members.length,
        size: members.length,
      })),
  );
  return queue
    .toSorted((one, other) => one.turn - other.turn || other.size - one.size || compareText(one.label, other.label))
    .slice(0, wanted)
    .map(({ place }) => place)
    .toSorted((one, other) => one - other);
}

export const subsetData: StepDefinition<SubsetDataInput, DataSubset> = {
  type: 'data.subset',
  version: 1,
  async run({ dataset, rows, seed }, context) {
    const { store, signal, workDir } = context;
    const folder = join(workDir, 'subset');
    await mkdir(folder);
    const kept = { train: [] as Line[], validation: [] as Line[], test: [] as Line[] };
    for (const split of SPLITS) {
      const path = await store.fileInTree(dataset, `${split}.jsonl`, signal);
      const lines = rarestLabels(await readLines(path, `${split}.jsonl`, seed, context));
      const places = new Set(stratifiedPlaces(lines, rowsKept(lines.length, rows[split])));
      kept[split] = lines.filter(({ place }) => places.has(place));
      await writePlaces(path, join(folder, `${split}.jsonl`), places, signal);
    }
    // Labels, origin and, of pictures, the packs stay as they are.
    for (const { path } of (await store.tree(dataset)).entries) {
      if (SPLITS.some((split) => path === `${split}.jsonl`)) continue;
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await copyFile(await store.fileInTree(dataset, path, signal), join(folder, path));
    }
    const counts = SPLITS.map((split) => countLabels(kept[split]));
    const labels = [...new Set(counts.flatMap((count) => [...count.keys()]))].toSorted(compareText);
    const answered = kept.train.filter((line) => line.answered).length;
    return {
      dataset: await store.putTree(folder, 'dataset', { signal }),
      ...(answered === 0 ? {} : { completions: answered }),
      rows: { train: kept.train.length, validation: kept.validation.length, test: kept.test.length },
      labelCounts: Object.fromEntries(
        labels.map((label) => [
          label,
          {
            train: counts[0]?.get(label) ?? 0,
            validation: counts[1]?.get(label) ?? 0,
            test: counts[2]?.get(label) ?? 0,
          },
        ]),
      ),
    };
  },
};

async function readLines(path: string, name: string, seed: number, { signal }: StepContext): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of linesOf(path, signal)) {
    const parsed = RowSchema.safeParse(jsonOf(line));
    if (!parsed.success) {
      const where = `${name}:${lines.length + 1}`;
      throw new EspalierError('BadData', `${where} is no row of a dataset`, { where, fix: 'prepare the data again' });
    }
    const { id, label, labels, completion } = parsed.data;
    lines.push({
      place: lines.length,
      id,
      label,
      ...(labels === undefined ? {} : { labels }),
      rank: sha256Hex(`${seed}:${id}`),
      answered: completion !== undefined,
    });
  }
  return lines;
}

/**
 * A row of several labels goes with the rarest: so every label that is hard to find a row of has its share, and the frequent
 * ones come along. Rows without any are one group.
 */
function rarestLabels(lines: readonly Line[]): Line[] {
  const counts = countLabels(lines);
  return lines.map((line) => {
    if (line.labels === undefined) return line;
    const [rarest = ''] = line.labels.toSorted(
      (one, other) => (counts.get(one) ?? 0) - (counts.get(other) ?? 0) || compareText(one, other),
    );
    return { ...line, label: rarest };
  });
}

async function writePlaces(from: string, to: string, places: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
  let place = 0;
  const chosen: string[] = [];
  for await (const line of linesOf(from, signal)) if (places.has(place++)) chosen.push(`${line}\n`);
  await writeFile(to, chosen, { signal });
}

function linesOf(path: string, signal: AbortSignal): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path, { encoding: 'utf8', signal }), crlfDelay: Infinity });
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
