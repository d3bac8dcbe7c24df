import { defineQuery, setHandler, setWorkflowOptions, workflowInfo } from '@temporalio/workflow';
import { stepProxies } from './proxies.ts';
import { Again, Differs, type Comparison, type Reproduction } from './reproduction/again.ts';
import { remakeClassifier, type RecordedClassifier } from './reproduction/classifier.ts';
import { remakeGenerator, type RecordedGenerator } from './reproduction/generator.ts';
import { remakeRetriever, type RecordedRetriever } from './reproduction/retriever.ts';

// A bug fails the rebuild with its message instead of hanging it in retried workflow tasks.
setWorkflowOptions({ failureExceptionTypes: [Error] }, reproduceModel);

/** All of it from the record of a release. */
export type ReproductionInput = RecordedClassifier | RecordedGenerator | RecordedRetriever;

export const comparedQuery = defineQuery<readonly Comparison[]>('compared');

/**
 * Makes a released model again, step by step and without reuse, up to its bundle, and compares. No step here releases
 * anything: there is no evidence, no approval and no channel, only bytes. Measurements are no part of it (no latency is
 * ever the same again), but what the model answers to the test rows is.
 */
export async function reproduceModel(input: ReproductionInput): Promise<Reproduction> {
  const again = new Again(stepProxies(input.heartbeatSeconds), workflowInfo().workflowId);
  setHandler(comparedQuery, () => again.made.compared);
  try {
    await remade(input, again);
  } catch (error) {
    if (!(error instanceof Differs)) throw error;
  }
  return again.made;
}

function remade(input: ReproductionInput, again: Again): Promise<void> {
  switch (input.task) {
    case 'text-generation':
      return remakeGenerator(input, again);
    case 'image-retrieval':
      return remakeRetriever(input, again);
    case 'text-classification':
    case 'image-classification':
      return remakeClassifier(input, again);
  }
}
