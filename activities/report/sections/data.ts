/** The data: what came in, what was left out and why, and what the privacy scan counted. */
import {
  PII_KINDS,
  type ImageData,
  type PersonalDataPolicy,
  type PiiKind,
} from '../../../pipelines/definition/data.ts';
import type { Pipeline } from '../../../pipelines/definition.ts';
import type { Contamination, DataFinding, DatasetSummary, Split } from '../../contract/data.ts';
import type { PrivacySummary } from '../../contract/review.ts';
import { isOfPictures } from '../../privacy/policy-text.ts';
import { count, digest, percent } from '../format.ts';
import { html, type Html } from '../../../artifacts/html.ts';
import { badge, facts, list, table } from '../parts.ts';
import type { Section } from '../page.ts';

const SPLITS: readonly Split[] = ['train', 'validation', 'test'];
const total = (row: Readonly<Record<Split, number>> | undefined) =>
  SPLITS.reduce((sum, split) => sum + (row?.[split] ?? 0), 0);

export const dataSection: Section = {
  id: 'data',
  title: 'Data',
  body: ({ facts: run }) => {
    const { data } = run;
    if (data === undefined) return null;
    const rows = total(data.rows);
    return html`${facts([
      ['Rows used', count(rows)],
      ['Split', SPLITS.map((split) => `${split} ${count(data.rows[split])}`).join(' · ')],
      data.completions === undefined
        ? ['Labels', data.labels.length]
        : ['Training rows with a good answer', count(data.completions)],
      ['Licence', run.pipeline.data.licence],
      ['Source', run.pipeline.data.source],
      ...Object.entries(data.pinned ?? {}).map(([address, found]) => ['Fetched', `${address}: ${found}`] as const),
      ...provenance(run.pipeline.data, data),
      ['Dataset', digest(data.dataset.digest)],
    ])}${contamination(data.contamination, run.pipeline.data)}${data.completions === undefined ? labels(data, rows) : ''}${dropped(data)}${findings(data.findings)}`;
  },
};

/** Legal basis and retention as the definition has them, `not stated` included: an audit asks. */
function provenance(
  { legalBasis, consent, retention, croissant }: Pipeline['data'],
  { described }: DatasetSummary,
): readonly (readonly [string, string])[] {
  const basis = legalBasis === undefined ? 'not stated' : [legalBasis, consent].filter(Boolean).join(': ');
  const facts: [string, string][] = [
    ['Legal basis', basis],
    ['Retention', retention ?? 'not stated'],
  ];
  if (described === undefined || croissant === undefined) return facts;
  const { name, licence, creators, url, filesVerified } = described;
  const parts = [name, licence, creators.length > 0 ? `by ${creators.join(', ')}` : null, url].filter(
    (part) => part !== null,
  );
  return [
    ...facts,
    ['Described by', `${croissant}: ${parts.join(' · ')}; SHA-256 of ${filesVerified} files confirmed`],
  ];
}

function contamination(found: Contamination | undefined, definition: Pipeline['data']): Html {
  if (found === undefined) return html``;
  const { similarity, missRate, nearTwins, dropped, evaluation } = found;
  const none = nearTwins.validation + nearTwins.test === 0;
  if (isOfPictures(definition)) {
    return html`<p>
      ${none ? badge('good', 'no near duplicates') : badge('care', 'near duplicates')} across the splits:
      ${count(nearTwins.validation)} validation and ${count(nearTwins.test)} test pictures look nearly like one of an
      earlier split (difference hash, ${definition.nearDuplicates.distance} of 64 bits at
      most)${dropped === 0 ? '' : html`; ${count(dropped)} were left out`}.
    </p>`;
  }
  return html`<p>
      ${none ? badge('good', 'no near duplicates') : badge('care', 'near duplicates')} across the splits:
      ${count(nearTwins.validation)} validation and ${count(nearTwins.test)} test rows share ${percent(similarity)} or
      more of their character 5-grams with a row of an earlier split, or are short and the same but for a slip of the
      pen${dropped === 0 ? '' : html`; ${count(dropped)} were left out`}. MinHash overlooks a pair that shares so many
      with a chance of ${percent(missRate)} at most.
    </p>
    ${evaluation.length === 0 ? '' : overlap(evaluation)}`;
}

function overlap(evaluation: Contamination['evaluation']): Html {
  type File = Contamination['evaluation'][number];
  return table(
    'Overlap with the evaluation files',
    [
      { title: 'File', cell: ({ file }: File) => file },
      { title: 'Texts', numeric: true, cell: ({ rows }) => count(rows) },
      { title: 'In the dataset', numeric: true, cell: ({ exact }) => count(exact) },
      { title: 'Nearly so', numeric: true, cell: ({ near }) => count(near) },
    ],
    evaluation,
  );
}

function labels(data: DatasetSummary, rows: number): Html {
  return table(
    'Rows a label',
    [
      { title: 'Label', cell: (label: string) => label },
      ...SPLITS.map((split) => ({
        title: split,
        numeric: true,
        cell: (label: string) => count(data.labelCounts[label]?.[split] ?? 0),
      })),
      {
        title: 'Share',
        numeric: true,
        cell: (label: string) => percent(rows === 0 ? null : total(data.labelCounts[label]) / rows),
      },
    ],
    data.labels,
  );
}

function dropped(data: DatasetSummary): Html {
  const reasons = Object.entries(data.dropped)
    .filter(([, rows]) => rows > 0)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
  if (reasons.length === 0) return html`<p>No row was left out.</p>`;
  return table(
    'Rows left out, by reason',
    [
      { title: 'Reason', cell: ([reason]: readonly [string, number]) => reason },
      { title: 'Rows', numeric: true, cell: ([, rows]) => count(rows) },
    ],
    reasons,
  );
}

function findings(found: readonly DataFinding[]): Html {
  if (found.length === 0) return html`<p>The checks found nothing to report.</p>`;
  const place = ({ file, line }: DataFinding) =>
    file === undefined ? '' : line === undefined ? file : `${file}:${line}`;
  return table(
    `Findings (${found.length === 50 ? 'the first 50; all are in the artifact' : found.length})`,
    [
      { title: 'Finding', cell: (one: DataFinding) => one.message },
      { title: 'Severity', cell: (one) => badge(one.severity === 'error' ? 'bad' : 'care', one.severity) },
      { title: 'Reason', cell: (one) => one.reason },
      { title: 'Where', cell: (one) => html`<code>${place(one)}</code>` },
    ],
    found,
  );
}

const KINDS: Readonly<Record<PiiKind, string>> = {
  email: 'E-mail address',
  phone: 'Telephone number',
  card: 'Payment card',
  iban: 'IBAN',
  nationalId: 'National id',
  ipAddress: 'IP address',
  macAddress: 'MAC address',
  secret: 'Key or secret',
  birthDate: 'Date of birth',
};

export const privacySection: Section = {
  id: 'privacy',
  title: 'Personal data',
  body: ({ facts: run }) => {
    const { privacy } = run;
    const { data } = run.pipeline;
    if (isOfPictures(data)) return run.data === undefined ? null : ofPictures(run.data, data);
    if (privacy === undefined) return null;
    const counted = PII_KINDS.filter((kind) => privacy.counts[kind] !== undefined);
    const sides = Object.values(privacy.counts).some(({ shifted }) => shifted !== undefined)
      ? ([...SPLITS, 'shifted'] as const)
      : SPLITS;
    const inSide = (kind: PiiKind, side: Split | 'shifted', of: 'rows' | 'matches') =>
      privacy.counts[kind]?.[side]?.[of] ?? 0;
    const inAll = (kind: PiiKind, of: 'rows' | 'matches') =>
      sides.reduce((sum, side) => sum + inSide(kind, side, of), 0);
    const any = counted.some((kind) => inAll(kind, 'matches') > 0);
    return html`<p>
        ${any ? badge('care', 'found') : badge('good', 'none found')} in ${count(privacy.rowsScanned)} rows. Policy:
        ${policy(data.onPersonalData)}. A pattern count: it does not find names or free descriptions, and a match need
        not be anybody's.
      </p>
      ${removed(run.data?.personalData)}${table(
        'Matches by kind',
        [
          { title: 'Kind', cell: (kind: PiiKind) => KINDS[kind] },
          { title: 'Matches', numeric: true, cell: (kind) => count(inAll(kind, 'matches')) },
          { title: 'Rows', numeric: true, cell: (kind) => count(inAll(kind, 'rows')) },
          ...sides.map((side) => ({
            title: side === 'shifted' ? 'Rows from elsewhere' : `Rows in ${side}`,
            numeric: true,
            cell: (kind: PiiKind) => count(inSide(kind, side, 'rows')),
          })),
        ],
        counted,
      )}${samples(privacy)}`;
  },
};

/** What was looked at, and what nobody looked at: a reviewer must not take the one for the other. */
function ofPictures({ findings: found }: DatasetSummary, { onPersonalMetadata }: ImageData): Html {
  const told = found.filter(({ reason }) => reason === 'personal-metadata');
  return html`<p>
      ${told.length > 0 ? badge('care', 'found') : badge('good', 'none found')} in the metadata of the pictures (place,
      people, camera). Policy: ${onPersonalMetadata}. Pictures are stored without any metadata, and under the digest of
      their bytes instead of their names.
    </p>
    ${list(told.map(({ message }) => message))}
    <p>What the pictures show was not looked at: faces, number plates and writing in them are not found here.</p>`;
}

function policy(actions: PersonalDataPolicy): string {
  if (typeof actions === 'string') return actions;
  return [...Object.entries(actions).map(([kind, action]) => `${kind}: ${action}`), 'all others: warn'].join(', ');
}

function removed(done: DatasetSummary['personalData']): Html {
  if (done === undefined) return html``;
  const kinds = PII_KINDS.flatMap((kind) => {
    const values = done.values[kind];
    return values === undefined
      ? []
      : [`${KINDS[kind]}: ${count(values.replaced)}, ${count(values.different)} of them different`];
  });
  return html`<p>
    Before the dataset was stored ${count(done.rowsDropped)} rows were left out and ${count(done.rowsRedacted)}
    redacted${kinds.length === 0 ? '' : ` (${kinds.join('; ')})`}. The counts below are of what is left.
  </p>`;
}

function samples(privacy: PrivacySummary): Html {
  if (privacy.samples.length === 0) return html``;
  return html`<h3>Samples, redacted</h3>
    ${list(
      privacy.samples.map(
        (sample) =>
          html`${KINDS[sample.kind]}: <code>${sample.redacted}</code> <span class="quiet">(row ${sample.rowId})</span>`,
      ),
    )}`;
}
