/** What is measured of any tuned model as it is served, however many labels a row has. */
import type { EvaluatedGate } from '../../pipelines/gates/table.ts';
import type { Score } from '../contract/measures.ts';
import type { EvaluateModelInput, Evaluation, FittedPart } from '../contract/validation.ts';
import { timeScore } from '../selection/busy-machine.ts';
import type { ProfileAnswer } from '../selection/profile-encoder.ts';
import type { StepContext } from '../step.ts';
import type { Flips } from './behaviour.ts';
import { hardwareFit } from './hardware-fit.ts';
import { sizeMb, treesMb } from './model-folder.ts';
import { plainScore } from './scores.ts';

type ServedGate = 'latencyP95Ms' | 'memoryMb' | 'hardwareFit' | 'sizeMb' | 'edgeInputs' | 'flipRate' | 'exportParity';

/** `parts`: of the declared device, each with what the model takes of it. */
export async function servedMeasures(
  { classifier, device, exportParityMaxAbs }: EvaluateModelInput,
  { store }: Pick<StepContext, 'store'>,
  folder: string,
  {
    profile: { latency, memoryMb, processMb },
    edgeInputs,
    flips,
  }: { readonly profile: ProfileAnswer; readonly edgeInputs: Evaluation['edgeInputs']; readonly flips: Flips },
): Promise<{
  readonly measures: Readonly<Record<ServedGate & EvaluatedGate, Score>>;
  readonly parts: readonly FittedPart[];
}> {
  const filesMb = await treesMb(store, [classifier]);
  const { score, parts } = hardwareFit(device, { processMb, modelMb: memoryMb, filesMb });
  const measures = {
    latencyP95Ms: timeScore(latency.p95Ms, latency.runs, latency),
    memoryMb: plainScore(memoryMb, latency.runs),
    hardwareFit: score,
    sizeMb: plainScore(await sizeMb(folder), 0),
    edgeInputs: answeredShare(edgeInputs),
    flipRate: flips.score,
    exportParity: plainScore(exportParityMaxAbs, 0),
  };
  return { measures, parts };
}

/** Of awkward inputs. */
export function answeredShare(edgeInputs: Evaluation['edgeInputs']): Score {
  return plainScore(edgeInputs.filter(({ ok }) => ok).length / edgeInputs.length, edgeInputs.length);
}
