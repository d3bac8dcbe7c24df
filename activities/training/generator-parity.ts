/** Compares an exported generator, run as it will be served, with what PyTorch wrote to the same prompts. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { readGeneratorConfig } from '../../inference/generation/config.ts';
import { PromptTokenizer } from '../../inference/generation/prompt-tokens.ts';
import { greatest } from '../../inference/generation/sampling.ts';
import { GeneratorSession } from '../../inference/generation/session.ts';
import { float32FromBytes } from '../validation/float32.ts';
import { MAX_PARITY_DIFFERENCE } from './parity.ts';

const ids = z.array(z.int().min(0));
const ParitySchema = z.object({ prompts: z.array(z.object({ text: z.string(), ids, greedy: ids })).min(1) });

export interface GeneratorParity {
  /** Largest |Δ logit|. */
  readonly maxAbs: number;
  /** Tokens that were compared; all are equal. */
  readonly tokens: number;
}

/**
 * Tokenises every prompt, and follows PyTorch's greedy tokens one by one. Throws BadModel where a prompt has other tokens,
 * where another token would be chosen, and above a difference of 1e-3 × the largest logit.
 */
export async function measureGeneratorParity(folder: string, parityFile: string): Promise<GeneratorParity> {
  const { prompts } = ParitySchema.parse(JSON.parse(await readFile(parityFile, 'utf8')));
  const expected = float32FromBytes(await readFile(join(dirname(parityFile), 'parity.f32')));
  const config = await readGeneratorConfig(folder);
  const tokenizer = new PromptTokenizer(await readFile(join(folder, 'tokenizer.json'), 'utf8'), [], folder);
  const session = await GeneratorSession.open(join(folder, 'model.onnx'), config, { threads: 1 });
  const size = config.vocabularySize;
  let [maxAbs, scale, tokens] = [0, 1, 0];
  try {
    for (const prompt of prompts) {
      const found = await tokenizer.ids(prompt.text);
      if (String(found) !== String(prompt.ids))
        throw unfaithful(`the tokenizer reads ${JSON.stringify(prompt.text)} as ${found.join(' ')}`);
      let state = await session.read(session.empty(), found);
      for (const [index, token] of prompt.greedy.entries()) {
        const { rows, values } = state.logits;
        const row = values.subarray((rows - 1) * size, rows * size);
        for (let column = 0; column < size; column++) {
          const wanted = expected[tokens * size + column] ?? Number.NaN;
          const difference = Math.abs(wanted - (row[column] as number));
          maxAbs = Number.isNaN(difference) ? Infinity : Math.max(maxAbs, difference);
          scale = Math.max(scale, Math.abs(wanted));
        }
        tokens += 1;
        if (greatest(row) !== token) {
          throw unfaithful(
            `after ${JSON.stringify(prompt.text)} token ${index} is ${greatest(row)}, PyTorch's is ${token}`,
          );
        }
        if (index + 1 < prompt.greedy.length) state = await session.read(state.memory, [token]);
      }
    }
  } finally {
    await session.release();
  }
  if (maxAbs > MAX_PARITY_DIFFERENCE * scale) throw unfaithful(`the logits differ by up to ${maxAbs.toPrecision(3)}`);
  return { maxAbs, tokens };
}

function unfaithful(message: string): EspalierError {
  return new EspalierError('BadModel', `the ONNX export is not what PyTorch runs: ${message}`, {
    fix: 'choose another candidate and report this architecture',
  });
}
