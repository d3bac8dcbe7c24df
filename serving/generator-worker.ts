/** A worker thread of the generator pool: one model, several generations that take turns. Speaks `generator-pool.ts`'s messages. */
import { parentPort, workerData } from 'node:worker_threads';
import { EspalierError } from '../artifacts/errors.ts';
import { withPrompt } from '../inference/generation/chat.ts';
import { Generator } from '../inference/generation/generator.ts';
import {
  generatorBuffers,
  type FromGenerator,
  type GeneratorWorkerOptions,
  type Order,
  type ToGenerator,
} from './generator-messages.ts';

const port = parentPort;
if (port === null) throw new Error('generator-worker.ts runs in a worker thread only');
const { files } = workerData as GeneratorWorkerOptions;
const generator = await Generator.from(files, { threads: 1 });
const running = new Map<number, AbortController>();

port.on('message', (message: ToGenerator) => {
  if (message === 'crash') process.exit(1);
  if (message === 'release') void generator.release().then(() => port.close());
  else if (message.type === 'cancel') running.get(message.id)?.abort();
  else void generate(message.id, message);
});
send({ type: 'ready', held: files }, generatorBuffers(files));

async function generate(id: number, { prompt, options }: Order): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const { servedPrompt } = generator;
    const asked = typeof prompt === 'string' || servedPrompt === null ? prompt : withPrompt(servedPrompt, prompt);
    const pieces = generator.generate(asked, { ...options, signal: controller.signal });
    for (let next = await pieces.next(); ; next = await pieces.next()) {
      if (next.done === true) {
        send({ type: 'done', id, completion: next.value });
        break;
      }
      send({ type: 'piece', id, ...next.value });
    }
  } catch (error) {
    const known = error instanceof EspalierError ? error : new EspalierError('Internal', String(error));
    send({ type: 'failed', id, error: known.toRecord() });
  } finally {
    running.delete(id);
  }
}

function send(message: FromGenerator, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
