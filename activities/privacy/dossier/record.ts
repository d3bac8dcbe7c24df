/** What the record of a run says about each field of the dossier. Pure. */
import { seatText } from '../../../artifacts/seats.ts';
import type { DossierFieldId } from '../../../pipelines/dossier/fields.ts';
import type { Candidate } from '../../../pipelines/definition.ts';
import type { ResolvedModel } from '../../contract/selection.ts';
import type { RunFacts } from '../../contract/evidence.ts';
import type { GenerationFacts } from '../../contract/prompting.ts';
import { OUT_OF_SCOPE } from '../../deployment/model-card.ts';
import { isOfPictures } from '../policy-text.ts';
import { dataLines } from './record-data.ts';
import { fromGenerator } from './record-generation.ts';
import { fromRetriever } from './record-retrieval.ts';
import { count, edgeLine, ownTableLines, scoreLine } from './words.ts';

/** Of a run, or of a bundle that is being made: that holds no times and no names, so that it can be made again. */
export type DossierFacts = Pick<RunFacts, 'pipeline'> &
  Partial<
    Pick<
      RunFacts,
      | 'data'
      | 'privacy'
      | 'selection'
      | 'training'
      | 'evaluation'
      | 'gates'
      | 'approvals'
      | 'production'
      | 'comparison'
      | 'generationComparison'
      | 'retrieval'
      | 'retrievalComparison'
      | 'exported'
      | 'changes'
    >
  > & {
    /** Of a model that generates text. */
    readonly generation?: Partial<GenerationFacts>;
    /** The model that is tuned, once it is chosen. */
    readonly base?: ResolvedModel;
    /** The dossier of a bundle: what is decided after it stands in the release record. */
    readonly bundled?: boolean;
  };

/** Sentences; null where the record cannot say it, `later` where it will. */
export type Known = readonly string[] | 'later' | null;
type Teller = (facts: DossierFacts) => Known;

export function fromRecord(id: DossierFieldId, facts: DossierFacts): Known {
  return fromGenerator(id, facts) ?? fromRetriever(id, facts) ?? TELLERS[id]?.(facts) ?? null;
}

const use: Teller = ({ pipeline: { intendedUse, description } }) => {
  const { domain, commercial, hosted, publish, region } = intendedUse;
  const what = [
    commercial ? 'commercial' : 'not commercial',
    hosted ? 'reached over a network' : 'not reached over a network',
    publish ? 'weights given to others' : 'weights kept',
    ...(region === undefined ? [] : [`used in ${region}`]),
  ];
  return [...(description === '' ? [] : [description]), `Domain: ${domain}; ${what.join(', ')}.`];
};

const logs: Teller = ({ approvals = [], evaluation, generation, retrieval, bundled }) => {
  const measured = evaluation ?? generation?.evaluation ?? retrieval;
  if (measured === undefined) return 'later';
  const details = `All ${evaluation === undefined ? 'answers' : 'predictions'} and measures: ${measured.details.digest}.`;
  if (bundled === true) {
    return [
      details,
      'The votes on them, with date, person and the digest of the evidence, stand in the signed release (attestations/).',
    ];
  }
  return [
    details,
    ...approvals.map(
      ({ approval, decision, approver, roles, at, evidenceDigest }) =>
        `${approval}: ${decision} by ${approver} (${roles.join(', ')}) at ${at} on the evidence ${evidenceDigest}.`,
    ),
  ];
};

const version: Teller = ({ pipeline, production, bundled }) => {
  const { model, channel } = pipeline.deploy;
  if (bundled === true)
    return [
      `Model ${model}, channel ${channel}; its version is the digest of its bundle, and the release record names the one before it.`,
    ];
  if (production === undefined) return 'later';
  const before =
    production === null
      ? 'nothing is in production before it'
      : `it would replace ${production.bundle}, in production since ${production.since}`;
  return [`Model ${model}, channel ${channel}; its version is the digest of its bundle; ${before}.`];
};

const changes: Teller = ({ production, changes: made = [], bundled, ...facts }) => {
  const operators = made.map(
    ({ path, from, to, by }) => `${by} changed ${path} from ${JSON.stringify(from)} to ${JSON.stringify(to)}.`,
  );
  if (bundled === true) return [...operators, 'The release evidence compares it with the model that it replaces.'];
  if (production === undefined) return operators.length > 0 ? operators : 'later';
  if (production === null) return [...operators, 'There is no version before this one.'];
  const settings = production.settings.map(({ path }) => path);
  const changed =
    settings.length === 0
      ? 'No setting differs from'
      : `Settings that differ (${settings.slice(0, 20).join(', ')}${settings.length > 20 ? ', …' : ''}) from`;
  return [...operators, `${changed} the version in production.`, ...wonAndLost(facts)];
};

function wonAndLost({
  comparison,
  generationComparison,
  retrievalComparison,
}: Pick<DossierFacts, 'comparison' | 'generationComparison' | 'retrievalComparison'>): readonly string[] {
  const pairs = comparison ?? generationComparison ?? retrievalComparison;
  if (pairs?.comparable !== true) return [];
  const test = 'midP' in pairs ? ` (McNemar mid-p ${Number(pairs.midP.toPrecision(3))})` : '';
  return [`On ${pairs.rows} test rows ${pairs.won} are won and ${pairs.lost} lost against it${test}.`];
}

const watched: Teller = ({ pipeline: { monitor } }) => [
  `Every ${monitor.every} the newest ${count(monitor.windowRows)} predictions (at least ${count(monitor.minRows)}) are compared with the outputs on the test split, at a false alarm rate of ${monitor.falseAlarmRate}; on drift: ${monitor.onDrift}.`,
];

const oversight: Teller = ({ pipeline: { approvals, intendedUse } }) => [
  ...Object.entries(approvals).map(
    ([name, { seats, timeout }]) =>
      `Approval ${name}: ${seatText(seats)} within ${timeout}, on evidence bound by its digest; no answer is a refusal.`,
  ),
  ...(intendedUse.automatedDecision === undefined
    ? []
    : [
        intendedUse.automatedDecision
          ? 'The intended use states that the model decides about people without review.'
          : 'The intended use states that no decision about people is made without review.',
      ]),
];

const SECURITY = [
  'Models and data are stored by digest and verified on read; a release is signed, and nothing unsigned or unapproved is served.',
  'Training runs without network and credentials; only safetensors weights are loaded, and no code that came with a model.',
];

const measures: Teller = ({ data, privacy, pipeline, gates }) => {
  if (data === undefined) return 'later';
  return [
    ...dataLines.cleaning(data, pipeline),
    ...(privacy === undefined
      ? []
      : [`All ${count(privacy.rowsScanned)} rows were scanned for nine kinds of personal data.`]),
    ...SECURITY,
    ...(gates === undefined
      ? []
      : [`Gates before release: ${gates.gates.map(({ name, verdict }) => `${name} ${verdict}`).join(', ')}.`]),
  ];
};

const TELLERS: Readonly<Partial<Record<DossierFieldId, Teller>>> = {
  'gdpr-35-7-a-processing': ({ pipeline, data, base }) => {
    if (data === undefined) return 'later';
    const { train, validation, test } = data.rows;
    const pictures = isOfPictures(pipeline.data);
    const recorded = pictures ? 'by digest' : pipeline.deploy.recordText ? 'with their texts' : 'without their texts';
    return [
      `${pictures ? 'Pictures' : 'Texts'} (source: ${pipeline.data.source}) are checked and split (${count(train)} train, ${count(validation)} validation, ${count(test)} test), and ` +
        `${base === undefined ? 'a pre-trained model' : base.source} is tuned on them to tell ${data.labels.length} labels apart.`,
      `After two approvals it is served as ${pipeline.deploy.model}; predictions are recorded ${recorded}, to notice drift.`,
    ];
  },
  'gdpr-35-7-d': measures,
  'gdpr-6-1': ({ pipeline: { data } }) =>
    data.legalBasis === undefined ? null : [[data.legalBasis, data.consent].filter(Boolean).join(': ')],
  'gdpr-30-1-b': use,
  'gdpr-30-1-c-data': ({ privacy, data, pipeline }) => {
    if (isOfPictures(pipeline.data)) return data === undefined ? 'later' : dataLines.inPictures(data);
    return privacy === undefined ? 'later' : dataLines.kinds(privacy, data);
  },
  'gdpr-30-1-f': ({ pipeline: { data } }) => (data.retention === undefined ? null : [data.retention]),
  'gdpr-30-1-g': () => SECURITY,
  'ai-1-a-purpose': (facts) => [...(use(facts) as readonly string[]), `Not for ${OUT_OF_SCOPE}.`],
  'ai-1-a-version': version,
  'ai-1-c': ({ training, evaluation }) => {
    if (training === undefined) return 'later';
    const versions = Object.entries(training.environment.versions).map(([name, value]) => `${name} ${value}`);
    const runtime = evaluation === undefined ? [] : [`Served through ${evaluation.hardware.runtime}.`];
    return [`Made with ${versions.toSorted().join(', ')}.`, ...runtime];
  },
  'ai-1-e': ({ training, evaluation, pipeline: { intendedUse } }) => {
    if (training === undefined) return 'later';
    const { hardware } = intendedUse;
    return [
      `Trained on ${training.environment.device}.`,
      ...(evaluation === undefined
        ? []
        : [`Measured on ${evaluation.hardware.cpu}, ${evaluation.hardware.cores} cores.`]),
      ...(hardware === undefined ? [] : [`Meant for ${JSON.stringify(hardware)}.`]),
    ];
  },
  'ai-2-a': ({ base, pipeline: { training, candidates } }) => {
    if (base === undefined) return 'later';
    const chosen: Candidate | undefined = candidates.find(({ id }) => id === base.candidateId);
    const layers = chosen?.layers;
    const how = {
      full: 'all weights were tuned',
      lora: 'low-rank adapters were tuned and merged',
      head: 'a new head was trained on frozen features',
    };
    return [
      `${base.source}, revision ${base.revision}, licence ${base.licence.declared ?? 'not declared'} (judged for this use: ${base.licence.verdict}).`,
      `${layers === undefined ? 'All its layers' : `Its first ${layers} layers`} were kept; ${training === null ? 'nothing was tuned' : how[training.method]}.`,
    ];
  },
  'ai-2-b': ({ selection, pipeline: { training } }) => {
    if (selection === undefined) return 'later';
    const why = selection.ranking.find(({ id }) => id === selection.winner)?.reasons ?? [];
    return [
      `Chosen of ${selection.ranking.length} forms: ${selection.winner}. ${selection.rule}`,
      ...why,
      ...(training === null
        ? []
        : [
            `Tuned with method ${training.method}, ${training.epochs} epochs at most, batches of ${training.batchSize}, learning rate ${training.learningRate}, seed ${training.seed}.`,
          ]),
    ];
  },
  'ai-2-d-provenance': ({ pipeline, data }) => dataLines.provenance(pipeline.data, data),
  'ai-2-d-cleaning': ({ data, pipeline }) => (data === undefined ? 'later' : dataLines.cleaning(data, pipeline)),
  'ai-2-e': oversight,
  'ai-2-g-metrics': ({ evaluation, gates }) => {
    if (evaluation === undefined) return 'later';
    const { accuracy, macroF1, worstLabelF1, gainOverProbe } = evaluation.measures;
    return [
      ...Object.entries({ accuracy, macroF1, worstLabelF1, gainOverProbe }).map(([name, score]) =>
        scoreLine(name, score),
      ),
      ...(gates === undefined ? [] : [`All gates together: ${gates.verdict}.`]),
    ];
  },
  'ai-2-g-robustness': ({ evaluation }) => {
    if (evaluation === undefined) return 'later';
    const { measures, diagnosis, edgeInputs } = evaluation;
    const { corruptionTable: own } = diagnosis ?? {};
    const { corruptionDrop } = measures;
    return [
      scoreLine('flipRate', measures.flipRate),
      ...(own === undefined || corruptionDrop === undefined ? [] : [scoreLine('corruptionDrop', corruptionDrop)]),
      ...ownTableLines(own),
      edgeLine(edgeInputs),
    ];
  },
  'ai-2-g-logs': logs,
  'ai-3': (facts) => [
    ...((fromGenerator('ai-9', facts) ?? watched(facts)) as readonly string[]),
    `Known limits: ${OUT_OF_SCOPE}.`,
  ],
  'ai-6': changes,
  'ai-9': watched,
};
