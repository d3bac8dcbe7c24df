/** What the record says of a model that finds pictures: what it was made of, what lies in its index, how well it finds. Pure. */
import type { DossierFieldId } from '../../../pipelines/dossier/fields.ts';
import type { ImageRetrieval } from '../../../pipelines/definition.ts';
import type { Score } from '../../contract/measures.ts';
import type { DossierFacts, Known } from './record.ts';
import { count, edgeLine, ownTableLines, scoreLine } from './words.ts';

type RetrievalFacts = DossierFacts & { readonly pipeline: ImageRetrieval };
type Teller = (facts: RetrievalFacts) => Known;

/** What stands for the field of a classifier; undefined where the record says the same of every model. */
export function fromRetriever(id: DossierFieldId, facts: DossierFacts): Known | undefined {
  return retrieves(facts) ? TELLERS[id]?.(facts) : undefined;
}

function retrieves(facts: DossierFacts): facts is RetrievalFacts {
  return facts.pipeline.task === 'image-retrieval';
}

const processing: Teller = ({ pipeline, data, base }) => {
  if (data === undefined) return 'later';
  const { train, validation, test } = data.rows;
  const model = base === undefined ? 'a pre-trained model' : base.source;
  return [
    `Pictures (source: ${pipeline.data.source}) are checked and split (${count(train)} train, ${count(validation)} validation, ${count(test)} test).`,
    ...(pipeline.training === null
      ? [`Each training picture is turned into numbers by ${model}; nothing is tuned on them.`]
      : [`${model} is tuned on them to tell ${data.labels.length} labels apart, and turns each into numbers.`]),
    'These numbers lie in the index that is served, each with the picture’s digest and label; the pictures do not.',
    `After two approvals it is served as ${pipeline.deploy.model}; predictions are recorded by digest, to notice drift.`,
  ];
};

const models: Teller = ({ base, pipeline: { training } }) => {
  if (base === undefined) return 'later';
  const how = {
    full: 'All its weights were tuned',
    lora: 'Low-rank adapters were tuned and merged into its weights',
  };
  return [
    `${base.source}, revision ${base.revision}, licence ${base.licence.declared ?? 'not declared'} (judged for this use: ${base.licence.verdict}).`,
    training === null ? 'Its weights are as they came: nothing was tuned.' : `${how[training.method]}.`,
  ];
};

const choices: Teller = ({ selection, pipeline: { training, retrieval } }) => {
  if (selection === undefined) return 'later';
  const why = selection.ranking.find(({ id }) => id === selection.winner)?.reasons ?? [];
  return [
    `Chosen of ${selection.ranking.length} candidates: ${selection.winner}. ${selection.rule}`,
    ...why,
    ...(training === null
      ? []
      : [
          `Tuned with method ${training.method}, ${training.epochs} epochs at most, batches of ${training.batchSize}, learning rate ${training.learningRate}, seed ${training.seed}.`,
        ]),
    `Measured on the first ${retrieval.k} that are found.`,
  ];
};

const software: Teller = ({ training, retrieval, pipeline }) => {
  if (retrieval === undefined) return 'later';
  const versions = Object.entries(training?.environment.versions ?? {}).map(([name, value]) => `${name} ${value}`);
  return [
    pipeline.training === null || training === undefined
      ? 'Nothing was trained.'
      : `Made with ${versions.toSorted().join(', ')}.`,
    `Served through ${retrieval.hardware.runtime}.`,
  ];
};

const hardware: Teller = ({ training, retrieval, pipeline }) => {
  if (retrieval === undefined) return 'later';
  const { cpu, cores } = retrieval.hardware;
  const meant = pipeline.intendedUse.hardware;
  return [
    training === undefined ? 'Nothing was trained.' : `Trained on ${training.environment.device}.`,
    `Measured on ${cpu}, ${cores} cores.`,
    ...(meant === undefined ? [] : [`Meant for ${JSON.stringify(meant)}.`]),
  ];
};

const METRICS = ['recallAtK', 'precisionAtK', 'meanAveragePrecision', 'worstLabelPrecision', 'gainOverPixels'] as const;

const metrics: Teller = ({ retrieval, gates }) => {
  if (retrieval === undefined) return 'later';
  return [
    `Test pictures ask the index of the training pictures; what has their label is wanted (k = ${retrieval.k}).`,
    ...METRICS.map((name) => scoreLine(name, retrieval.measures[name])),
    ...(gates === undefined ? [] : [`All gates together: ${gates.verdict}.`]),
  ];
};

/** Runs that were recorded before there were their gates have none of them. */
const LATER = ['flipRate', 'sliceGap', 'validationTestGap', 'galleryTestGap', 'labelErrors', 'domainShift'] as const;

const robustness: Teller = ({ retrieval }) => {
  if (retrieval === undefined) return 'later';
  return [
    `${count(retrieval.queriesInGallery)} test pictures stand in the gallery; for ${count(retrieval.queriesWithoutRelevant)} there is nothing to find.`,
    scoreLine('corruptionDrop', retrieval.measures.corruptionDrop),
    ...ownTableLines(retrieval.corruptionTable),
    ...LATER.flatMap((name) => {
      const score: Score | undefined = retrieval.measures[name];
      return score === undefined ? [] : [scoreLine(name, score)];
    }),
    ...(retrieval.edgeInputs === undefined ? [] : [edgeLine(retrieval.edgeInputs)]),
  ];
};

const TELLERS: Readonly<Partial<Record<DossierFieldId, Teller>>> = {
  'gdpr-35-7-a-processing': processing,
  'ai-1-c': software,
  'ai-1-e': hardware,
  'ai-2-a': models,
  'ai-2-b': choices,
  'ai-2-g-metrics': metrics,
  'ai-2-g-robustness': robustness,
};
