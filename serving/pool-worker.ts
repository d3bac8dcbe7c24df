/** A worker thread of the pool: one model, one intra-op thread, one batch at a time. Speaks `pool.ts`'s messages. */
import { parentPort, workerData } from 'node:worker_threads';
import { EspalierError } from '../artifacts/errors.ts';
import type { ModelOutput } from '../inference/graph-model.ts';
import { pixelValues } from '../inference/image/preprocess.ts';
import { ImageModel } from '../inference/image-model.ts';
import { TextModel } from '../inference/text-model.ts';
import { wholeText, type TextInput } from '../inference/texts.ts';
import { buffersOf, type FromWorker, type ModelRow, type ToWorker, type WorkerOptions } from './pool-messages.ts';

const port = parentPort;
if (port === null) throw new Error('pool-worker.ts runs in a worker thread only');
const { files, limits } = workerData as WorkerOptions;
const model =
  'tokenizer.json' in files
    ? await TextModel.from(files, { threads: 1 })
    : await ImageModel.from(files, { threads: 1 });

port.on('message', (message: ToWorker) => {
  if (message === 'crash') process.exit(1);
  void (message === 'release' ? release() : run(message.rows));
});
send({ type: 'ready', held: files }, buffersOf(files));

async function run(rows: readonly ModelRow[]): Promise<void> {
  try {
    const refused = new Map<number, string>();
    const output =
      model instanceof ImageModel
        ? await look(model, rows, refused)
        : await model.run(rows.filter((row): row is TextInput => !(row instanceof Uint8Array)));
    // Copies: the runtime's own memory cannot be handed to another thread.
    const embeddings = output.embeddings.slice();
    const probabilities = output.probabilities?.slice() ?? new Float32Array();
    send({ type: 'done', embeddings, probabilities, refused }, [embeddings.buffer, probabilities.buffer]);
  } catch (error) {
    send({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}

/** Who sent a picture that cannot be decoded is told so; who shares a batch with them is answered. */
async function look(
  pictures: ImageModel,
  rows: readonly ModelRow[],
  refused: Map<number, string>,
): Promise<ModelOutput> {
  const { processor } = pictures.config;
  const pixels: Float32Array[] = [];
  // One after the other: the memory of one decoded picture, not of a batch of them.
  for (const [row, given] of rows.entries()) {
    try {
      const file = given instanceof Uint8Array ? given : Buffer.from(wholeText(given));
      pixels.push(await pixelValues(file, processor, limits === undefined ? {} : { limits }));
    } catch (error) {
      if (!(error instanceof EspalierError) || error.kind !== 'BadData') throw error;
      refused.set(row, error.message);
      pixels.push(new Float32Array(3 * processor.crop.height * processor.crop.width));
    }
  }
  return pictures.runPixels(pixels);
}

/** Frees the session, then lets the thread end by itself: ending it from outside would leak the runtime's memory. */
async function release(): Promise<void> {
  await model.release();
  port?.close();
}

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
