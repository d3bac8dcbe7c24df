/** Which decisions count for a parked step, and why the others are refused. Pure rules; the engine waits and acts. */
import { changeableSection, settingAt, settingProblems, type ChangeableSection } from '../pipelines/change.ts';
import type { Pipeline } from '../pipelines/definition.ts';
import type { Resolution, ResolutionAction, StepView } from './messages.ts';

/** Longest comment and name kept in the history. */
const MAX_COMMENT = 4000;
const MAX_NAME = 200;

/** What is done for one candidate alone: without it, the candidate is dropped. */
const CANDIDATE_STEPS = new Set(['resolve', 'import', 'export', 'profile', 'probe', 'prompt']);

const EVIDENCE = 'nobody can decide without it';
/** Why a step cannot be left out. What is not named here can: a candidate's steps, and the monitor. */
const NEEDED: Readonly<Record<string, string>> = {
  snapshot: 'there is no run without data',
  data: 'there is no run without data',
  privacy: `its findings are part of the evidence for review; ${EVIDENCE}`,
  rank: 'without a choice there is nothing to train',
  subset: 'there is no run without data',
  halve: 'without a choice there is nothing to train',
  choose: 'without a choice there is nothing to train, or to release',
  search: 'without settings to try there is nothing to choose from',
  'search-subset': 'there is no trial without data',
  'search-halve': 'without a choice it would go on with all',
  settings: 'without a choice there is nothing to train at',
  'review-evidence': EVIDENCE,
  'approve-review': 'an approval is given by a person, never skipped',
  format: 'there is no training without rows to learn',
  canaries: 'what is learnt by heart is measured by them; memorisation.canaries.count 0 asks for none',
  train: 'what is released is what was trained',
  export: 'what is released is what was exported',
  prompt: 'the tuned model is judged by its best prompt',
  evaluate: 'the gates judge what it measures',
  memorisation: 'the gates judge what it measures',
  gates: 'no model is released unjudged',
  package: 'what is released is what was packaged',
  terms: 'nothing is released whose licence nobody judged',
  production: `what stands in the channel is part of the evidence for release; ${EVIDENCE}`,
  compare: `it is part of the evidence for release; ${EVIDENCE}`,
  'release-evidence': EVIDENCE,
  'approve-release': 'an approval is given by a person, never skipped',
  deploy: 'a run that deploys nothing ends by abort',
  report: 'it is the record of the run',
};

/** The step whose end settles a section: changed later, the record would name what was never used. */
const SETTLED_BY: Readonly<Record<ChangeableSection, string>> = {
  selection: 'rank',
  training: 'train',
  gates: 'gates',
};

/** The price for it is asked once, before the candidates (stages/prices.ts). Where there is a limit it can be another one. */
const COST_LIMIT = 'selection.maxCostPer1000';

/**
 * Why a step cannot be skipped; undefined when it can: then its candidate is dropped, the model goes unwatched, or an attack is not
 * measured, which fails the gates that ask for it.
 */
export function skipRefusal(step: string): string | undefined {
  if (step === 'monitor' || step === 'attack' || step === 'square-attack') return undefined;
  const [name, candidate] = step.split(':');
  if (candidate !== undefined && CANDIDATE_STEPS.has(name ?? '')) return undefined;
  return NEEDED[name ?? step] ?? 'the plan does not allow it';
}

export function actionsFor(step: string): readonly ResolutionAction[] {
  return skipRefusal(step) === undefined ? ['retry', 'skip', 'abort'] : ['retry', 'abort'];
}

/** Why this resolution does not count; undefined when it does. */
export function resolutionRefusal(
  resolution: Resolution,
  steps: readonly StepView[],
  pipeline: Pipeline,
): string | undefined {
  const { action, settings, by, comment } = resolution;
  const step = steps.find(({ id }) => id === resolution.step);
  if (step === undefined) return `this run has no step '${resolution.step}'`;
  if (step.state !== 'parked') return `step '${step.id}' is not parked: ${step.state}`;
  if (typeof by !== 'string' || by.trim() === '' || by.length > MAX_NAME) {
    return `'by' must say who decides, in at most ${MAX_NAME} characters`;
  }
  if (typeof comment !== 'string' || comment.length > MAX_COMMENT) {
    return `a comment has at most ${MAX_COMMENT} characters`;
  }
  if (action !== 'retry' && settings !== undefined && Object.keys(settings).length > 0) {
    return `settings go with 'retry' only, not with '${action}'`;
  }
  if (action === 'skip') {
    const reason = skipRefusal(step.id);
    return reason && `step '${step.id}' cannot be skipped: ${reason}; retry or abort`;
  }
  if (action !== 'retry') return action === 'abort' ? undefined : `an action is 'retry', 'skip' or 'abort'`;
  return settings && settingsRefusal(settings, steps, pipeline);
}

function settingsRefusal(
  settings: Readonly<Record<string, unknown>>,
  steps: readonly StepView[],
  pipeline: Pipeline,
): string | undefined {
  const problems = settingProblems(pipeline, settings);
  if (problems.length > 0) {
    return problems
      .map(({ path, message, fix }) => `${path}: ${message}${fix === undefined ? '' : ` (${fix})`}`)
      .join('; ');
  }
  if (COST_LIMIT in settings && settingAt(pipeline, COST_LIMIT) === undefined) {
    return `${COST_LIMIT}: a limit of cost needs a price before the first candidate is measured, and this run has asked for none; start a new run with it`;
  }
  for (const path of Object.keys(settings)) {
    const section = changeableSection(path);
    const settler = section && SETTLED_BY[section];
    const state = steps.find(({ id }) => id === settler)?.state;
    if (state === 'done' || state === 'reused') {
      return `${path}: step '${settler}' has already used it; start a new run with the new value`;
    }
  }
  return undefined;
}
