/**
 * Compares an exported graph of pictures, prepared and run as it will be served, with what the model said before: the
 * pictures are files, so that decoding and preprocessing are part of what is compared.
 */
import { readFile } from 'node:fs/promises';
import { Tensor } from 'onnxruntime-node';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { pixelValues } from '../../inference/image/preprocess.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { openSession, runSession } from '../../inference/session.ts';
import { linearScores } from '../selection/linear-probe.ts';
import { readHead } from './head-folder.ts';
import { MAX_PARITY_DIFFERENCE, maxAbsoluteDifference, requireSameClasses } from './parity.ts';

const rows = z.array(z.array(z.number()));
const ParitySchema = z.object({
  /** Base64. */
  pictures: z.array(z.base64()).min(1),
  embeddings: rows.optional(),
  probabilities: rows.optional(),
});

/** What the pictures should give, where no file says so: a row each, of embeddings or of probabilities. */
export type Said = (pictures: readonly Uint8Array[], model: ImageModel) => Promise<readonly (readonly number[])[]>;

/** Largest |Δ| over the pictures of `parityFile`, between what it or `said` says and the model in `folder`. Throws BadModel above 1e-3, and for another class. */
export async function measurePictureParity(folder: string, parityFile: string, said?: Said): Promise<number> {
  const parity = ParitySchema.parse(JSON.parse(await readFile(parityFile, 'utf8')));
  const pictures = parity.pictures.map((picture) => Buffer.from(picture, 'base64'));
  const model = await ImageModel.load(folder);
  try {
    const output = await model.run(pictures);
    const expected = parity.embeddings ?? parity.probabilities ?? (await said?.(pictures, model)) ?? [];
    const isEncoder = model.config.kind === 'encoder';
    const actual = isEncoder ? output.embeddings : (output.probabilities ?? new Float32Array());
    const worst = maxAbsoluteDifference(expected, actual);
    const limit = MAX_PARITY_DIFFERENCE * (isEncoder ? Math.max(1, largest(expected)) : 1);
    if (worst <= limit) {
      if (!isEncoder) requireSameClasses(expected, actual);
      return worst;
    }
    const message = `the ONNX export differs from the model by up to ${worst.toPrecision(3)}, more than ${limit.toPrecision(3)}`;
    throw new EspalierError('BadModel', message, { fix: 'choose another candidate and report this architecture' });
  } finally {
    await model.release();
  }
}

/** Features of hundreds have float32 noise to match: they are held to the same share of their size. */
function largest(values: readonly (readonly number[])[]): number {
  return values.flat().reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** What the graph in `file` says as it came: its `output`, averaged over places where it has any. */
export function saidByGraph(file: string, names: { readonly input: string; readonly output: string }): Said {
  return async (pictures, model) => {
    const { processor, dimension } = model.config;
    const { height, width } = processor.crop;
    const session = await openSession(file, { inputs: [names.input], outputs: [names.output], threads: 1 });
    try {
      const said: number[][] = [];
      for (const picture of pictures) {
        const pixels = new Tensor('float32', await pixelValues(picture, processor), [1, 3, height, width]);
        const feeds = { rows: 1, what: 'one picture', tensors: { [names.input]: pixels } };
        const values = (await runSession(session, feeds, file)).get(names.output) ?? new Float32Array();
        const places = values.length / dimension;
        said.push(Array.from({ length: dimension }, (_, feature) => mean(values, feature * places, places)));
      }
      return said;
    } finally {
      await session.release();
    }
  };
}

/** What the backbone in `folder` and the head beside it say, put together here: probabilities. */
export function saidByHead(folder: string): Said {
  return async (pictures) => {
    const head = await readHead(folder);
    const backbone = await ImageModel.load(folder);
    try {
      const { embeddings } = await backbone.run(pictures);
      const scores = linearScores({ ...head, l2: 0 }, embeddings);
      const classes = head.bias.length;
      return pictures.map((_, row) =>
        softmax(Array.from(scores.subarray(row * classes, (row + 1) * classes), (score) => score / head.temperature)),
      );
    } finally {
      await backbone.release();
    }
  };
}

function softmax(scores: readonly number[]): number[] {
  const highest = Math.max(...scores);
  const shares = scores.map((score) => Math.exp(score - highest));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

function mean(values: Float32Array, start: number, count: number): number {
  return values.subarray(start, start + count).reduce((sum, value) => sum + value, 0) / count;
}
