/** The candidates: measured, ranked, and why each won or lost; the licence decision of each. */
import { isOfPictures } from '../../privacy/policy-text.ts';
import type { CarriedDuty } from '../../../artifacts/bundle-terms.ts';
import type { ServedTimes } from '../../../pipelines/answer-time.ts';
import { pricedAnswers } from '../../../pipelines/inference-cost.ts';
import type { LicenceVerdict, Obligation } from '../../../pipelines/licence/decision.ts';
import type { TextChange } from '../../../pipelines/licence/text-changes.ts';
import type { CandidateOutcome, ImportedModel, RankedCandidate } from '../../contract/selection.ts';
import type { RunFacts } from '../../contract/evidence.ts';
import { count, digest, megabytes, milliseconds, money, score, significant, time } from '../format.ts';
import { html, type Content } from '../../../artifacts/html.ts';
import { badge, facts, list, table, type Column } from '../parts.ts';
import type { Section } from '../page.ts';
import { domainTable, transferTable } from './transfer.ts';
import { byMachine } from '../../selection/machines.ts';
import { candidatesPlot } from '../plots/candidates.ts';

type Row = CandidateOutcome & { readonly ranked: RankedCandidate | undefined };

/** Each encoder and its frozen probe, by rank; those that dropped out last. Unranked, an encoder has one row. */
function rankedRows({ candidates = [], selection }: RunFacts): readonly Row[] {
  return candidates
    .flatMap((candidate): readonly Row[] => {
      const forms = selection?.ranking.filter(({ encoder }) => encoder === candidate.id) ?? [];
      return (forms.length === 0 ? [undefined] : forms).map((ranked) => ({ ...candidate, ranked }));
    })
    .toSorted((left, right) => (left.ranked?.rank ?? Infinity) - (right.ranked?.rank ?? Infinity) || 0);
}

const isEncoder = ({ ranked }: Row): boolean => ranked?.form !== 'frozen';
const nameOf = ({ id, ranked }: Row): string => ranked?.id ?? id;

export const candidatesSection: Section = {
  id: 'candidates',
  title: 'Candidates',
  body: ({ facts: run }) => {
    const rows = rankedRows(run);
    if (rows.length === 0) return null;
    const winner = run.selection?.winner;
    return html`${run.selection === undefined ? '' : html`<p>${run.selection.rule}</p>`} ${candidatesPlot(run)}
    ${
      run.pipeline.task === 'text-generation'
        ? generatorTable(rows, run)
        : table(
            'Frozen encoders, scored on the validation split; intervals below',
            [
              {
                title: 'Candidate',
                cell: (row: Row) =>
                  html`${nameOf(row)}${nameOf(row) === winner ? html`<small>${badge('good', 'chosen')}</small>` : ''}`,
              },
              { title: 'Rank', numeric: true, cell: (row) => row.ranked?.rank ?? 'none' },
              { title: 'Linear probe', numeric: true, cell: (row) => row.probe && score(row.probe.linearAccuracy) },
              { title: 'kNN', numeric: true, cell: (row) => row.probe && score(row.probe.knnAccuracy) },
              {
                title: 'Latency p50',
                numeric: true,
                cell: (row) => row.profile && milliseconds(row.profile.latency.p50Ms),
              },
              { title: 'p95', numeric: true, cell: (row) => row.profile && milliseconds(row.profile.latency.p95Ms) },
              { title: 'Size', numeric: true, cell: (row) => row.profile && megabytes(row.profile.sizeMb) },
              { title: 'Memory', numeric: true, cell: (row) => row.profile && megabytes(row.profile.memoryMb) },
              ...costColumn(run.selection),
              {
                title: 'Export |Δ|',
                numeric: true,
                cell: (row) => row.exported && significant(row.exported.parityMaxAbs),
              },
            ],
            rows,
          )
    }
    ${measuredOn(run)} ${pricedBy(run)} ${drawnRows(rows)} ${transferTable(rows.filter(isEncoder))}
    ${domainTable(rows.filter(isEncoder))}
    ${table(
      'Why each won or lost',
      [
        { title: 'Candidate', cell: nameOf },
        { title: 'Verdict', cell: (row) => verdict(row, run) },
        {
          title: 'Reasons',
          cell: (row) =>
            list([...(row.ranked?.reasons ?? []), ...(row.error === undefined ? [] : [failure(row.error)])]),
        },
      ],
      rows,
    )}
    ${table(
      'Where each comes from',
      [
        { title: 'Candidate', cell: (row: Row) => row.id },
        {
          title: 'Source, exact',
          cell: (row) =>
            row.resolved === undefined
              ? 'not resolved'
              : html`<span class="text"
                  ><code>${row.resolved.source}</code>${conversion(row.imported?.converted)}</span
                >`,
        },
        { title: 'Parameters', numeric: true, cell: (row) => row.exported && count(row.exported.parameters) },
        {
          title: 'Files left behind',
          cell: (row) =>
            list(
              (row.imported?.quarantined ?? []).map(
                (file) => html`<span class="text"><code>${file.path}</code>: ${file.reason}</span>`,
              ),
            ),
        },
        { title: 'Model', cell: (row) => digest(row.imported?.model.digest) },
      ],
      rows.filter(isEncoder),
    )}`;
  },
};

/** Where candidates were timed: the machine, or, where there were several, whose was which. */
function measuredOn({ candidates = [], pipeline }: RunFacts): Content {
  const timed = candidates.flatMap(({ id, profile, generator }) => {
    const hardware = (profile ?? generator?.profile)?.hardware;
    return hardware === undefined ? [] : [{ id, hardware }];
  });
  if (timed.length === 0) return '';
  const input = isOfPictures(pipeline.data) ? 'picture' : pipeline.task === 'text-generation' ? 'answer' : 'text';
  const machines = [...byMachine(timed)];
  const memories = timed.flatMap(({ hardware }) => hardware.memoryMb ?? []);
  const memory =
    memories.length === 0
      ? ''
      : `, ${machines.length > 1 ? 'at least ' : ''}${megabytes(Math.min(...memories))} of memory`;
  const shown = machines.map(([machine, ids]) => (machines.length === 1 ? machine : `${machine}: ${ids.join(', ')}`));
  return html`<p class="quiet">Measured one ${input} at a time on ${shown.join('; ')}${memory}.</p>`;
}

/** The same rows for every candidate that had a draw; where another had all of them, the rule says who. */
function drawnRows(rows: readonly Row[]): Content {
  const probes = rows.flatMap(({ probe }) => (probe === undefined ? [] : [probe]));
  const drawn = probes.find(({ fittedOn }) => fittedOn !== undefined)?.fittedOn;
  if (drawn === undefined || probes.some(({ fittedOn }) => fittedOn?.rows !== drawn.rows)) return '';
  return html`<p class="quiet">
    Probes and neighbours had ${count(drawn.rows)} of the ${count(drawn.of)} training rows, drawn label by label and the
    same for all.
  </p>`;
}

/** Of 1,000 inputs or answers, one after the other on a slot; only where the organisation says what that costs. */
function costColumn(selection: RunFacts['selection']): readonly Column<Row>[] {
  const { price } = selection ?? {};
  if (price === undefined) return [];
  return [
    {
      title: 'Cost of 1,000',
      numeric: true,
      cell: ({ ranked }) => ranked?.costPer1000 !== undefined && money(ranked.costPer1000, price.currency),
    },
  ];
}

/** What the costs are of. */
function pricedBy({ selection, pipeline, candidates = [] }: RunFacts): Content {
  const { price } = selection ?? {};
  if (price === undefined) return '';
  const what = pipeline.task === 'text-generation' ? pricedAnswers(candidates, significant) || 'answers' : 'inputs';
  return html`<p class="quiet">
    Cost: 1,000 ${what}, one after the other on one slot of ${price.queue} at ${money(price.perHour, price.currency)} an
    hour (${price.source}).
  </p>`;
}

/** As the ranking reckoned it for the best prompt; where it did not, as it was timed, and said so. */
function timesCell({ ranked, generator }: Row, figure: (times: Omit<ServedTimes, 'of'>) => number): Content {
  const times = ranked?.served ?? generator?.profile;
  if (times === undefined) return undefined;
  const alone = ranked?.served?.of === 'best-prompt' ? '' : html`<small>question alone</small>`;
  return html`${milliseconds(figure(times))}${alone}`;
}

function generatorTable(rows: readonly Row[], { selection }: RunFacts): Content {
  const winner = selection?.winner;
  return table(
    'Generators with their best prompt, scored on validation prompts',
    [
      {
        title: 'Candidate',
        cell: (row: Row) => html`${row.id}${row.id === winner ? html`<small>${badge('good', 'chosen')}</small>` : ''}`,
      },
      { title: 'Rank', numeric: true, cell: (row) => row.ranked?.rank ?? 'none' },
      {
        title: 'Adherence',
        numeric: true,
        cell: (row) => row.generator?.search && score(row.generator.search.best.adherence),
      },
      {
        title: 'First token p95',
        numeric: true,
        cell: (row) => timesCell(row, ({ firstTokenMs }) => firstTokenMs.p95),
      },
      {
        title: 'A token',
        numeric: true,
        cell: (row) => timesCell(row, ({ msPerToken }) => msPerToken.p50),
      },
      {
        title: 'Size',
        numeric: true,
        cell: (row) => row.generator?.profile && megabytes(row.generator.profile.sizeMb),
      },
      {
        title: 'Memory',
        numeric: true,
        cell: (row) => row.generator?.profile && megabytes(row.generator.profile.memoryMb),
      },
      ...costColumn(selection),
    ],
    rows,
  );
}

/** Of which file of another library the weights were made, and what spoke for opening it. */
function conversion(converted: ImportedModel['converted']): Content {
  if (converted === undefined) return '';
  const files = [converted.from, ...(converted.parts ?? [])].map(
    ({ path, bytes, sha256 }, place) =>
      html`${place === 0 ? '' : ', '}<code>${path}</code> (${count(bytes)} bytes, SHA-256 <code>${sha256}</code>)`,
  );
  if (converted.of === 'safetensors') return html`, put together from ${files}`;
  const file = html`, converted from ${files}`;
  if (converted.of === 'torch') {
    const { scanner, torch } = converted;
    const spoke =
      scanner === null
        ? 'which is of the form before PyTorch 1.6 and holds tensors alone by our own reading'
        : `which ${scanner.name} ${scanner.version} called ${scanner.verdict}`;
    return html`${file}, ${spoke}, by torch ${torch}`;
  }
  const reader = converted.of === 'keras' ? html`, read by h5py ${converted.h5py}` : '';
  const { leftOut } = converted;
  const made = converted.of === 'checkpoint' ? (converted.made ?? []) : [];
  return html`${file}${reader}${leftOut.length === 0 ? '' : `, without its head (${leftOut.join(', ')})`}${made.map(
    ({ path, from }) => html`; <code>${path}</code> was made of <code>${from}</code>`,
  )}`;
}

function verdict(row: Row, { selection, pipeline }: RunFacts): Content {
  if (row.error !== undefined) return badge('bad', 'dropped out');
  if (row.id === selection?.winner) {
    if (isEncoder(row)) return badge('good', 'chosen');
    // The first of the two: of a ranking recorded before `head` was a form.
    return pipeline.training?.method === 'head' ? badge('good', 'trained as a head') : badge('neutral', 'to be beaten');
  }
  if (row.ranked === undefined) return badge('neutral', 'not ranked');
  return row.ranked.eligible ? badge('neutral', 'not chosen') : badge('bad', 'not eligible');
}

const failure = (error: NonNullable<CandidateOutcome['error']>) =>
  html`${error.kind}:
  ${error.message}${error.fix === undefined ? '' : html` <span class="quiet">Way out: ${error.fix}</span>`}`;

/** Of a run that the monitor started: what has changed since the model in production was approved. */
function reopenedReview({ reopened, pipeline }: RunFacts): Content {
  if (reopened === undefined) return '';
  const { reasons, terms } = reopened;
  return html`<h3>The review is open again</h3>
    <p>
      The terms of '${pipeline.deploy.model}', which is in production, are not those that were approved. It is served
      until somebody decides otherwise: approve to release it anew under these terms; after a rejection deploy another
      model, or delete its channel.
    </p>
    ${list(reasons)}
    ${
      terms.changes.length === 0
        ? ''
        : table(
            'Licence texts at the source',
            [
              { title: 'Text', cell: (one: TextChange) => html`<code>${one.path}</code>` },
              { title: 'Decided on', cell: (one) => digest(one.before ?? undefined) },
              { title: 'Now', cell: (one) => digest(one.after ?? undefined) },
              { title: 'Lines that differ', cell: (one) => list(one.differences) },
            ],
            terms.changes,
          )
    }`;
}

/** The chosen model's licence as it stood before the release: the policy of that day, and the source read again. */
function judgedAgain({ terms }: RunFacts): Content {
  if (terms === undefined) return '';
  const { source, conclusion } = terms;
  return html`<h3>Judged again before the release</h3>
    ${facts([
      ['Verdict', badge(LICENCE_BADGES[terms.verdict], terms.verdict)],
      ['Reasons', list(terms.reasons)],
      ['What would help', list(terms.howToFix)],
      ['Policy', html`${digest(terms.policyDigest)} ${terms.policyFrom}`],
      ['Source', source === undefined ? '' : `${source.state}: ${source.at}`],
      [
        'Conclusion',
        conclusion === undefined ? 'none' : `by ${conclusion.by} until ${conclusion.expires}: ${conclusion.reason}`,
      ],
      ['At', time(terms.checkedAt)],
    ])}`;
}

/** Of a packaged model: each duty, and which file of the bundle does it. */
function dutiesOf({ duties }: RunFacts): Content {
  if (duties === undefined || duties.length === 0) return '';
  return table(
    'What the licences of the chosen model ask for',
    [
      { title: 'Licence', cell: (one: CarriedDuty) => one.licence },
      { title: 'Duty', cell: (one) => html`${one.text}<small>${one.clause}</small>` },
      {
        title: 'State',
        cell: (one) => (one.state === 'done' ? badge('good', 'done') : badge('care', 'for a person')),
      },
      { title: 'By', cell: (one) => (one.file === null ? '' : html`<code>${one.file}</code>`) },
      { title: 'Note', cell: (one) => one.note },
    ],
    duties,
  );
}

const LICENCE_BADGES = { allow: 'good', review: 'care', deny: 'bad' } as const satisfies Record<LicenceVerdict, string>;

const dutyText = ({ text, clause, by }: Obligation): string =>
  `${text} (${clause}): ${by === 'espalier' ? 'by Espalier' : 'by a person'}`;

export const licenceSection: Section = {
  id: 'licences',
  title: 'Licences',
  body: ({ facts: run }) => {
    const rows = rankedRows(run).filter((row) => isEncoder(row) && row.resolved !== undefined);
    if (rows.length === 0) return null;
    const policy = rows[0]?.resolved?.licence.policyDigest;
    return html`${reopenedReview(run)}
      <p>
        What each candidate, its licence texts and the models it was made from declare, against the intended use, by the
        policy ${digest(policy)}. A declaration is the publisher's word, not proof.
      </p>
      ${table(
        'Licence decisions',
        [
          { title: 'Candidate', cell: (row: Row) => row.id },
          {
            title: 'Decision',
            cell: (row) =>
              row.resolved && badge(LICENCE_BADGES[row.resolved.licence.verdict], row.resolved.licence.verdict),
          },
          { title: 'Declared', cell: (row) => row.resolved?.licence.declared ?? 'nothing' },
          { title: 'SPDX', cell: (row) => row.resolved?.licence.spdx ?? 'none fits' },
          { title: 'Strictest', cell: (row) => row.resolved?.licence.concluded ?? 'not known' },
          { title: 'Reasons', cell: (row) => list(row.resolved?.licence.reasons ?? []) },
          { title: 'Duties', cell: (row) => list((row.resolved?.licence.obligations ?? []).map(dutyText)) },
          { title: 'What would help', cell: (row) => list(row.resolved?.licence.howToFix ?? []) },
        ],
        rows,
      )}
      ${dutiesOf(run)} ${judgedAgain(run)}`;
  },
};
