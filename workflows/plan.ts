import { gradientsAsked, squaresAsked } from '../pipelines/attack.ts';
import type { Pipeline } from '../pipelines/definition.ts';
import { mostSeeds } from '../pipelines/seeds-by-rows.ts';
import { rungInWords } from './rungs.ts';
import { planSearch } from './search-plan.ts';

/** One node of a run's graph. */
export interface PlannedStep {
  readonly id: string;
  readonly title: string;
  readonly stage: 'data' | 'select' | 'review' | 'tune' | 'release';
  /** Ids of the steps that must have ended first. */
  readonly needs: readonly string[];
}

/** What of a definition decides the graph. */
export type Planned = Pick<Pipeline, 'candidates' | 'task'> &
  Partial<Pick<Pipeline, 'selection' | 'prototype' | 'training' | 'gates' | 'customGates'>>;

/** Of few rows a twentieth is none: two points of a curve, the second at all that there are. */
const TRIAL_RUNGS = [0.3, 1] as const;

/** The shares of the training rows that the best candidates are tried on; none where there is nothing to choose. */
export function rungsOf({ candidates, selection, prototype: trial }: Planned): readonly number[] {
  // A run that began before there were prototypes has no such setting in its input.
  const prototype = selection !== undefined && 'prototype' in selection ? selection.prototype : undefined;
  if (prototype?.enabled !== true) return [];
  // A run that is a prototype tells what all rows would bring, of a single candidate, too.
  if (trial !== undefined) return TRIAL_RUNGS;
  return candidates.length > 1 ? prototype.rungs : [];
}

/** The steps one candidate goes through; the licence is decided in `resolve`, before a byte of weights is fetched. */
export function candidateSteps(task: Pipeline['task']): readonly string[] {
  return ['resolve', 'import', 'export', 'profile', MEASURED[task].step];
}

/** What a candidate is scored by: the last of its steps. */
const MEASURED: Readonly<Record<Pipeline['task'], { readonly step: string; readonly title: (id: string) => string }>> =
  {
    'text-classification': { step: 'probe', title: (id) => `score ${id} on frozen embeddings` },
    'image-classification': { step: 'probe', title: (id) => `score ${id} on frozen features` },
    'image-retrieval': { step: 'probe', title: (id) => `score ${id} by what its features have for neighbours` },
    'text-generation': { step: 'prompt', title: (id) => `search prompts for ${id} against the guidelines` },
  };

const TUNING_A_CLASSIFIER: readonly PlannedStep[] = [
  { id: 'train', title: 'fine-tune', stage: 'tune', needs: ['approve-review'] },
  { id: 'export', title: 'export the tuned model to ONNX', stage: 'tune', needs: ['train'] },
  { id: 'evaluate', title: 'evaluate through onnxruntime', stage: 'tune', needs: ['export'] },
  { id: 'gates', title: 'judge the gates', stage: 'tune', needs: ['evaluate'] },
];

/** From the review to the gates. */
const TUNING: Readonly<Record<Pipeline['task'], readonly PlannedStep[]>> = {
  'text-classification': TUNING_A_CLASSIFIER,
  'image-classification': TUNING_A_CLASSIFIER,
  // Where nothing is tuned the first two are skipped: the encoder's own embeddings are indexed.
  'image-retrieval': [
    { id: 'train', title: 'fine-tune', stage: 'tune', needs: ['approve-review'] },
    { id: 'export', title: 'export the tuned model to ONNX', stage: 'tune', needs: ['train'] },
    { id: 'index', title: 'index the embeddings of the gallery', stage: 'tune', needs: ['export'] },
    { id: 'evaluate', title: 'ask the index with test pictures', stage: 'tune', needs: ['index'] },
    { id: 'gates', title: 'judge the gates', stage: 'tune', needs: ['evaluate'] },
  ],
  // What a prompt was enough for needs no training: these steps are skipped then.
  'text-generation': [
    { id: 'format', title: 'write out the conversations to learn', stage: 'tune', needs: ['approve-review'] },
    {
      id: 'canaries',
      title: 'hide secrets among them, to see what is learnt by heart',
      stage: 'tune',
      needs: ['format'],
    },
    { id: 'train', title: 'fine-tune', stage: 'tune', needs: ['canaries'] },
    { id: 'export', title: 'export the tuned model to ONNX', stage: 'tune', needs: ['train'] },
    { id: 'prompt', title: 'search prompts for the tuned model', stage: 'tune', needs: ['export'] },
    { id: 'choose', title: 'choose between prompted and tuned', stage: 'tune', needs: ['prompt'] },
    { id: 'evaluate', title: 'evaluate through onnxruntime', stage: 'tune', needs: ['choose'] },
    { id: 'memorisation', title: 'measure what it knows by heart', stage: 'tune', needs: ['evaluate'] },
    { id: 'gates', title: 'judge the gates', stage: 'tune', needs: ['memorisation'] },
  ],
};

/** Only where a gate wants it: it takes many passes through the model and back. */
const ATTACK: PlannedStep = {
  id: 'attack',
  title: 'attack the model through its gradients',
  stage: 'tune',
  needs: ['evaluate'],
};

/** The same, of questions to the served graph. */
const SQUARE_ATTACK: PlannedStep = {
  id: 'square-attack',
  title: 'attack the served graph without gradients',
  stage: 'tune',
  needs: ['evaluate'],
};

function tuning({ task, gates }: Planned): readonly PlannedStep[] {
  const steps = TUNING[task];
  if (task !== 'image-classification' && task !== 'image-retrieval') return steps;
  const attacks = [...(gradientsAsked(gates) ? [ATTACK] : []), ...(squaresAsked(gates) ? [SQUARE_ATTACK] : [])];
  if (attacks.length === 0) return steps;
  // One after the other: each takes the threads that a training has.
  const inTurn = attacks.map((step, at) => ({ ...step, needs: [attacks[at - 1]?.id ?? 'evaluate'] }));
  const last = inTurn.at(-1)!.id;
  return steps.flatMap((step) => (step.id === 'gates' ? [...inTurn, { ...step, needs: [last] }] : [step]));
}

/** Before all work, where the definition names gates of its own: a run must not train for hours to find that nobody can judge it. */
const CUSTOM_GATES: PlannedStep = {
  id: 'custom-gates',
  title: 'see that the workers have the gates of your own',
  stage: 'data',
  needs: [],
};

export function customGatesNamed({ customGates = {} }: Pick<Planned, 'customGates'>): readonly string[] {
  return Object.keys(customGates);
}

/**
 * The graph of a run: a pure function of its definition. `needs` is complete and acyclic, and the list is in
 * topological order; the engine refuses a step that is not in it.
 */
export function planRun(pipeline: Planned): readonly PlannedStep[] {
  const steps = planWork(pipeline);
  if (customGatesNamed(pipeline).length === 0) return steps;
  const first = [CUSTOM_GATES.id];
  return [CUSTOM_GATES, ...steps.map((step) => (step.needs.length === 0 ? { ...step, needs: first } : step))];
}

function planWork(pipeline: Planned): readonly PlannedStep[] {
  const measured = MEASURED[pipeline.task];
  const perCandidate = pipeline.candidates.flatMap(({ id }): PlannedStep[] => [
    { id: `resolve:${id}`, title: `resolve ${id} and read its licence`, stage: 'select', needs: [] },
    { id: `import:${id}`, title: `fetch and check the files of ${id}`, stage: 'select', needs: [`resolve:${id}`] },
    { id: `export:${id}`, title: `export ${id} to ONNX`, stage: 'select', needs: [`import:${id}`] },
    {
      id: `profile:${id}`,
      title: `measure ${id}: latency, size, memory`,
      stage: 'select',
      needs: [`export:${id}`, 'data'],
    },
    { id: `${measured.step}:${id}`, title: measured.title(id), stage: 'select', needs: [`profile:${id}`] },
  ]);
  const scored = pipeline.candidates.map(({ id }) => `${measured.step}:${id}`);
  const trial: readonly PlannedStep[] =
    pipeline.prototype === undefined
      ? []
      : [{ id: 'subset', title: 'take a small part of the data', stage: 'data', needs: ['data'] }];
  const prototypes = planPrototypes(pipeline);
  const chosen = prototypes.length === 0 ? 'rank' : 'choose';
  const search = planSearch(pipeline, chosen);
  const settled = search.length === 0 ? chosen : 'settings';
  return [
    { id: 'snapshot', title: 'take a snapshot of the data', stage: 'data', needs: [] },
    { id: 'data', title: 'check and split the data', stage: 'data', needs: ['snapshot'] },
    ...trial,
    { id: 'privacy', title: 'look for personal data', stage: 'review', needs: ['data'] },
    ...perCandidate,
    { id: 'rank', title: 'choose the candidate', stage: 'select', needs: scored },
    ...prototypes,
    ...search,
    { id: 'review-evidence', title: 'gather the evidence for review', stage: 'review', needs: [settled, 'privacy'] },
    { id: 'approve-review', title: 'approval: review', stage: 'review', needs: ['review-evidence'] },
    ...tuning(pipeline),
    { id: 'package', title: 'package the bundle', stage: 'release', needs: ['gates'] },
    { id: 'terms', title: 'judge the licence again, as it stands now', stage: 'release', needs: ['package'] },
    { id: 'production', title: 'see what is in production', stage: 'release', needs: ['terms'] },
    { id: 'compare', title: 'compare with the model in production', stage: 'release', needs: ['production'] },
    { id: 'release-evidence', title: 'gather the evidence for release', stage: 'release', needs: ['compare'] },
    { id: 'approve-release', title: 'approval: release', stage: 'release', needs: ['release-evidence'] },
    { id: 'deploy', title: 'deploy', stage: 'release', needs: ['approve-release'] },
    { id: 'monitor', title: 'schedule the drift check', stage: 'release', needs: ['deploy'] },
    { id: 'report', title: 'write the report', stage: 'release', needs: ['monitor'] },
  ];
}

/** One training of a candidate on a rung; rung and seed from 1. */
export function prototypeStep(candidate: string, rung: number, seed = 1): string {
  return `prototype:${candidate}:${rung}${seed === 1 ? '' : `:${seed}`}`;
}

/** What a rung has at least; null where a prototype's size decides (`trialSetting`), and in runs that began before there was a least. */
function leastRowsOf({ selection, prototype: trial }: Planned): number | null {
  if (trial !== undefined || selection === undefined || !('prototype' in selection)) return null;
  return (selection.prototype as Partial<typeof selection.prototype>).leastRows ?? null;
}

/** The trainings that a rung has at most: who is tried, and whether the rows are few, is known when the run gets there. */
export function triesOf({ candidates, selection, prototype: trial }: Planned, rung: number): readonly string[] {
  const setting = selection !== undefined && 'prototype' in selection ? selection.prototype : undefined;
  // A run that is a prototype is to be quick.
  const seeds = trial === undefined && setting !== undefined ? mostSeeds(setting) : 1;
  return candidates.flatMap(({ id }) => Array.from({ length: seeds }, (_, at) => prototypeStep(id, rung, at + 1)));
}

/** Every rung tries every candidate, as far as the graph goes: who goes on is known when the run gets there. */
function planPrototypes(pipeline: Planned): readonly PlannedStep[] {
  const rungs = rungsOf(pipeline);
  if (rungs.length === 0) return [];
  const tries = (rung: number): readonly string[] => triesOf(pipeline, rung);
  const steps = rungs.flatMap((share, at): readonly PlannedStep[] => {
    const rung = at + 1;
    const rows = rungInWords(share, leastRowsOf(pipeline));
    const judge = `who goes on from rung ${rung}`;
    return [
      {
        id: `subset:${rung}`,
        title: `take ${rows}`,
        stage: 'select',
        needs: [rung === 1 ? 'rank' : `halve:${rung - 1}`],
      },
      ...tries(rung).map((id): PlannedStep => {
        const [, candidate, , seed] = id.split(':');
        const title = `fine-tune ${candidate} on ${rows}${seed === undefined ? '' : `, seed ${seed}`}`;
        return { id, title, stage: 'select', needs: [`subset:${rung}`] };
      }),
      ...(rung === rungs.length
        ? []
        : [{ id: `halve:${rung}`, title: judge, stage: 'select', needs: tries(rung) } as const]),
    ];
  });
  return [...steps, { id: 'choose', title: 'choose by the prototypes', stage: 'select', needs: tries(rungs.length) }];
}

/** The steps that make up the prototypes, whatever the run's size. */
export function prototypeSteps(pipeline: Planned): readonly string[] {
  return planPrototypes(pipeline).map(({ id }) => id);
}
