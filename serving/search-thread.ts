/**
 * A thread of a searcher: one query at a time. Speaks `searcher.ts`'s messages. It listens before it builds a graph, which takes
 * minutes: told to end, it does so after the rows that are being added.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { EspalierError } from '../artifacts/errors.ts';
import { EmbeddingIndex } from '../inference/retrieval/embedding-index.ts';
import { parseIndex } from '../inference/retrieval/index-files.ts';
import {
  indexBuffers,
  type FromSearchThread,
  type Query,
  type SearchOptions,
  type ToSearchThread,
} from './search-messages.ts';

const port = parentPort;
if (port === null) throw new Error('search-thread.ts runs in a worker thread only');
const given = workerData as SearchOptions;
const parsed = 'parsed' in given ? given.parsed : parseIndex(given.files, { shared: true });
const ending = new AbortController();
const loading = EmbeddingIndex.ofParsed(parsed, ending.signal);

port.on('message', (message: ToSearchThread) => {
  if (message === 'crash') process.exit(1);
  void (message === 'release' ? release() : search(message));
});
try {
  await loading;
  // The files are let go of: what is left of them lies in shared memory.
  send({ type: 'ready', held: { parsed } }, 'files' in given ? indexBuffers(given.files) : []);
} catch (error) {
  if (!ending.signal.aborted) throw error;
}

/** Lets the thread end by itself, as soon as it has nothing more to do. */
function release(): void {
  ending.abort();
  port?.close();
}

async function search({ embedding, k }: Query): Promise<void> {
  try {
    const index = await loading;
    send({ type: 'found', matches: await index.search(embedding, { k }) });
  } catch (error) {
    const known = error instanceof EspalierError ? error : new EspalierError('Internal', String(error));
    send({ type: 'failed', error: known.toRecord() });
  }
}

function send(message: FromSearchThread, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
