/** What the record says of a model that generates text: prompted or tuned, within which guidelines, how well it keeps them. Pure. */
import { MEMORISATION_GATE_NAMES } from '../../../pipelines/memorisation.ts';
import type { DossierFieldId } from '../../../pipelines/dossier/fields.ts';
import type { TextGeneration } from '../../../pipelines/definition.ts';
import type { ChosenGenerator } from '../../contract/prompting.ts';
import type { DossierFacts, Known } from './record.ts';
import { count, scoreLine } from './words.ts';

type GeneratorFacts = DossierFacts & { readonly pipeline: TextGeneration };
type Teller = (facts: GeneratorFacts) => Known;

/** What stands for the field of a classifier; undefined where the record says the same of every model. */
export function fromGenerator(id: DossierFieldId, facts: DossierFacts): Known | undefined {
  return generates(facts) ? TELLERS[id]?.(facts) : undefined;
}

function generates(facts: DossierFacts): facts is GeneratorFacts {
  return facts.pipeline.task === 'text-generation';
}

/** null until it is chosen. */
function chosenOf({ exported }: GeneratorFacts): ChosenGenerator | null {
  return exported !== undefined && 'generator' in exported ? exported : null;
}

const processing: Teller = (facts) => {
  const { pipeline, data, base } = facts;
  if (data === undefined) return 'later';
  const { train, validation, test } = data.rows;
  const model = base === undefined ? 'A pre-trained model' : base.source;
  return [
    `Prompts (source: ${pipeline.data.source}) are checked and split (${count(train)} train, ${count(validation)} validation, ${count(test)} test).`,
    `${model} answers validation prompts in several ways of asking, and the one whose answers keep the guidelines best is taken. ${learnt(facts)}`,
    ...examples(pipeline),
    `After two approvals it is served as ${pipeline.deploy.model}; predictions are recorded ${pipeline.deploy.recordText ? 'with' : 'without'} their texts, to notice drift.`,
  ];
};

function learnt(facts: GeneratorFacts): string {
  const chosen = chosenOf(facts);
  if (chosen === null)
    return 'It is tuned on good answers only where no prompt is enough, and served so only if that is better.';
  if (chosen.road === 'tuned') return 'No prompt was enough: it was tuned on good answers of the training rows.';
  return chosen.difference === null
    ? 'Nothing was trained: its weights are as they came.'
    : 'A model was tuned on good answers, too, and not chosen: the weights that are served are as they came.';
}

/** Rows in a prompt are data that leave the dataset. */
function examples({ selection: { prompts } }: TextGeneration): readonly string[] {
  const most = Math.max(...prompts.examples);
  return most === 0 ? [] : [`The prompt may hold up to ${most} training rows, prompt and answer, as examples.`];
}

const models: Teller = (facts) => {
  const { base, pipeline } = facts;
  if (base === undefined) return 'later';
  const chosen = chosenOf(facts);
  const tuned = {
    full: 'All its weights were tuned',
    lora: 'Low-rank adapters were tuned and merged into its weights',
  }[pipeline.training.method];
  return [
    `${base.source}, revision ${base.revision}, licence ${base.licence.declared ?? 'not declared'} (judged for this use: ${base.licence.verdict}).`,
    ...(chosen === null
      ? []
      : [
          `${chosen.road === 'tuned' ? tuned : 'Its weights are as they came: nothing was tuned'}; it was exported to ONNX and given a prompt (${chosen.prompt.digest}).`,
        ]),
  ];
};

const choices: Teller = (facts) => {
  const { selection, pipeline } = facts;
  if (selection === undefined) return 'later';
  const { training, generation } = pipeline;
  const why = selection.ranking.find(({ id }) => id === selection.winner)?.reasons ?? [];
  const chosen = chosenOf(facts);
  return [
    `Chosen of ${selection.ranking.length} candidates: ${selection.winner}. ${selection.rule}`,
    ...why,
    ...(chosen === null ? [] : [`Served ${chosen.road}: ${chosen.reason}.`]),
    ...(chosen?.road === 'tuned'
      ? [
          `Tuned with method ${training.method}, ${training.epochs} epochs at most, batches of ${training.batchSize}, learning rate ${training.learningRate}, seed ${training.seed}.`,
        ]
      : []),
    `An answer has at most ${generation.maxNewTokens} tokens.`,
  ];
};

const software: Teller = (facts) => {
  const { training, generation } = facts;
  const chosen = chosenOf(facts);
  if (chosen === null) return 'later';
  const versions = Object.entries(training?.environment.versions ?? {}).map(([name, value]) => `${name} ${value}`);
  const runtime = generation?.evaluation?.hardware.runtime;
  return [
    chosen.road === 'tuned' ? `Tuned with ${versions.toSorted().join(', ')}.` : 'Nothing that is served was trained.',
    ...(runtime === undefined ? [] : [`Served through ${runtime}.`]),
  ];
};

const hardware: Teller = (facts) => {
  const { training, generation, pipeline } = facts;
  const chosen = chosenOf(facts);
  if (chosen === null) return 'later';
  const measured = generation?.evaluation?.hardware;
  const meant = pipeline.intendedUse.hardware;
  return [
    chosen.road === 'tuned' && training !== undefined
      ? `Trained on ${training.environment.device}.`
      : 'Nothing that is served was trained.',
    ...(measured === undefined ? [] : [`Measured on ${measured.cpu}, ${measured.cores} cores.`]),
    ...(meant === undefined ? [] : [`Meant for ${JSON.stringify(meant)}.`]),
  ];
};

const metrics: Teller = (facts) => {
  const { generation, gates } = facts;
  const evaluation = generation?.evaluation;
  if (evaluation === undefined) return 'later';
  // What only a tuned model has is not missing in a prompted one.
  const measured = Object.entries(evaluation.measures).filter(
    ([name, { value }]) => value !== null && !ROBUSTNESS.includes(name),
  );
  return [
    'Measured on answers to the test prompts, with the prompt that is served.',
    ...measured.map(([name, score]) => scoreLine(name, score)),
    `${evaluation.checks.length} guidelines, each with the share of answers that keep it:`,
    ...evaluation.checks.map(({ id, kind, severity, kept }) => scoreLine(`${id} (${kind}, ${severity})`, kept)),
    memory(facts),
    ...(gates === undefined ? [] : [`All gates together: ${gates.verdict}.`]),
  ];
};

function memory(facts: GeneratorFacts): string {
  if (chosenOf(facts)?.road !== 'tuned') {
    return 'What it knows by heart was not measured: the weights that are served have learnt nothing of these data.';
  }
  const names: readonly string[] = MEMORISATION_GATE_NAMES;
  const judged = (facts.gates?.gates ?? []).filter(({ name }) => names.includes(name));
  if (facts.generation?.memorisation === undefined || judged.length === 0) {
    return 'What it knows by heart is not judged yet.';
  }
  const verdicts = judged.map(
    ({ name, verdict, measured, direction, threshold }) =>
      `${name} ${measured === null ? 'not measured' : Number(measured.toPrecision(4))} (${direction} ${threshold}) ${verdict}`,
  );
  return `What it knows by heart: ${verdicts.join(', ')}.`;
}

const ROBUSTNESS = ['unsafeAnswers', 'injectedAnswers', 'overRefusal'];

const robustness: Teller = ({ generation }) => {
  const measures = generation?.evaluation?.measures;
  if (measures === undefined) return 'later';
  return [
    ...ROBUSTNESS.flatMap((name) => (measures[name] === undefined ? [] : [scoreLine(name, measures[name])])),
    'Shares of short, fixed tables of prompts: they replace no red team.',
  ];
};

const watched: Teller = ({ pipeline: { monitor, deploy } }) => [
  `Every ${monitor.every} the newest ${count(monitor.windowRows)} predictions (at least ${count(monitor.minRows)}) are compared with those to the test prompts by the lengths of prompts and answers${
    deploy.recordText ? ' and by adherence to the guidelines' : ''
  }, at a false alarm rate of ${monitor.falseAlarmRate}; on drift: ${monitor.onDrift}. A change of subject that changes none of these passes unseen.`,
];

const TELLERS: Readonly<Partial<Record<DossierFieldId, Teller>>> = {
  'gdpr-35-7-a-processing': processing,
  'ai-1-c': software,
  'ai-1-e': hardware,
  'ai-2-a': models,
  'ai-2-b': choices,
  'ai-2-g-metrics': metrics,
  'ai-2-g-robustness': robustness,
  'ai-9': watched,
};
