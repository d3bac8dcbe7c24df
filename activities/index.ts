/** Every activity by its wire name. Workers register these; workflows see only their types. */
import type { Activities, StepCall, StepResult } from './contract.ts';
import { preparePictures } from './data/images/prepare-pictures.ts';
import { prepareData } from './data/prepare-data.ts';
import { preparePrompts } from './data/prepare-prompts.ts';
import { subsetData } from './data/subset-data.ts';
import { snapshotDataActivity } from './data/snapshot-data.ts';
import { deployModelActivity } from './deployment/deploy-model.ts';
import { findProductionActivity } from './deployment/find-production.ts';
import { packageModel } from './deployment/package-model.ts';
import { packageGenerator } from './deployment/package-generator.ts';
import { packageRetriever } from './deployment/package-retriever.ts';
import { scheduleMonitorActivity, type Scheduler } from './deployment/schedule-monitor.ts';
import { chooseGenerator } from './generation/choose-generator.ts';
import { compareGenerators } from './generation/compare-generators.ts';
import { evaluateGenerator } from './generation/evaluate-generator.ts';
import { formatPrompts } from './generation/format-prompts.ts';
import { judgeGeneration } from './generation/judge-generation.ts';
import { profileGenerator } from './generation/profile-generator.ts';
import { rankGeneratorsStep } from './generation/rank-generators.ts';
import { searchPrompts } from './generation/search-prompts.ts';
import { checkDriftActivity } from './monitoring/check-drift.ts';
import { insertCanaries } from './privacy/memorisation/insert-canaries.ts';
import { judgeMemorisationStep } from './privacy/memorisation/judge-memorisation.ts';
import { measureMemorisation } from './privacy/memorisation/measure-memorisation.ts';
import { checkModelTermsActivity, settleTermsActivity } from './monitoring/check-model-terms.ts';
import { notifyActivity } from './notification/notify.ts';
import { writeReport } from './report/write-report.ts';
import { buildIndex } from './retrieval/build-index.ts';
import { compareRetrievers } from './retrieval/compare-retrievers.ts';
import { evaluateRetrieval } from './retrieval/evaluate-retrieval.ts';
import { judgeRetrieval } from './retrieval/judge-retrieval.ts';
import { checkTermsActivity } from './review/check-terms.ts';
import { scanPrivacy } from './review/scan-privacy.ts';
import { importModel } from './selection/import-model.ts';
import { probeEncoder } from './selection/probe-encoder.ts';
import { profileEncoder } from './selection/profile-encoder.ts';
import { chooseCandidate, halveCandidatesStep } from './selection/prototypes.ts';
import { chooseSettingsStep, drawTrialsStep } from './selection/search.ts';
import { rankCandidates } from './selection/rank-candidates.ts';
import { resolveModel } from './selection/resolve-model.ts';
import { findActivity, stepActivity, type ActivityServices, type StepDefinition, type StepNow } from './step.ts';
import { exportClassifier } from './training/export-classifier.ts';
import { exportEncoder } from './training/export-encoder.ts';
import { exportGenerator } from './training/export-generator.ts';
import { ownWorkerActivities } from './training/remote/provision.ts';
import { trainModel } from './training/train-model.ts';
import { attackBySquares } from './validation/attack-by-squares.ts';
import { attackGradients } from './validation/attack-gradients.ts';
import { checkCustomGates } from './validation/custom-gates/check.ts';
import { compareModels } from './validation/compare-models.ts';
import { evaluateModel } from './validation/evaluate-model.ts';
import { judgeGatesStep } from './validation/judge-gates.ts';

/** Every step by its activity's wire name. */
const STEPS = {
  prepareData,
  preparePictures,
  preparePrompts,
  scanPrivacy,
  resolveModel,
  importModel,
  exportEncoder,
  profileEncoder,
  probeEncoder,
  rankCandidates,
  subsetData,
  halveCandidates: halveCandidatesStep,
  chooseCandidate,
  drawTrials: drawTrialsStep,
  chooseSettings: chooseSettingsStep,
  profileGenerator,
  searchPrompts,
  rankGenerators: rankGeneratorsStep,
  formatPrompts,
  trainModel,
  exportClassifier,
  exportGenerator,
  chooseGenerator,
  attackGradients,
  attackBySquares,
  evaluateModel,
  evaluateGenerator,
  buildIndex,
  evaluateRetrieval,
  checkCustomGates,
  judgeGates: judgeGatesStep,
  judgeGeneration,
  judgeRetrieval,
  compareModels,
  compareGenerators,
  compareRetrievers,
  insertCanaries,
  measureMemorisation,
  judgeMemorisation: judgeMemorisationStep,
  writeReport,
  packageModel,
  packageGenerator,
  packageRetriever,
} as const;

/** What each type of step computes now: a record of another version, or of other tables, is not taken. */
export const STEPS_NOW: ReadonlyMap<string, StepNow> = new Map(Object.values(STEPS).map((step) => [step.type, step]));

type StepActivities = {
  [Name in keyof typeof STEPS]: (typeof STEPS)[Name] extends StepDefinition<infer Input, infer Output>
    ? (call: StepCall<Input>) => Promise<StepResult<Output>>
    : never;
};

function stepActivities(services: ActivityServices): StepActivities {
  const steps = Object.entries(STEPS) as [string, StepDefinition<unknown, unknown>][];
  return Object.fromEntries(steps.map(([name, step]) => [name, stepActivity(step, services)])) as StepActivities;
}

export function createActivities(services: ActivityServices, scheduler: Scheduler): Activities {
  return {
    ...stepActivities(services),
    snapshotData: snapshotDataActivity(services),
    findPrices: () => Promise.resolve(services.prices ?? null),
    findTraining: findActivity(trainModel, services),
    ...ownWorkerActivities(),
    findProduction: findProductionActivity(services),
    checkTerms: checkTermsActivity(services),
    deployModel: deployModelActivity(services),
    scheduleMonitor: scheduleMonitorActivity(scheduler),
    checkDrift: checkDriftActivity(services),
    checkModelTerms: checkModelTermsActivity(services),
    settleTerms: settleTermsActivity(services),
    notify: notifyActivity(services.pointers, services.notifying),
    readRunInput: (call) => services.store.getJson(call.input),
  };
}
