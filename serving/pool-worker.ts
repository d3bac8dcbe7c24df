/** A worker thread of the pool: one model, one intra-op thread, one batch at a time. Speaks `pool.ts`'s messages. */
import { parentPort, workerData } from 'node:worker_threads';
import { TextModel } from '../inference/text-model.ts';
import { buffersOf, type FromWorker, type ToWorker, type WorkerOptions } from './pool-messages.ts';

const port = parentPort;
if (port === null) throw new Error('pool-worker.ts runs in a worker thread only');
const { files } = workerData as WorkerOptions;
const model = await TextModel.from(files, { threads: 1 });

port.on('message', (message: ToWorker) => {
  if (message === 'crash') process.exit(1);
  void (message === 'release' ? release() : run(message.texts));
});
send({ type: 'ready', files }, buffersOf(files));

async function run(texts: readonly string[]): Promise<void> {
  try {
    const output = await model.run(texts);
    // Copies: the runtime's own memory cannot be handed to another thread.
    const embeddings = output.embeddings.slice();
    const probabilities = output.probabilities?.slice() ?? new Float32Array();
    send({ type: 'done', embeddings, probabilities }, [embeddings.buffer, probabilities.buffer]);
  } catch (error) {
    send({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}

/** Frees the session, then lets the thread end by itself: ending it from outside would leak the runtime's memory. */
async function release(): Promise<void> {
  await model.release();
  port?.close();
}

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
