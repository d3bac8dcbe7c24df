/** Step `training.export-encoder`: a candidate, cut to its first layers, as ONNX for measuring and as weights for training. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExportedEncoder, ExportEncoderInput } from '../contract/selection.ts';
import type { StepDefinition } from '../step.ts';
import { ExportEncoderResultSchema } from './job.ts';
import { measureParity } from './parity.ts';
import { runTask } from './run-task.ts';

/** Throws BadModel or UnsafeModel for a model that cannot or must not be loaded, BadModel when the export is not faithful. */
export const exportEncoder: StepDefinition<ExportEncoderInput, ExportedEncoder> = {
  type: 'training.export-encoder',
  version: 1,
  async run(input, context) {
    const { store, workDir, signal } = context;
    const model = join(workDir, 'model');
    await store.checkout(input.model, model, { signal });
    const { pooling, maxLength, layers } = input;
    const task = { verb: 'export-encoder', model, pooling, maxLength, layers, out: join(workDir, 'out') } as const;
    const result = ExportEncoderResultSchema.parse(await runTask(task, context));
    context.progress({ phase: 'comparing onnxruntime with PyTorch' });
    const parityMaxAbs = await measureParity(result.encoder, result.parity);
    const [encoder, weights, onnx] = await Promise.all([
      store.putTree(result.encoder, 'encoder', { signal }),
      store.putTree(result.weights, 'encoder-weights', { signal }),
      stat(join(result.encoder, 'model.onnx')),
    ]);
    const { dimension, layers: kept, parameters } = result;
    return { encoder, weights, parityMaxAbs, dimension, layers: kept, parameters, sizeBytes: onnx.size };
  },
};
