/** Evaluates, compares and probes on splits of any number of rows, in a process of its own, and says what it took. For a test and a bench. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { EncoderProbe, ProbeEncoderInput } from '../../activities/contract/selection.ts';
import type {
  CompareModelsInput,
  EvaluateModelInput,
  Evaluation,
  ModelComparison,
} from '../../activities/contract/validation.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { TestStore } from './store.ts';
import { writeTinyOnnx } from './tiny-onnx.ts';

export interface Measured<Output> {
  readonly output: Output;
  readonly peakMb: number;
  readonly seconds: number;
}

const WORDS = 'where is my card the parcel was lost please help me pay again today'.split(' ');
const CHUNK = 1000;

interface Rows {
  readonly train: number;
  readonly test: number;
  /** A list of labels a row, and a threshold a label. */
  readonly severalLabels?: boolean;
}

/** A dataset of made-up questions, labelled by whether they are even; written line by line. */
export async function manyRows(store: ArtifactStore, { train, test, severalLabels = false }: Rows) {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-many-rows-'));
  try {
    const data = join(folder, 'data');
    await mkdir(data);
    for (const [split, count] of Object.entries({ train, validation: 500, test })) {
      await writeRows(join(data, `${split}.jsonl`), split, count, severalLabels);
    }
    await writeFile(join(data, 'labels.json'), JSON.stringify(['even', 'odd']));
    const [classifier, encoder] = [join(folder, 'classifier'), join(folder, 'encoder')];
    await writeTinyOnnx(classifier, 'classifier');
    await writeTinyOnnx(encoder, 'encoder');
    const weights = [
      [0, 0, 1],
      [0, 0, -1],
    ];
    const thresholds = severalLabels ? { thresholds: [0.5, 0.5] } : {};
    const labels = severalLabels ? ['even', 'odd'] : ['odd', 'even'];
    const probe = { labels, weights, bias: [0, 1], l2: 1, ...thresholds };
    const file = join(classifier, 'classifier.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...config, ...thresholds }));
    const input: EvaluateModelInput = {
      classifier: await store.putTree(classifier, 'classifier'),
      dataset: await store.putTree(data, 'dataset'),
      baseline: { encoder: await store.putTree(encoder, 'encoder'), probe: await store.putJson(probe, 'probe.json') },
      exportParityMaxAbs: 0,
      seed: 7,
    };
    return input;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Against a model in production that gives the labels in the other order, so that it answers everything the other way round. */
export async function comparisonOf(
  store: ArtifactStore,
  { classifier, dataset, seed }: EvaluateModelInput,
  { details }: Evaluation,
): Promise<CompareModelsInput> {
  const { entries } = await store.tree(classifier);
  const config = await store.getJson<object>(entries.find(({ path }) => path === 'classifier.json')!.digest);
  const other = await store.putJson({ ...config, labels: ['odd', 'even'] }, 'classifier.json');
  const files = entries.map(({ path, digest, size }) => ({
    path,
    ref: path === 'classifier.json' ? other : { digest, size, name: path, mediaType: 'application/octet-stream' },
  }));
  const production = await store.putManifest(files, 'production');
  return {
    production: { bundle: `sha256:${'b'.repeat(64)}`, classifier: production, dataset },
    candidate: { classifier, evaluation: details },
    dataset,
    seed,
  };
}

async function writeRows(path: string, split: string, count: number, severalLabels: boolean): Promise<void> {
  const stream = createWriteStream(path);
  for (let start = 0; start < count; start += CHUNK) {
    const lines = Array.from({ length: Math.min(CHUNK, count - start) }, (_, at) => {
      const row = start + at;
      const text = [row, 3 * row + split.length, 5 * row + 1, 7 * row]
        .map((one) => WORDS[one % WORDS.length])
        .join(' ');
      const label = row % 3 === 0 ? 'odd' : 'even';
      const given = severalLabels ? { labels: row % 7 === 0 ? ['even', 'odd'] : [label] } : { label };
      return `${JSON.stringify({ id: `${split}-${row}`, text: `${text} ${row * 7919}`, ...given })}\n`;
    });
    if (!stream.write(lines.join(''))) await once(stream, 'drain');
  }
  stream.end();
  await finished(stream);
}

/** `heapMb` bounds what JavaScript may hold; beyond it the process dies, and these throw. */
export const evaluateManyRows = (opened: Pick<TestStore, 'env'>, input: EvaluateModelInput, heapMb: number) =>
  inChild<Evaluation>(opened, input, heapMb);
export const compareManyRows = (opened: Pick<TestStore, 'env'>, input: CompareModelsInput, heapMb: number) =>
  inChild<ModelComparison>(opened, input, heapMb);

export const probeManyRows = (opened: Pick<TestStore, 'env'>, input: ProbeEncoderInput, heapMb: number) =>
  inChild<EncoderProbe>(opened, input, heapMb);

async function inChild<Output>(
  { env }: Pick<TestStore, 'env'>,
  input: object,
  heapMb: number,
): Promise<Measured<Output>> {
  const script = fileURLToPath(new URL('./evaluate-child.ts', import.meta.url));
  const child = spawn(process.execPath, [`--max-old-space-size=${heapMb}`, '--import', 'tsx', script], {
    env: { ...process.env, ...env, STEP_INPUT: JSON.stringify(input) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let answer = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (answer += text));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`the step ended with ${signal ?? code}`);
  return JSON.parse(answer) as Measured<Output>;
}
