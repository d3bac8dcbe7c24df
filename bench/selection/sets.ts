/** Real data sets, cut to a size at which all candidates can be tuned on all rows. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { sampleIndices, seededRandom } from '../../activities/validation/random.ts';
import { temporaryFolder } from '../../test/training/fixtures.ts';

export interface DataSet {
  readonly name: string;
  readonly folder: string;
  /** So many labels are kept, by name; all when missing. */
  readonly labels?: number;
  readonly trainRows: number;
  /** To choose by, and to test by. */
  readonly measuredRows: number;
  /** To test by, where it is not as many as to choose by; all when there are fewer. */
  readonly testRows?: number;
}
export interface Row {
  readonly text: string;
  readonly label: string;
}
export interface Prepared {
  /** `validation.jsonl` is what the trainer measures on: validation to choose by, test to compare the fully tuned by. */
  readonly dataset: ArtifactRef;
  readonly tested: ArtifactRef;
  readonly labels: readonly string[];
  readonly rows: { readonly train: number; readonly validation: number; readonly test: number };
}

export async function prepare(data: string, set: DataSet, store: ArtifactStore, seed = 11): Promise<Prepared> {
  const random = seededRandom(seed);
  const all = await rowsOf(data, set.folder, 'train');
  const labels = [...new Set(all.map(({ label }) => label))].toSorted().slice(0, set.labels);
  const kept = (rows: readonly Row[]) => rows.filter(({ label }) => labels.includes(label));
  const train = kept(all);
  const chosen = sampleIndices(train.length, set.trainRows + set.measuredRows, random).flatMap((at) => train[at] ?? []);
  // Rows of one label stand together in some of the files: dealt out evenly, both parts hold all of them.
  const share = set.measuredRows / (set.trainRows + set.measuredRows);
  const parts = { train: [] as Row[], validation: [] as Row[] };
  for (const [at, row] of chosen.entries())
    parts[Math.floor((at + 1) * share) > Math.floor(at * share) ? 'validation' : 'train'].push(row);
  const test = kept(await rowsOf(data, set.folder, 'test'));
  const tested = sampleIndices(test.length, set.testRows ?? set.measuredRows, random).flatMap((at) => test[at] ?? []);
  return {
    dataset: await tree(store, labels, { ...parts, test: [] }),
    tested: await tree(store, labels, { train: parts.train, validation: tested, test: [] }),
    labels,
    rows: { train: parts.train.length, validation: parts.validation.length, test: tested.length },
  };
}

async function tree(
  store: ArtifactStore,
  labels: readonly string[],
  splits: Readonly<Record<string, readonly Row[]>>,
): Promise<ArtifactRef> {
  const home = await temporaryFolder();
  await mkdir(home, { recursive: true });
  for (const [split, rows] of Object.entries(splits)) {
    const lines = rows.map(({ text, label }, at) => `${JSON.stringify({ id: `${split}-${at}`, text, label })}\n`);
    await writeFile(join(home, `${split}.jsonl`), lines);
  }
  await writeFile(join(home, 'labels.json'), JSON.stringify(labels));
  return store.putTree(home, 'dataset');
}

async function rowsOf(data: string, folder: string, split: string): Promise<readonly Row[]> {
  const text = await readFile(join(data, 'datasets', folder, `${split}.jsonl`), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
}
