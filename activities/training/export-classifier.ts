/** Step `training.export-classifier`: the tuned model as ONNX with probabilities, logits and the embedding drift is measured on. */
import { access, copyFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExportClassifierInput, ExportedClassifier } from '../contract/training.ts';
import { unpackPictures } from '../data/images/pictures.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { setThresholds } from './fit-thresholds.ts';
import { ExportClassifierResultSchema } from './job.ts';
import { measureParity } from './parity.ts';
import { measurePictureParity, saidByHead } from './picture-parity.ts';
import { runTask } from './run-task.ts';

/** Throws BadModel when the export is not faithful. */
export const exportClassifier: StepDefinition<ExportClassifierInput, ExportedClassifier> = {
  type: 'training.export-classifier',
  version: 4,
  async run(input, context) {
    const { store, workDir, signal } = context;
    const model = join(workDir, 'model');
    await store.checkout(input.model, model, { signal });
    const calibration = await calibrationRows(input, model, context);
    const task = { verb: 'export-classifier', model, calibration, out: join(workDir, 'out') } as const;
    const result = ExportClassifierResultSchema.parse(await runTask(task, context));
    await setThresholds(result.classifier, input.dataset, context);
    context.progress({ phase: 'comparing onnxruntime with PyTorch' });
    const parityMaxAbs =
      input.task === 'image-classification'
        ? await measurePictureParity(result.classifier, result.parity, saidByHead(model))
        : await measureParity(result.classifier, result.parity);
    const [classifier, onnx] = await Promise.all([
      store.putTree(result.classifier, 'classifier', { signal }),
      stat(join(result.classifier, 'model.onnx')),
    ]);
    const { temperature, calibratedLabels } = result;
    const several = calibratedLabels === undefined ? {} : { calibratedLabels };
    return { classifier, parityMaxAbs, sizeBytes: onnx.size, temperature, ...several };
  },
};

/** The file whose rows the temperature is fitted on, pictures beside it; null where none is, or where a head has its own already. */
async function calibrationRows(
  { task, dataset }: ExportClassifierInput,
  model: string,
  { store, workDir, signal }: StepContext,
): Promise<string | null> {
  if (dataset === undefined) return null;
  const rows = await store.fileInTree(dataset, 'validation.jsonl', signal);
  if (task !== 'image-classification') return rows;
  const isHead = await access(join(model, 'head.json')).then(
    () => true,
    () => false,
  );
  if (isHead) return null;
  const folder = join(workDir, 'calibration');
  await unpackPictures(store, dataset, 'validation', folder, signal);
  await copyFile(rows, join(folder, 'validation.jsonl'));
  return join(folder, 'validation.jsonl');
}
