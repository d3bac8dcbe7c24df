import { defineQuery, setHandler, setWorkflowOptions, workflowInfo } from '@temporalio/workflow';
import type { Activities, StepCall } from '../activities/contract.ts';
import type { DataFile, DatasetSummary } from '../activities/contract/data.ts';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { ExportedClassifier } from '../activities/contract/training.ts';
import type { ArtifactRef, Digest } from '../artifacts/reference.ts';
import type { TextClassification } from '../pipelines/definition.ts';
import { stepProxies } from './proxies.ts';
import type { Winner } from './stages/select.ts';
import { dossierInput, encoderInput, evaluateInput, packageInput, trainInput, trialInput } from './step-inputs.ts';

// A bug fails the rebuild with its message instead of hanging it in retried workflow tasks.
setWorkflowOptions({ failureExceptionTypes: [Error] }, reproduceModel);

/** All of it from the record of a release; nothing is asked of where it once came from. */
export interface ReproductionInput {
  readonly facts: { readonly pipeline: TextClassification } & Pick<RunFacts, 'definition'> &
    Required<Pick<RunFacts, 'data' | 'training' | 'evaluation' | 'gates' | 'bundle'>> & {
      readonly exported: ExportedClassifier;
    } & Partial<Pick<RunFacts, 'privacy' | 'selection' | 'dossier'>>;
  readonly winner: Pick<Winner, 'candidate' | 'resolved' | 'imported' | 'exported' | 'probe'>;
  readonly dataFiles: readonly DataFile[];
  readonly heartbeatSeconds: number;
}

/** One thing that was made again. */
export interface Comparison {
  readonly what: string;
  readonly recorded: Digest;
  readonly rebuilt: Digest;
}

export interface Reproduction {
  /** In the order in which they were made; the last is the first that differs, or the bundle. */
  readonly compared: readonly Comparison[];
  /** What it was trained in this time. */
  readonly environment?: Required<RunFacts>['training']['environment'];
  readonly bundle?: ArtifactRef;
}

export const comparedQuery = defineQuery<readonly Comparison[]>('compared');

/** A difference ends the rebuild: whatever is made of other bytes differs, too. */
class Differs extends Error {}

/**
 * Makes a released model again, step by step and without reuse, up to its bundle, and compares. No step here releases
 * anything: there is no evidence, no approval and no channel, only bytes. Measurements are no part of it (no latency is
 * ever the same again), but what the model answers to the test rows is.
 */
export async function reproduceModel(input: ReproductionInput): Promise<Reproduction> {
  const { facts, winner, dataFiles } = input;
  const { pipeline } = facts;
  const proxies = stepProxies(input.heartbeatSeconds);
  const result: { -readonly [K in keyof Reproduction]: Reproduction[K] } = { compared: [] };
  setHandler(comparedQuery, () => result.compared);
  const same = (what: string, recorded: ArtifactRef, rebuilt: ArtifactRef): ArtifactRef => {
    result.compared = [...result.compared, { what, recorded: recorded.digest, rebuilt: rebuilt.digest }];
    if (recorded.digest !== rebuilt.digest) throw new Differs(what);
    return rebuilt;
  };
  const activities = (promise: keyof typeof proxies, id: string): Activities => proxies[promise](id, `${id}, again`);
  const call = <Input>(stepId: string, stepInput: Input): StepCall<Input> => ({
    runId: workflowInfo().workflowId,
    stepId,
    input: stepInput,
    reuse: false,
  });

  const smallPart = async (whole: DatasetSummary): Promise<DatasetSummary> => {
    if (pipeline.prototype === undefined) return whole;
    const part = call('subset', trialInput(whole, pipeline.prototype));
    return { ...whole, ...(await activities('light', 'subset').subsetData(part)).output, wholeRows: whole.rows };
  };

  try {
    const data = call('data', { files: dataFiles, data: pipeline.data });
    const { output: prepared } = await activities('light', 'data').prepareData(data);
    const dataset = await smallPart(prepared);
    same('dataset', facts.data.dataset, dataset.dataset);

    const encode = call('encoder', encoderInput(winner.candidate, winner.imported.model, pipeline));
    const { output: encoder } = await activities('cpu', 'encoder').exportEncoder(encode);
    same('encoder', winner.exported.encoder, encoder.encoder);
    same('base weights', winner.exported.weights, encoder.weights);

    const train = call('train', trainInput(winner, encoder.weights, dataset, pipeline));
    const { output: trained } = await activities('gpu', 'train').trainModel(train);
    result.environment = trained.environment;
    same('tuned model', facts.training.model, trained.model);

    const { output: exported } = await activities('cpu', 'export').exportClassifier(
      call('export', {
        model: trained.model,
        ...(facts.exported.temperature === undefined ? {} : { dataset: dataset.dataset }),
      }),
    );
    same('served model', facts.exported.classifier, exported.classifier);

    const evaluate = call('evaluate', evaluateInput(encoder.encoder, winner.probe, exported, dataset, pipeline));
    const { output: evaluation } = await activities('cpu', 'evaluate').evaluateModel(evaluate);
    same('answers to the test rows', facts.evaluation.reference, evaluation.reference);

    const made = {
      classifier: exported.classifier,
      trained,
      dataset,
      evaluation: facts.evaluation,
      gates: facts.gates,
      ...dossierInput(facts),
    };
    const pack = call('package', packageInput(facts, winner, made));
    const { output: packaged } = await activities('light', 'package').packageModel(pack);
    result.bundle = packaged.bundle;
    same('bundle', facts.bundle, packaged.bundle);
  } catch (error) {
    if (!(error instanceof Differs)) throw error;
  }
  return result;
}
