/** Step `training.export-encoder`: a candidate, cut to its first layers, as ONNX for measuring and as weights for training. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ExportedEncoder, ExportEncoderInput } from '../contract/selection.ts';
import { CONFIG, readModelConfig } from '../selection/model-config.ts';
import type { StepDefinition } from '../step.ts';
import { ExportEncoderResultSchema, type ExportImageEncoderTask, type ExportTextEncoderTask } from './job.ts';
import { measureParity } from './parity.ts';
import { measurePictureParity, saidByGraph } from './picture-parity.ts';
import { runTask } from './run-task.ts';

/** Throws BadModel or UnsafeModel for a model that cannot or must not be loaded, BadModel when the export is not faithful. */
export const exportEncoder: StepDefinition<ExportEncoderInput, ExportedEncoder> = {
  type: 'training.export-encoder',
  version: 2,
  async run(input, context) {
    const { store, workDir, signal } = context;
    const model = join(workDir, 'model');
    await store.checkout(input.model, model, { signal });
    const result = ExportEncoderResultSchema.parse(
      await runTask(taskOf(input, { model, out: join(workDir, 'out') }), context),
    );
    const { backbone, dimension, layers, parameters } = result;
    if (input.task === 'image-classification' && backbone === 'onnx') {
      if (!input.frozen) throw notTrainable();
      if (input.attacked === true) throw notAttackable();
    }
    context.progress({ phase: 'comparing onnxruntime with PyTorch' });
    const parityMaxAbs = await parityOf(input, model, result);
    const [encoder, weights, onnx, config] = await Promise.all([
      store.putTree(result.encoder, 'encoder', { signal }),
      store.putTree(result.weights, 'encoder-weights', { signal }),
      stat(join(result.encoder, 'model.onnx')),
      readModelConfig(join(result.weights, CONFIG)),
    ]);
    const made = { encoder, weights, parityMaxAbs, dimension, layers, parameters, sizeBytes: onnx.size };
    return {
      ...made,
      ...(config?.modelType == null ? {} : { modelType: config.modelType }),
      ...(backbone === undefined ? {} : { backbone }),
    };
  },
};

function taskOf(
  input: ExportEncoderInput,
  folders: { readonly model: string; readonly out: string },
): ExportTextEncoderTask | ExportImageEncoderTask {
  if (input.task === 'image-classification') return { verb: 'export-encoder', task: input.task, ...folders };
  const { pooling, maxLength, windows, layers } = input;
  return { verb: 'export-encoder', pooling, maxLength, ...(windows && { windows }), layers, ...folders };
}

/** A graph that came as ONNX is held to what it said before it was cut, everything else to PyTorch. */
async function parityOf(
  { task }: ExportEncoderInput,
  model: string,
  { encoder, parity, input, output }: ReturnType<typeof ExportEncoderResultSchema.parse>,
): Promise<number> {
  if (task !== 'image-classification') return measureParity(encoder, parity);
  if (input === undefined || output === undefined) return measurePictureParity(encoder, parity);
  return measurePictureParity(encoder, parity, saidByGraph(join(model, 'model.onnx'), { input, output }));
}

function notAttackable(): EspalierError {
  return new EspalierError('BadModel', 'the model is a graph (model.onnx), and a graph has no gradients to attack by', {
    where: 'config.json',
    fix: 'name gates.squareRobustness in the place of fgsmRobustness and pgdRobustness: it asks the graph itself; or choose a model with weights of an architecture of ours',
  });
}

function notTrainable(): EspalierError {
  return new EspalierError('BadModel', 'the model is a graph (model.onnx) that no architecture of ours fits', {
    where: 'config.json',
    fix: "its features can only be used as they are: set training.method to 'head', or where pictures are to be found leave out `training`",
  });
}
