/** What stands in a channel before a new model follows: which one, made from what, and with which other settings. */
import { Context } from '@temporalio/activity';
import { channelKey } from '../../artifacts/bundle.ts';
import { differences } from '../../artifacts/differences.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import {
  contentProblems,
  evaluatedIndex,
  evaluatedModel,
  indexProblems,
  parsePointer,
  parseRelease,
  withdrawnChannel,
} from '../../artifacts/release.ts';
import { evidenceFacts } from '../../artifacts/release-chain.ts';
import type { FindProductionInput, ProductionModel } from '../contract/validation.ts';
import type { RunFacts } from '../contract/evidence.ts';
import type { StepCall } from '../contract.ts';
import { toFailure } from '../attempt-failures.ts';
import type { ActivityServices } from '../step.ts';

/** A definition with other label lists has as many differences as labels; a history must hold them. */
const MAX_SETTINGS = 200;

export function findProductionActivity(
  services: ActivityServices,
): (call: StepCall<FindProductionInput>) => Promise<ProductionModel | null> {
  return async ({ input, stepId }) => {
    try {
      return await findProduction(input, services);
    } catch (error) {
      throw toFailure(error, stepId, Context.current().info.attempt);
    }
  };
}

/**
 * null where the channel serves nothing. What is wrong with the record of what it serves is no reason not to replace it:
 * that is said in `problem`. Throws Corrupt for a pointer that is none, and what the store throws when it cannot be reached.
 */
export async function findProduction(
  { model, channel, pipeline }: FindProductionInput,
  { store, pointers }: Pick<ActivityServices, 'store' | 'pointers'>,
): Promise<ProductionModel | null> {
  const key = channelKey(model, channel);
  const { value } = (await pointers.read<unknown>(key)) ?? {};
  if (value === undefined || withdrawnChannel(value) !== undefined) return null;
  const { value: pointer, problem } = parsePointer(value);
  // The deployment would refuse to move it: better said now than after somebody approved.
  if (pointer === undefined) {
    throw new EspalierError('Corrupt', problem, { where: key, fix: 'restore the pointer from an earlier version' });
  }
  const standing = {
    bundle: pointer.bundle.digest,
    release: pointer.release.digest,
    revision: pointer.revision,
    since: pointer.updatedAt,
  };
  try {
    const { value: release, problem: malformed } = parseRelease(await store.getJson(pointer.release));
    if (release === undefined) return { ...standing, ...unknown(malformed) };
    const facts = await evidenceFacts<Partial<RunFacts>>(store, release.evidence.digest);
    const { exported, data, definition } = facts;
    if (exported === undefined || data === undefined || definition === undefined) {
      return { ...standing, ...unknown('its evidence does not say what it was made from'), runId: release.runId };
    }
    const served = evaluatedModel({ exported });
    const index = evaluatedIndex({ exported });
    const [bundle, classifier] = [await store.tree(pointer.bundle), await store.tree(served)];
    const [other] = [
      ...contentProblems(model, bundle, classifier),
      ...indexProblems(bundle, index === null ? null : await store.tree(index)),
    ];
    if (other !== undefined) return { ...standing, ...unknown(other), runId: release.runId };
    const task = facts.pipeline?.task;
    if (task !== undefined && task !== pipeline.task) {
      // Two kinds of model answer the same rows with different things: there is nothing to hold them against each other by.
      const problem = `it was made by ${task}, and this model by ${pipeline.task}: they cannot be compared`;
      return { ...standing, ...unknown(problem), runId: release.runId };
    }
    const settings = differences(facts.pipeline, pipeline);
    return {
      ...standing,
      runId: release.runId,
      made: { classifier: served, dataset: data.dataset, definition: definition.digest },
      settings: settings.slice(0, MAX_SETTINGS),
      settingsLeftOut: Math.max(0, settings.length - MAX_SETTINGS),
    };
  } catch (error) {
    if (!(error instanceof EspalierError) || error.retryable) throw error;
    return { ...standing, ...unknown(error.message) };
  }
}

function unknown(
  problem: string,
): Pick<ProductionModel, 'runId' | 'made' | 'problem' | 'settings' | 'settingsLeftOut'> {
  return { runId: 'unknown', made: null, problem, settings: [], settingsLeftOut: 0 };
}
