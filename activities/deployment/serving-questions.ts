/** The test rows that a model server is asked about when a release is deployed, in the words of the Open Inference Protocol. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Digest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { loadPictures } from '../data/images/pictures.ts';
import { lineBlocks } from '../data/line-blocks.ts';

/** A request, and which rows of the reference it is about. */
export interface ServingQuestion {
  readonly rows: readonly number[];
  readonly inputs: readonly object[];
}

/** Any server takes a request of such a picture; a larger one is left out. */
const MOST_PICTURE_BYTES = 6 * 2 ** 20;

/**
 * `most` rows of the reference, which are the test rows at `places`, or all test rows: of texts the first ones, all at once, and
 * those of `among`, which may be long, one by one; pictures the first ones, one by one. Throws BadData for a dataset without them.
 */
export async function servingQuestions(
  store: ArtifactStore,
  dataset: Digest,
  {
    most,
    places,
    among = [],
  }: {
    readonly most: number;
    readonly places?: readonly number[] | undefined;
    readonly among?: readonly number[];
  },
  signal: AbortSignal,
): Promise<readonly ServingQuestion[]> {
  if (most === 0) return [];
  const { entries } = await store.tree(dataset);
  if (entries.some(({ path }) => path === 'test.tar'))
    return pictureQuestions(store, dataset, { most, places }, signal);
  const file = 'test.jsonl';
  const entry = entries.find(({ path }) => path === file);
  if (entry === undefined) throw new EspalierError('BadData', `the dataset has no ${file}`, { where: dataset });
  const asked = new Set(among.slice(0, most));
  for (let row = 0; asked.size < most; row++) asked.add(row);
  const rows = new Map<number, TextRow>();
  let [place, at] = [0, 0];
  reading: for await (const block of lineBlocks(await store.file(entry.digest, signal), file, signal)) {
    for (const row of block) {
      if (place++ !== (places === undefined ? at : places[at])) continue;
      if (asked.has(at)) rows.set(at, row as TextRow);
      at += 1;
      if (rows.size === most) break reading;
    }
  }
  const alone = new Set(among);
  const together = [...rows.keys()].filter((row) => !alone.has(row));
  const single = [...rows.keys()].filter((row) => alone.has(row)).map((row) => [row]);
  return [...(together.length === 0 ? [] : [together]), ...single].map((some) =>
    textQuestion(
      some,
      some.map((row) => rows.get(row)!),
    ),
  );
}

function textQuestion(rows: readonly number[], texts: readonly TextRow[]): ServingQuestion {
  const pairs = texts.flatMap(({ pair }) => (pair === undefined ? [] : [pair]));
  const text = tensor(
    'text',
    texts.map((row) => row.text),
  );
  return { rows, inputs: pairs.length === 0 ? [text] : [text, tensor('pair', pairs)] };
}

interface TextRow {
  readonly text: string;
  readonly pair?: string;
}

async function pictureQuestions(
  store: ArtifactStore,
  dataset: Digest,
  { most, places }: { readonly most: number; readonly places: readonly number[] | undefined },
  signal: AbortSignal,
): Promise<readonly ServingQuestion[]> {
  const questions: ServingQuestion[] = [];
  let [place, row] = [0, 0];
  for await (const { bytes } of loadPictures(store, dataset, 'test', signal)) {
    if (place++ !== (places === undefined ? row : places[row])) continue;
    if (bytes.length <= MOST_PICTURE_BYTES) {
      questions.push({ rows: [row], inputs: [tensor('image', [Buffer.from(bytes).toString('base64')])] });
    }
    row += 1;
    if (questions.length === most) break;
  }
  return questions;
}

function tensor(name: string, data: readonly string[]): object {
  return { name, datatype: 'BYTES', shape: [data.length], data };
}
