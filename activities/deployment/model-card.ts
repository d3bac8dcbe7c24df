/**
 * MODEL_CARD.md: front matter as the Hugging Face Hub reads it, then the figures a reader needs to decide. Pure.
 * https://huggingface.co/docs/hub/model-cards
 */
import { stringify } from 'yaml';
import { dutyLine, type BundleTerms } from '../../artifacts/bundle-terms.ts';
import type { Digest } from '../../artifacts/reference.ts';
import type { GateResult } from '../contract/validation.ts';
import type { PackageModelInput } from '../contract/deployment.ts';
import type { Score } from '../contract/measures.ts';
import type { ResolvedModel } from '../contract/selection.ts';
import type { Pipeline } from '../../pipelines/definition.ts';
import type { IntendedUse } from '../../pipelines/licence/use.ts';
import { searchOf } from '../../pipelines/search.ts';
import { concludedLicence } from './concluded-licence.ts';
import { prototypeNotice } from './prototype-text.ts';

export const OUT_OF_SCOPE =
  'languages, subjects and kinds of pictures that the training data do not hold, and decisions about people that nobody reviews';

/** What is said of a classifier by what it takes. */
export const NAMES = {
  text: { classifier: 'A text classifier.', task: 'text-classification', row: 'text', rows: 'texts' },
  image: { classifier: 'An image classifier.', task: 'image-classification', row: 'picture', rows: 'pictures' },
} as const;

export function modelCard(
  input: PackageModelInput,
  takes: 'text' | 'image',
  language: readonly string[],
  terms: BundleTerms,
): string {
  return `---\n${frontMatter(input, takes, language)}---\n\n${body(input, takes, terms)}`;
}

/**
 * The Hub's licence ids are lower-case SPDX ids; what is none of them, or nothing, is `other`, never a guess. It is the
 * concluded licence: a base model's own declaration may be looser than what it was made from.
 */
export function languageAndLicence(
  { licence }: Pick<ResolvedModel, 'licence'>,
  language: readonly string[],
): Record<string, unknown> {
  const concluded = concludedLicence(licence);
  const name = concluded !== null && 'name' in concluded ? concluded.name : (licence.declared ?? 'unknown');
  return {
    ...(language.length === 0 ? {} : { language: language.length === 1 ? language[0] : language }),
    ...(concluded !== null && 'id' in concluded
      ? { license: concluded.id.toLowerCase() }
      : { license: 'other', license_name: name, license_link: 'LICENSES/README.md' }),
  };
}

function frontMatter(
  { model, pipeline, base, evaluation }: PackageModelInput,
  takes: 'text' | 'image',
  language: readonly string[],
): string {
  const { task } = NAMES[takes];
  const { accuracy, macroF1 } = evaluation.measures;
  const metrics = [
    { type: 'accuracy', name: 'Accuracy', score: accuracy },
    { type: 'f1', name: 'Macro F1', score: macroF1 },
  ].flatMap(({ type, name, score }) =>
    score.value === null ? [] : [{ type, name: `${name}${intervalText(score)}`, value: rounded(score.value) }],
  );
  return stringify(
    {
      ...languageAndLicence(base, language),
      datasets: [datasetId(pipeline)],
      base_model: baseModelId(base.source),
      base_model_relation: 'finetune',
      pipeline_tag: task,
      library_name: 'onnx',
      tags: [task, 'espalier', ...(pipeline.prototype === undefined ? [] : ['prototype'])],
      metrics: ['accuracy', 'f1'],
      'model-index': [
        {
          name: model,
          results: [
            {
              task: { type: task },
              dataset: { type: pipeline.name, name: `${pipeline.name} (test split)`, split: 'test' },
              metrics,
            },
          ],
        },
      ],
    },
    { lineWidth: 0 },
  );
}

/** The data's own id where they are from the Hub; else what the results below call them. */
export function datasetId({ name, data }: Pick<Pipeline, 'name' | 'data'>): string {
  return /^(?:hf:|https:\/\/huggingface\.co\/datasets\/)([\w.-]+\/[\w.-]+)/.exec(data.source)?.[1] ?? name;
}

/** The Hub's own ids are given as it writes them; other sources in full. */
export function baseModelId(source: string): string {
  return /^hf:([^@]+)@/.exec(source)?.[1] ?? source;
}

function body(input: PackageModelInput, takes: 'text' | 'image', terms: BundleTerms): string {
  const { model, pipeline, base, dataset, evaluation, gates, trained } = input;
  const sections: readonly (readonly [string, string])[] = [
    ['Intended use', intendedUseLines(pipeline.intendedUse)],
    ['Base model', baseModelLines(base)],
    ['Terms', termsOfUse(terms)],
    [
      'Data',
      [
        dataLines(pipeline.data),
        `- Rows: ${dataset.rows.train} train, ${dataset.rows.validation} validation, ${dataset.rows.test} test`,
        ...(!('pair' in pipeline.data) || pipeline.data.pair === undefined
          ? []
          : ['- Inputs: two texts a row, `text` and `pair`']),
        `- Labels: ${dataset.labels.map(escapeMarkdown).join(', ')}`,
      ].join('\n'),
    ],
    [
      'Training',
      `Method ${pipeline.training.method}, ${trained.steps} steps, best epoch ${trained.bestEpoch}, seed ${pipeline.training.seed}. Every setting is in \`provenance.json\`.${searchLine(pipeline)}`,
    ],
    ['Measured on the test split', gateTable(gates)],
    ['Per label', perLabelTable(evaluation)],
    [
      'Edge inputs',
      table(
        ['Input', 'Answered', 'Detail'],
        evaluation.edgeInputs.map(({ name, ok, detail }) => [escapeMarkdown(name), yesNo(ok), escapeMarkdown(detail)]),
      ),
    ],
    [
      'Speed',
      `One ${NAMES[takes].row}: p50 ${numberText(evaluation.latency.p50Ms)} ms, p95 ${numberText(evaluation.latency.p95Ms)} ms over ${evaluation.latency.runs} runs on ${escapeMarkdown(evaluation.hardware.cpu)} (${evaluation.hardware.cores} cores, ${escapeMarkdown(evaluation.hardware.runtime)}).`,
    ],
    ['Lineage', lineage(input)],
    [
      'Provenance',
      '`bom.cdx.json` lists what the model was made of (CycloneDX 1.6). A released bundle also holds who approved it and how it was made (`attestations/`, in-toto) and the signature of all its files (`model.sig`, OpenSSF model signing).',
    ],
  ];
  const shown = terms.builtWith.map((words) => `\n**${escapeMarkdown(words)}**\n`).join('');
  const trial = pipeline.prototype === undefined ? '' : `\n**${prototypeNotice(input)}**\n`;
  const title = `# ${model}\n${trial}${shown}\n${escapeMarkdown(pipeline.description || NAMES[takes].classifier)}\n`;
  return `${title}\n${sections.map(([name, text]) => `## ${name}\n\n${text}\n`).join('\n')}`;
}

/** What was tried is in the report; that it was tried on the validation rows is for everyone who reads figures of them. */
function searchLine(pipeline: Pipeline): string {
  const search = searchOf(pipeline);
  if (search === undefined) return '';
  return ` Those that the definition left open were searched in up to ${search.trials} trials, judged on the validation split; the run's report has them.`;
}

/** Of several labels a text their thresholds are told too: the classifier answers with every label that reaches its own. */
function perLabelTable({ perLabel, severalLabels }: PackageModelInput['evaluation']): string {
  const several = severalLabels !== undefined;
  const rows = table(
    ['Label', 'Precision', 'Recall', 'F1', 'Rows', ...(several ? ['Applies from', 'Average precision'] : [])],
    perLabel.map(({ label, precision, recall, f1, support, threshold, unfitted, averagePrecision }) => [
      escapeMarkdown(label),
      numberText(precision),
      numberText(recall),
      numberText(f1),
      String(support),
      ...(several ? [thresholdText(threshold, unfitted), numberText(averagePrecision ?? null)] : []),
    ]),
  );
  if (severalLabels === undefined) return rows;
  const { microF1, meanAveragePrecision, subsetAccuracy } = severalLabels;
  return [
    'A text has none, one or several labels: each by itself, from its threshold on. Probabilities do not sum to 1. Accuracy is the share of a text’s labels that are right, on average.',
    `Micro F1 ${scoreText(microF1)}; mean average precision ${scoreText(meanAveragePrecision)}; texts with all labels right ${scoreText(subsetAccuracy)}.`,
    rows,
  ].join('\n\n');
}

/** Of a label that too few validation rows had it is one half, and no finding. */
function thresholdText(threshold: number | undefined, unfitted?: true): string {
  return `${numberText(threshold ?? null)}${unfitted === true ? ' (not fitted)' : ''}`;
}

export function intendedUseLines({ domain, commercial, publish, hosted }: IntendedUse): string {
  return [
    `- Domain: ${escapeMarkdown(domain)}`,
    `- Commercial: ${yesNo(commercial)}; weights given to others: ${yesNo(publish)}; reached over a network: ${yesNo(hosted)}`,
    `- Out of scope: ${OUT_OF_SCOPE}.`,
  ].join('\n');
}

export function baseModelLines({ source, revision, licence }: ResolvedModel): string {
  return [
    `- Source: ${escapeMarkdown(source)}, revision ${escapeMarkdown(revision)}`,
    `- Declared licence: ${escapeMarkdown(licence.declared ?? 'none')}; judged for this use: ${licence.verdict}`,
  ].join('\n');
}

export function dataLines({ source, licence, legalBasis, retention }: Pipeline['data']): string {
  return [
    `- Source: ${escapeMarkdown(source)}; licence: ${escapeMarkdown(licence)}`,
    `- Legal basis: ${escapeMarkdown(legalBasis ?? 'not stated')}; retention: ${escapeMarkdown(retention ?? 'not stated')}; more in \`DOSSIER.md\``,
  ].join('\n');
}

export function gateTable({ gates }: { readonly gates: readonly GateResult<string>[] }): string {
  return table(
    ['Gate', 'Measured', 'Limit', 'Verdict'],
    gates.map((gate) => [gate.name, scoreText(gate.score), limitText(gate), gate.verdict]),
  );
}

/** What the licences forbid, and what they ask for: by which file it is done, or that somebody has to. */
export function termsOfUse({ licences, restrictions, machineGenerated, duties }: BundleTerms): string {
  const list = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : [`${title}\n\n${lines.map((line) => `- ${escapeMarkdown(line)}`).join('\n')}`];
  return [
    `Licences that apply: ${licences.map(escapeMarkdown).join(', ') || 'none is known'}. \`TERMS.md\` is what its users are bound to, \`NOTICE\` has the attributions, \`LICENSES/\` the texts.`,
    ...list('Use restrictions:', restrictions),
    ...(machineGenerated ? ['Content made with it must be disclosed as made by a machine.'] : []),
    ...list('Duties:', duties.map(dutyLine)),
  ].join('\n\n');
}

function lineage({ definition, dataset, baseModel, trained, classifier }: PackageModelInput): string {
  const digests: readonly (readonly [string, Digest])[] = [
    ['Pipeline definition', definition.digest],
    ['Dataset', dataset.dataset.digest],
    ['Base model files', baseModel.model.digest],
    ['Tuned model', trained.model.digest],
    ['Served model', classifier.digest],
  ];
  return digests.map(([name, digest]) => `- ${name}: \`${digest}\``).join('\n');
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function scoreText(score: Score): string {
  return score.value === null ? 'not measured' : `${numberText(score.value)}${intervalText(score)}`;
}

function intervalText({ interval }: Score): string {
  if (interval === null) return '';
  return ` (${Math.round(interval.confidence * 100)} % interval ${numberText(interval.low)} to ${numberText(interval.high)})`;
}

function limitText({ direction, threshold }: GateResult<string>): string {
  return `${direction === 'min' ? 'at least' : 'at most'} ${numberText(threshold)}`;
}

export function numberText(value: number | null): string {
  return value === null ? 'not measured' : String(rounded(value));
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

export function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

/** Text of users and of downloaded cards as plain Markdown text: on one line, with no markup, link or HTML of its own. */
export function escapeMarkdown(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is removed
  return text
    .replace(/[\s\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .replace(/[\\`*_{}[\]<>()#|!~&$]/g, String.raw`\$&`)
    .trim();
}
