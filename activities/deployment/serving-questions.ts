/** The test rows that a model server is asked about when a release is deployed, in the words of the Open Inference Protocol. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Digest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { loadPictures } from '../data/images/pictures.ts';

/** A request, and which rows of the test split it is about. */
export interface ServingQuestion {
  readonly rows: readonly number[];
  readonly inputs: readonly object[];
}

/** Any server takes a request of such a picture; a larger one is left out. */
const MOST_PICTURE_BYTES = 6 * 2 ** 20;

/** The first `most` test rows: texts all at once, pictures one by one. Throws BadData for a dataset without them. */
export async function servingQuestions(
  store: ArtifactStore,
  dataset: Digest,
  most: number,
  signal: AbortSignal,
): Promise<readonly ServingQuestion[]> {
  const { entries } = await store.tree(dataset);
  if (entries.some(({ path }) => path === 'test.tar')) return pictureQuestions(store, dataset, most, signal);
  const entry = entries.find(({ path }) => path === 'test.jsonl');
  if (entry === undefined) throw new EspalierError('BadData', 'the dataset has no test.jsonl', { where: dataset });
  const lines = (await store.getBytes(entry.digest)).toString('utf8').split('\n').filter(Boolean).slice(0, most);
  const rows = lines.map((line) => JSON.parse(line) as { readonly text: string; readonly pair?: string });
  const pairs = rows.flatMap(({ pair }) => (pair === undefined ? [] : [pair]));
  const text = tensor(
    'text',
    rows.map((row) => row.text),
  );
  const inputs = pairs.length === 0 ? [text] : [text, tensor('pair', pairs)];
  return rows.length === 0 ? [] : [{ rows: [...rows.keys()], inputs }];
}

async function pictureQuestions(
  store: ArtifactStore,
  dataset: Digest,
  most: number,
  signal: AbortSignal,
): Promise<readonly ServingQuestion[]> {
  const questions: ServingQuestion[] = [];
  let row = 0;
  for await (const { bytes } of loadPictures(store, dataset, 'test', signal)) {
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
