/** Training of a head alone, for a backbone that came as ONNX: no process, no device, no checkpoint; it is a matter of seconds. */
import { join } from 'node:path';
import { env } from 'onnxruntime-node';
import { EspalierError } from '../../artifacts/errors.ts';
import { ImageModel } from '../../inference/image-model.ts';
import type { TrainedModel, TrainImageInput, TrainingHistory } from '../contract/training.ts';
import { pictureBlocks } from '../selection/embed-pictures.ts';
import { rowsInFile, type EmbeddedRows } from '../selection/embedded-rows.ts';
import type { StepContext } from '../step.ts';
import { fitHead, type FittedHead } from './frozen-head.ts';
import { writeHeadFolder } from './head-folder.ts';

/** `backbone`: the folder of the exported encoder. Throws BadConfig unless only the head is to be trained. */
export async function trainHead(
  backbone: string,
  { labels, dataset, training: { method, seed } }: TrainImageInput,
  context: StepContext,
): Promise<TrainedModel> {
  if (method !== 'head') {
    throw new EspalierError('BadConfig', `the backbone is a graph that cannot be trained by method '${method}'`, {
      where: 'training.method',
      fix: "set it to 'head'",
    });
  }
  const { store, signal, workDir } = context;
  const model = await ImageModel.load(backbone);
  try {
    const { dimension } = model.config;
    const embedded = (split: 'train' | 'validation'): Promise<EmbeddedRows> =>
      rowsInFile(join(workDir, `embedded-${split}.f32`), pictureBlocks(model, { dataset, split, labels }, context), {
        dimension,
        signal,
      });
    const train = await embedded('train');
    const validation = await embedded('validation');
    context.progress({ phase: 'fitting the head' });
    const fitted = await fitHead(train, validation, { dimension, classes: labels.length, seed, signal });
    const folder = join(workDir, 'trained');
    await writeHeadFolder(backbone, labels, fitted.head, folder);
    return {
      model: await store.putTree(folder, 'trained-model', { signal }),
      history: await store.putJson(historyOf(fitted), 'history.json'),
      log: await store.putBytes(Buffer.alloc(0), { name: 'training.log', mediaType: 'text/plain' }),
      steps: 1,
      bestEpoch: 1,
      trainLoss: fitted.train.loss,
      validationLoss: fitted.validation.loss,
      validationAccuracy: fitted.validation.accuracy,
      trainAccuracy: fitted.train.accuracy,
      resumedAtSteps: [],
      environment: {
        device: 'cpu',
        threads: 1,
        versions: { node: process.version, 'onnxruntime-node': env.versions.node ?? env.versions.common },
      },
      exact: { value: true, reasons: [] },
    };
  } finally {
    await model.release();
  }
}

/** One point: it is fitted in one go. */
function historyOf({ train, validation }: FittedHead): TrainingHistory {
  if (train.loss === null || validation.loss === null || validation.accuracy === null) return { steps: [], epochs: [] };
  const { loss: validationLoss, accuracy: validationAccuracy } = validation;
  return { steps: [], epochs: [{ epoch: 1, step: 1, trainLoss: train.loss, validationLoss, validationAccuracy }] };
}
