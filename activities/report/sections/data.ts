/** The data: what came in, what was left out and why, and what the privacy scan counted. */
import type { DataFinding, DatasetSummary, PiiKind, PrivacySummary, Split } from '../../contract.ts';
import { count, digest, percent } from '../format.ts';
import { badge, facts, html, list, table, type Html } from '../html.ts';
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
      ['Labels', data.labels.length],
      ['Licence', run.pipeline.data.licence],
      ['Source', run.pipeline.data.source],
      ['Dataset', digest(data.dataset.digest)],
    ])}${labels(data, rows)}${dropped(data)}${findings(data.findings)}`;
  },
};

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
};

export const privacySection: Section = {
  id: 'privacy',
  title: 'Personal data',
  body: ({ facts: run }) => {
    const { privacy } = run;
    if (privacy === undefined) return null;
    const rows = (kind: PiiKind, of: 'rows' | 'matches') =>
      SPLITS.reduce((sum, split) => sum + privacy.counts[kind][split][of], 0);
    const kinds = Object.keys(KINDS) as PiiKind[];
    const any = kinds.some((kind) => rows(kind, 'matches') > 0);
    return html`<p>
        ${any ? badge('care', 'found') : badge('good', 'none found')} in ${count(privacy.rowsScanned)} rows. Policy:
        ${run.pipeline.data.onPersonalData}. A pattern count: it does not find names or free descriptions, and a match
        need not be anybody's.
      </p>
      ${table(
        'Matches by kind',
        [
          { title: 'Kind', cell: (kind: PiiKind) => KINDS[kind] },
          { title: 'Matches', numeric: true, cell: (kind) => count(rows(kind, 'matches')) },
          { title: 'Rows', numeric: true, cell: (kind) => count(rows(kind, 'rows')) },
          ...SPLITS.map((split) => ({
            title: `Rows in ${split}`,
            numeric: true,
            cell: (kind: PiiKind) => count(privacy.counts[kind][split].rows),
          })),
        ],
        kinds,
      )}${samples(privacy)}`;
  },
};

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
