/** What stands behind the figures: labels, slices and what the answers hang on. */
import { html, type Html } from '../../../artifacts/html.ts';
import type { Diagnosis, WordRule } from '../../contract/validation.ts';
import { attackFacts } from './attacks.ts';
import { corruptionTable } from './corruptions.ts';
import { deviceFacts } from './device.ts';
import { count, percent, points, score } from '../format.ts';
import { facts, table } from '../parts.ts';
import type { Section } from '../page.ts';

type Suspicion = Diagnosis['suspiciousLabels'][number];
type Opportunity = NonNullable<Diagnosis['opportunities']>[number];
type Slice = Diagnosis['slices'][number];

export const diagnosisSection: Section = {
  id: 'diagnosis',
  title: 'Behind the figures',
  body: ({ facts: run }) => {
    const { diagnosis } = run.evaluation ?? {};
    if (diagnosis === undefined) return null;
    return html`${facts([
      ['Training minus test accuracy', score(diagnosis.trainTestGap, points)],
      ...deviceFacts(diagnosis.hardwareFit ?? []),
      ...(diagnosis.labelSignal === null
        ? []
        : [['Learnt from labels, and from shuffled ones', shuffled(diagnosis.labelSignal)] as const]),
      ...(diagnosis.giveaway == null ? [] : [['Best rule of a word at a place', rule(diagnosis.giveaway)] as const]),
      ...(diagnosis.telltale == null ? [] : [['Best rule of a word anywhere', rule(diagnosis.telltale)] as const]),
      ...(diagnosis.trigger == null ? [] : [['Word that turns most labels', trigger(diagnosis.trigger)] as const]),
      ...(diagnosis.patch == null ? [] : [['Patch that turns most labels', patch(diagnosis.patch)] as const]),
      ...(diagnosis.trait == null ? [] : [['Best rule of a trait of the picture', trait(diagnosis.trait)] as const]),
      ...attackFacts(run),
      ...(diagnosis.noise ?? []).map(
        ({ name, edited, flipped }) =>
          [`Edit: ${name}`, `${count(flipped)} of ${count(edited)} labels change`] as const,
      ),
      ...(diagnosis.identities ?? []).map(
        ({ name, neutral, flipped }) =>
          [`Sentence about ${name}${neutral ? ' (neutral)' : ''}`, `${count(flipped)} labels change`] as const,
      ),
      ...(diagnosis.swaps ?? []).map(
        ({ name, judged, edited, flipped, flippedNeutral }) =>
          [
            `Words of ${name} swapped${judged ? '' : ' (too few to judge)'}`,
            `${count(flipped)} of ${count(edited)} labels change; ${count(flippedNeutral)} with other words of the same identity`,
          ] as const,
      ),
    ])}
    ${slices(diagnosis.slices)}${opportunities(diagnosis.opportunities ?? [])}${corruptionTable(diagnosis.corruptions ?? [], 'Accuracy', diagnosis.corruptionTable)}${suspicious(diagnosis.suspiciousLabels)}`;
  },
};

const shuffled = ({ accuracy, chance }: NonNullable<Diagnosis['labelSignal']>): string =>
  `${percent(accuracy)}, ${percent(chance)}`;
const trait = ({ trait: name, value, label, rows, both, labelled }: NonNullable<Diagnosis['trait']>): string =>
  `${name} ${value} for ${label}: in ${count(both)} of its ${count(labelled)} pictures, and in ${count(rows - both)} others`;
const rule = ({ word, place, label, rows, both, labelled, counted }: WordRule): string =>
  `“${word}”${place == null ? '' : ` as ${place}`} for ${label}${counted === undefined ? '' : ' (judged is how well the rows without the word tell those of other labels)'}: ` +
  `in ${count(both)} of its ${count(labelled)} rows, and in ${count(rows - both)} others`;
const trigger = ({ word, target, switched, texts, flipped }: NonNullable<Diagnosis['trigger']>): string =>
  switched === undefined
    ? `“${word}” turns ${count(flipped)} of ${count(texts)} texts into ${target}`
    : `“${word}” switches ${target} ${switched} in ${count(flipped)} of ${count(texts)} texts`;
const patch = ({ name, box, within, target, pictures, flipped }: NonNullable<Diagnosis['patch']>): string =>
  `${name} (from ${percent(box.left)} of the width and ${percent(box.top)} of the height on, ${percent(box.width)} by ${percent(box.height)}, of ${within === 'seen' ? 'what the model sees' : 'the picture'}) ` +
  `turns ${count(flipped)} of ${count(pictures)} pictures into ${target}`;

function slices(rows: readonly Slice[]): Html {
  if (rows.length === 0) return html``;
  return table(
    'Slices of the test rows; the interval holds for all of them at once',
    [
      { title: 'Slice', cell: (row: Slice) => row.name },
      { title: 'Rows', numeric: true, cell: (row) => count(row.rows) },
      { title: 'Accuracy', numeric: true, cell: (row) => percent(row.accuracy) },
      { title: 'All others minus it', numeric: true, cell: (row) => score(row.gap, points) },
    ],
    rows,
  );
}

function opportunities(rows: readonly Opportunity[]): Html {
  if (rows.length === 0) return html``;
  return table(
    'Equal opportunity: share of a label’s rows that is recognised; the interval holds for all pairs at once',
    [
      { title: 'Groups', cell: (row: Opportunity) => `${row.column}: ${row.served} over ${row.unserved}` },
      { title: 'Label', cell: (row) => row.label },
      { title: 'Difference', numeric: true, cell: (row) => score(row.gap, points) },
    ],
    rows,
  );
}

function suspicious(rows: readonly Suspicion[]): Html {
  if (rows.length === 0) return html``;
  return table(
    'Training rows whose label looks wrong, the surest first',
    [
      { title: 'Row', cell: (row: Suspicion) => html`<code>${row.rowId}</code>` },
      { title: 'Label', cell: (row) => row.given },
      { title: 'Rather', cell: (row) => row.suggested },
      { title: 'Probability, rather minus given', numeric: true, cell: (row) => points(row.margin) },
    ],
    rows,
  );
}
