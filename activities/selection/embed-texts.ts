/** Texts of two splits as a frozen encoder sees them: a block of them is in memory, and their embeddings are in a file. */
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { TextModel } from '../../inference/text-model.ts';
import type { TextInput } from '../../inference/texts.ts';
import type { TextDomain } from '../contract/selection.ts';
import type { StepContext } from '../step.ts';
import { rowsOfFile, writeNumbers, type EmbeddedRows } from './embedded-rows.ts';
import { measureTexts } from './measure-domain.ts';

/** Some texts at a time, and how many there are. */
export interface StreamedTexts {
  readonly rows: number;
  readonly blocks: AsyncIterable<readonly TextInput[]>;
}

export interface EmbeddedTexts {
  readonly dimension: number;
  /** Of class 0, all of them: texts know no classes. */
  readonly train: EmbeddedRows;
  readonly validation: EmbeddedRows;
  readonly domain: TextDomain;
}

/** Rows that a model answers at once: blocks of a multiple give the batches of all in one piece. */
const BATCH_ROWS = 32;

/** Goes through each split once; the file is in the step's own folder. Throws BadModel where an embedding is not finite. */
export async function embedTexts(
  folder: string,
  { train, validation }: { readonly train: StreamedTexts; readonly validation: StreamedTexts },
  /** Places of the training texts that are held for the domain (measure-domain.ts). */
  held: readonly number[],
  { signal, progress, workDir }: Pick<StepContext, 'signal' | 'progress' | 'workDir'>,
): Promise<EmbeddedTexts> {
  const model = await TextModel.load(folder);
  try {
    const { dimension } = model.config;
    const total = train.rows + validation.rows;
    const path = join(workDir, 'embedded-texts.f32');
    const sample = textsAt(held);
    async function* embedded(): AsyncGenerator<Float32Array> {
      let done = 0;
      for await (const texts of inBatches([sample.passing(train.blocks), validation.blocks])) {
        const onProgress = (asked: number): void => progress({ phase: 'embedding', done: done + asked, total });
        const { embeddings } = await model.runAll(texts, { signal, onProgress });
        const wrong = embeddings.findIndex((value) => !Number.isFinite(value));
        if (wrong !== -1) throw notFinite(done + Math.floor(wrong / dimension));
        yield embeddings;
        done += texts.length;
      }
    }
    await writeNumbers(path, embedded(), signal);
    const rowsAt = (first: number, { rows }: StreamedTexts): EmbeddedRows =>
      rowsOfFile(path, new Int32Array(rows), { dimension, signal, first });
    const known = rowsAt(0, train);
    return {
      dimension,
      train: known,
      validation: rowsAt(train.rows, validation),
      domain: await measureTexts(model, folder, { sample: sample.texts, rows: known }, signal),
    };
  } finally {
    await model.release();
  }
}

function notFinite(row: number): EspalierError {
  return new EspalierError('BadModel', `the encoder gives no finite embedding for row ${row}`, {
    where: 'model.onnx',
    fix: 'the weights hold NaN or infinite numbers, or overflow in this precision: use another candidate',
  });
}

/** The texts of rows, whose labels are written one after the other into `labels` as they pass. */
export async function* textsOf<Block extends { readonly texts: readonly TextInput[] }>(
  blocks: AsyncIterable<Block>,
  labels: Int32Array | Uint8Array,
  labelsOf: (block: Block) => ArrayLike<number>,
): AsyncGenerator<readonly TextInput[]> {
  let at = 0;
  for await (const block of blocks) {
    const own = labelsOf(block);
    labels.set(own, at);
    at += own.length;
    yield block.texts;
  }
}

/** Keeps the texts at some places, ascending, of those that pass. */
function textsAt(places: readonly number[]) {
  const texts: TextInput[] = [];
  return {
    texts,
    async *passing(blocks: StreamedTexts['blocks']): AsyncGenerator<readonly TextInput[]> {
      let start = 0;
      for await (const block of blocks) {
        const end = start + block.length;
        for (let place = places[texts.length]; place !== undefined && place < end; place = places[texts.length]) {
          texts.push(block[place - start] ?? '');
        }
        start = end;
        yield block;
      }
    },
  };
}

/** One split after the other, in blocks that are filled up across their border. */
async function* inBatches(splits: readonly StreamedTexts['blocks'][]): AsyncGenerator<readonly TextInput[]> {
  let rest: readonly TextInput[] = [];
  for (const blocks of splits) {
    for await (const block of blocks) {
      const texts = [...rest, ...block];
      const whole = texts.length - (texts.length % BATCH_ROWS);
      if (whole > 0) yield texts.slice(0, whole);
      rest = texts.slice(whole);
    }
  }
  if (rest.length > 0) yield rest;
}
