/** The tables of behaviour tests, asked of a model of pictures: each picture once, a batch of them in memory. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import { inputsOf } from '../../pipelines/behaviour/table.ts';
import type { BehaviourResult } from '../contract/validation.ts';
import { loadBehaviour } from '../data/behaviour.ts';
import { groupBy } from '../data/group.ts';
import { packedPictures } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';
import { answerOf, judgeTable, mostProbable, type Answer } from './behaviour-tests.ts';

const BATCH = 8;

type Context = Pick<StepContext, 'store' | 'signal' | 'progress'>;

/** One result a table, in their order; `[]` where the dataset has none. Throws BadData where a picture is not in its pack. */
export async function askPictureTables(
  model: Pick<ImageModel, 'run'>,
  labels: readonly string[],
  dataset: ArtifactRef,
  context: Context,
): Promise<readonly BehaviourResult[]> {
  const tests = await loadBehaviour(context.store, dataset, context.signal);
  if (tests.length === 0) return [];
  const answers = await answerAll(model, labels, dataset, context);
  return [...groupBy(tests, ({ table }) => table)].map(([name, ofTable]) => {
    const asked = ofTable.flatMap(({ test }) => inputsOf(test));
    return judgeTable(
      name,
      ofTable,
      asked.map((picture) => answers.get(picture) ?? missing(picture)),
    );
  });
}

async function answerAll(
  model: Pick<ImageModel, 'run'>,
  labels: readonly string[],
  dataset: ArtifactRef,
  { store, signal, progress }: Context,
): Promise<ReadonlyMap<string, Answer>> {
  const answers = new Map<string, Answer>();
  const ask = async (batch: readonly { readonly image: string; readonly bytes: Uint8Array }[]): Promise<void> => {
    if (batch.length === 0) return;
    const names = batch.map(({ image }) => image);
    const pictures = batch.map(({ bytes }) => bytes);
    const { probabilities = new Float32Array() } = await model.run(pictures, { names, signal });
    for (const [row, name] of names.entries()) {
      const chances = probabilities.slice(row * labels.length, (row + 1) * labels.length);
      answers.set(name, answerOf(chances, labels, mostProbable));
    }
    progress({ phase: 'behaviour tests', done: answers.size });
  };
  let batch: { image: string; bytes: Uint8Array }[] = [];
  for await (const picture of packedPictures(store, dataset, 'behaviour', signal)) {
    batch.push(picture);
    if (batch.length < BATCH) continue;
    await ask(batch);
    batch = [];
  }
  await ask(batch);
  return answers;
}

function missing(picture: string): never {
  throw new EspalierError('BadData', `behaviour.tar does not hold ${picture}, which a test names`, {
    where: 'behaviour.tar',
    fix: 'prepare the data again',
  });
}
