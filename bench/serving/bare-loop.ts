/** One thread, one session, tokens ready, one text a call: what the server is measured against. Speaks over IPC. */
import { join } from 'node:path';
import { ofTexts, readModelConfig } from '../../inference/config.ts';
import { openSession, runSession } from '../../inference/session.ts';
import { tokenFeeds } from '../../inference/text-model.ts';
import { TextTokenizer } from '../../inference/tokenizer.ts';

const [folder = '', ...texts] = process.argv.slice(2);
const config = ofTexts(await readModelConfig(folder), folder);
const tokenizer = await TextTokenizer.load(join(folder, 'tokenizer.json'), config.maxLength);
const batches = (await Promise.all(texts.map((text) => tokenizer.encode([text], Number.POSITIVE_INFINITY)))).flat();
const file = join(folder, 'model.onnx');
const session = await openSession(file, { inputs: config.inputs, outputs: ['embedding', 'probabilities'], threads: 1 });

process.on('message', (seconds: number) => void measure(seconds));
process.send?.('ready');

async function measure(seconds: number): Promise<void> {
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  let calls = 0;
  while (performance.now() - startedAt < seconds * 1000) {
    const batch = batches[calls % batches.length];
    if (batch === undefined) throw new Error('no texts');
    await runSession(session, tokenFeeds(batch), file);
    calls += 1;
  }
  const { user, system } = process.cpuUsage(cpu);
  process.send?.({ rate: (calls / (performance.now() - startedAt)) * 1000, cpuMs: (user + system) / 1000 / calls });
}
