/** The tables of behaviour tests, asked of a model of pictures: each picture once, one file and a batch of what the model sees in memory. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ModelOutput } from '../../inference/graph-model.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import { picturesAsked } from '../../pipelines/behaviour/table.ts';
import type { BehaviourResult } from '../contract/validation.ts';
import { loadBehaviour } from '../data/behaviour.ts';
import { groupBy } from '../data/group.ts';
import { packedPictures } from '../data/images/pictures.ts';
import { preparedPictures } from '../selection/prepared-pictures.ts';
import type { StepContext } from '../step.ts';
import { answerOf, judgeTable, mostProbable } from './behaviour-tests.ts';

type Context = Pick<StepContext, 'store' | 'signal' | 'progress'>;

/** One result a table, in their order; `[]` where the dataset has none. Throws BadData where a picture is not in its pack. */
export async function askPictureTables(
  model: Pick<ImageModel, 'runPixels' | 'config'>,
  labels: readonly string[],
  dataset: ArtifactRef,
  context: Context,
): Promise<readonly BehaviourResult[]> {
  const tests = await loadBehaviour(context.store, dataset, context.signal);
  if (tests.length === 0) return [];
  const answers = await askPictures(model, dataset, context, ({ probabilities = new Float32Array() }, row) =>
    answerOf(probabilities.slice(row * labels.length, (row + 1) * labels.length), labels, mostProbable),
  );
  return [...groupBy(tests, ({ table }) => table)].map(([name, ofTable]) => {
    const asked = ofTable.flatMap(({ test }) => picturesAsked(test));
    return judgeTable(
      name,
      ofTable,
      asked.map((picture) => answers.get(picture) ?? notPacked(picture)),
    );
  });
}

/** What a model says of each picture of the tests, by its name in the pack. */
export async function askPictures<Said>(
  model: Pick<ImageModel, 'runPixels' | 'config'>,
  dataset: ArtifactRef,
  { store, signal, progress }: Context,
  /** What is kept of the answer to one picture of a batch. */
  keep: (output: ModelOutput, row: number) => Said,
): Promise<ReadonlyMap<string, Said>> {
  const answers = new Map<string, Said>();
  const packed = packedPictures(store, dataset, 'behaviour', signal);
  for await (const { rows, pixels } of preparedPictures(packed, model.config.processor, signal)) {
    const output = await model.runPixels(pixels);
    for (const [row, { image }] of rows.entries()) answers.set(image, keep(output, row));
    progress({ phase: 'behaviour tests', done: answers.size });
  }
  return answers;
}

/** Throws BadData: a pack that lacks a picture which a test names. */
export function notPacked(picture: string): never {
  throw new EspalierError('BadData', `behaviour.tar does not hold ${picture}, which a test names`, {
    where: 'behaviour.tar',
    fix: 'prepare the data again',
  });
}
