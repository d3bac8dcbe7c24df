/** Step `training.export-generator`: a causal language model as one ONNX graph with a key-value cache. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExportedGenerator, ExportGeneratorInput } from '../contract/generation.ts';
import type { StepDefinition } from '../step.ts';
import { measureGeneratorParity } from './generator-parity.ts';
import { ExportGeneratorResultSchema } from './job.ts';
import { runTask } from './run-task.ts';

/** Throws BadModel or UnsafeModel for a model that cannot or must not be loaded, BadModel when the export is not faithful. */
export const exportGenerator: StepDefinition<ExportGeneratorInput, ExportedGenerator> = {
  type: 'training.export-generator',
  version: 1,
  async run(input, context) {
    const { store, workDir, signal } = context;
    const model = join(workDir, 'model');
    await store.checkout(input.model, model, { signal });
    const task = { verb: 'export-generator', model, out: join(workDir, 'out') } as const;
    const result = ExportGeneratorResultSchema.parse(await runTask(task, context));
    context.progress({ phase: 'comparing onnxruntime with PyTorch' });
    const parity = await measureGeneratorParity(result.generator, result.parity);
    const [generator, onnx] = await Promise.all([
      store.putTree(result.generator, 'generator', { signal }),
      stat(join(result.generator, 'model.onnx')),
    ]);
    const { parameters, layers, contextTokens, vocabularySize } = result;
    return {
      generator,
      parityMaxAbs: parity.maxAbs,
      parityTokens: parity.tokens,
      sizeBytes: onnx.size,
      parameters,
      layers,
      contextTokens,
      vocabularySize,
    };
  },
};
