/** What the frozen embeddings say besides validation: transferability, and how near the data are. */
import type { CandidateOutcome, PictureDomain, TextDomain } from '../../contract/selection.ts';
import { html, type Content } from '../../../artifacts/html.ts';
import { count, decimal, percent, score } from '../format.ts';
import { table } from '../parts.ts';

type Row = Pick<CandidateOutcome, 'id' | 'probe'>;

export function transferTable(rows: readonly Row[]): Content {
  const measured = rows.filter(({ probe }) => probe?.crossValidated !== undefined);
  if (measured.length === 0) return '';
  const folds = measured[0]?.probe?.crossValidated?.folds;
  return table(
    'Transferability on the training rows: LogME breaks ties of the probe accuracy',
    [
      { title: 'Candidate', cell: (row: Row) => row.id },
      {
        title: `Linear probe, ${folds} folds`,
        numeric: true,
        cell: ({ probe }) => probe?.crossValidated && score(probe.crossValidated),
      },
      { title: 'LogME', numeric: true, cell: ({ probe }) => evidence(probe?.logme) },
      { title: 'Rows', numeric: true, cell: ({ probe }) => count(probe?.crossValidated?.rows) },
    ],
    measured,
  );
}

/** No share: as it is, with the interval of leaving out folds. */
function evidence(logme: NonNullable<CandidateOutcome['probe']>['logme']): Content {
  if (logme?.value == null) return 'not measured';
  const { value, interval } = logme;
  return html`${decimal(value, 3)}${interval === null ? '' : html`<small>${decimal(interval.low, 3)} to ${decimal(interval.high, 3)}</small>`}`;
}

export function domainTable(rows: readonly Row[]): Content {
  const domains = rows.flatMap(({ id, probe }) => (probe?.domain === undefined ? [] : [{ id, domain: probe.domain }]));
  const texts = domains.flatMap(({ id, domain }) => (domain.input === 'text' ? [{ id, ...domain }] : []));
  const pictures = domains.flatMap(({ id, domain }) => (domain.input === 'image' ? [{ id, ...domain }] : []));
  return html`${texts.length === 0 ? '' : textTable(texts)} ${pictures.length === 0 ? '' : pictureTable(pictures)}`;
}

const textTable = (rows: readonly (TextDomain & { readonly id: string })[]): Content =>
  table(
    'How near the training texts are to each encoder; recorded, no gate',
    [
      { title: 'Candidate', cell: (row: (typeof rows)[number]) => row.id },
      { title: 'Tokens a word', numeric: true, cell: (row) => decimal(row.tokensPerWord, 2) },
      { title: 'Unknown tokens', numeric: true, cell: (row) => percent(row.unknownTokens, 2) },
      { title: 'Words that are one token', numeric: true, cell: (row) => percent(row.vocabularyCoverage) },
      ...(rows.some(({ windowedTexts }) => windowedTexts !== undefined)
        ? [
            {
              title: 'Read in windows',
              numeric: true,
              cell: (row: (typeof rows)[number]) => percent(row.windowedTexts),
            },
          ]
        : []),
      { title: 'Texts cut', numeric: true, cell: (row) => percent(row.cutTexts) },
      { title: 'Distance from general English', numeric: true, cell: (row) => decimal(row.distance, 3) },
    ],
    rows,
  );

const pictureTable = (rows: readonly (PictureDomain & { readonly id: string })[]): Content =>
  table(
    'How near the training pictures are to each backbone; recorded, no gate',
    [
      { title: 'Candidate', cell: (row: (typeof rows)[number]) => row.id },
      { title: 'Shorter edge, median', numeric: true, cell: (row) => `${count(row.medianEdge)} pixels` },
      { title: 'The model sees', numeric: true, cell: (row) => `${count(row.modelEdge)} pixels` },
      { title: 'Enlarged', numeric: true, cell: (row) => percent(row.enlarged) },
      { title: 'Distance of the mean colour', numeric: true, cell: (row) => decimal(row.distance, 3) },
    ],
    rows,
  );
