/** What the record says of the data. Pure. */
import { PII_KINDS, type PiiKind } from '../../../pipelines/definition/data.ts';
import type { Pipeline } from '../../../pipelines/definition.ts';
import type { DatasetSummary } from '../../contract/data.ts';
import type { PrivacySummary } from '../../contract/review.ts';
import { policyText } from '../policy-text.ts';
import { count } from './words.ts';

const KINDS: Readonly<Record<PiiKind, string>> = {
  email: 'e-mail addresses',
  phone: 'telephone numbers',
  card: 'payment cards',
  iban: 'IBANs',
  nationalId: 'national ids',
  ipAddress: 'IP addresses',
  macAddress: 'MAC addresses',
  secret: 'keys and secrets',
  birthDate: 'dates of birth',
};

export const dataLines = { provenance, cleaning, kinds, inPictures };

function provenance(
  { source, licence, legalBasis, consent, retention, croissant }: Pipeline['data'],
  data: DatasetSummary | undefined,
): readonly string[] {
  const described = data?.described;
  return [
    `Source: ${source}. Licence: ${licence}.`,
    `Legal basis: ${legalBasis ?? 'not stated'}${consent === undefined ? '' : `, consent: ${consent}`}. Retention: ${retention ?? 'not stated'}.`,
    ...(data === undefined ? [] : [`${whatIsIn(data)}, dataset ${data.dataset.digest}.`]),
    ...(described === undefined
      ? []
      : [
          `Described by ${croissant ?? 'a Croissant file'}: ${[described.name, described.licence, ...described.creators, described.url].filter(Boolean).join(', ')}; ` +
            `the SHA-256 of ${count(described.filesVerified)} files was confirmed.`,
        ]),
  ];
}

/** Rows of prompts have no labels. */
function whatIsIn({ completions, labels }: DatasetSummary): string {
  return completions === undefined
    ? `${labels.length} labels`
    : `Prompts, ${count(completions)} of the training rows with a good answer`;
}

function cleaning(data: DatasetSummary, pipeline: Pipeline): readonly string[] {
  const dropped = Object.entries(data.dropped)
    .filter(([, rows]) => rows > 0)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([reason, rows]) => `${count(rows)} ${reason}`);
  const policy = policyText(pipeline.data, (actions) =>
    typeof actions === 'string'
      ? actions
      : PII_KINDS.map((kind) => `${KINDS[kind]}: ${actions[kind] ?? 'warn'}`).join(', '),
  );
  const removed = data.personalData;
  const twins = data.contamination;
  return [
    dropped.length === 0 ? 'No row was left out.' : `Rows left out: ${dropped.join(', ')}.`,
    `Policy for personal data: ${policy}.`,
    ...(removed === undefined
      ? []
      : [
          `${count(removed.rowsDropped)} rows were left out for personal data, ${count(removed.rowsRedacted)} redacted.`,
        ]),
    ...(twins === undefined
      ? []
      : [
          `${count(twins.nearTwins.validation)} validation and ${count(twins.nearTwins.test)} test rows are near duplicates of rows of an earlier split; ${count(twins.dropped)} were left out.`,
        ]),
  ];
}

/** Of pictures: what their metadata told, and what nobody looked for. */
function inPictures({ findings }: DatasetSummary): readonly string[] {
  return [
    ...findings.flatMap(({ reason, message }) => (reason === 'personal-metadata' ? [`${message}.`] : [])),
    'Faces, number plates, and writing in the pictures were not looked for.',
  ];
}

function kinds({ counts, rowsScanned }: PrivacySummary, data: DatasetSummary | undefined): readonly string[] {
  const found = PII_KINDS.flatMap((kind) => {
    const rows = Object.values(counts[kind] ?? {}).reduce((sum, split) => sum + split.rows, 0);
    return rows === 0 ? [] : [`${KINDS[kind]} in ${count(rows)} ${rows === 1 ? 'row' : 'rows'}`];
  });
  const before = Object.keys(data?.personalData?.values ?? {}).map((kind) => KINDS[kind as PiiKind]);
  return [
    `Left in the ${count(rowsScanned)} rows: ${found.length === 0 ? 'none of the kinds that have a form' : found.join(', ')}.`,
    ...(before.length === 0 ? [] : [`Replaced by placeholders before the data were stored: ${before.join(', ')}.`]),
    'Names, addresses and what is told in free words have no form and are not counted.',
  ];
}
