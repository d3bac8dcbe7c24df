/** Of a finder that is a prototype: what the whole gallery should find and take, and whether the whole run is worth its cost. */
import { html, type Content } from '../../../artifacts/html.ts';
import type { Score } from '../../contract/measures.ts';
import type { Prediction } from '../../contract/prototype.ts';
import type { ForetoldFindings, NotForetold } from '../../contract/retrieval.ts';
import { bytes, count, megabytes, milliseconds, percent } from '../format.ts';
import type { Section } from '../page.ts';
import { badge, facts, table } from '../parts.ts';
import type { ForetoldGate, WholeGallery } from '../whole-gallery.ts';
import { expenseText } from './prototypes.ts';

export const wholeGallerySection: Section = {
  id: 'whole-gallery',
  title: 'The whole gallery',
  optional: true,
  body: ({ facts: { retrieval }, wholeGallery: whole }) => {
    const foretold = retrieval?.foretold;
    if (retrieval === undefined || foretold === undefined || whole === undefined) return null;
    return html`<p>${verdictText(whole, foretold, retrieval.k)}</p>
      ${'not' in foretold ? '' : curveTable(foretold, whole, retrieval.k)}
      ${facts([
        [`To embed all ${count(whole.allRows)} pictures once`, expenseText(whole.embedding, whole.currency)],
        ...(whole.training === null
          ? []
          : [['To tune on all training pictures', expenseText(whole.training, whole.currency)] as const]),
        [`Index of ${count(whole.galleryRows)} pictures`, whole.tooLarge ?? bytes(whole.indexBytes)],
        [
          'Memory of model and index',
          `${whole.atLeast ? 'at least ' : 'about '}${megabytes(whole.memoryMb)}${whole.atLeast ? ': a graph would be tried, which holds the vectors once more, and links' : ''}`,
        ],
        ['Latency p95, on this machine', latencyText(whole, foretold, retrieval.measures.latencyP95Ms)],
      ])}`;
  },
};

function latencyText(
  { latencyP95Ms, atLeast }: WholeGallery,
  { search }: ForetoldFindings | NotForetold,
  { noMoreThan }: Score,
): string {
  if (latencyP95Ms === null) return `not known: ${search === undefined ? 'the search' : 'the model'} was not timed`;
  const isBusy = noMoreThan !== undefined;
  return `${atLeast || isBusy ? 'at most' : 'about'} ${milliseconds(latencyP95Ms)}: the model as here${isBusy ? ', where the machine was busy' : ''}, its weights have the same shape, and an exact search of the whole gallery`;
}

function curveTable(
  foretold: ForetoldFindings,
  { halfWidths, galleryRows, testRows }: WholeGallery,
  k: number,
): Content {
  type Row = { readonly pictures: Content; readonly recallAtK: Content; readonly meanAveragePrecision: Content };
  const said = ({ value, interval }: Prediction): Content =>
    html`${percent(value)}<small>${percent(interval.low)} to ${percent(interval.high)}</small>`;
  return table(
    `From parts of the gallery, asked by the same ${count(foretold.queries)} test pictures`,
    [
      { title: 'Pictures in the gallery', cell: (row: Row) => row.pictures },
      { title: `Recall@${k}`, numeric: true, cell: (row) => row.recallAtK },
      { title: 'mAP', numeric: true, cell: (row) => row.meanAveragePrecision },
    ],
    [
      ...foretold.curve.map((point): Row => ({
        pictures: count(point.rows),
        recallAtK: percent(point.recallAtK),
        meanAveragePrecision: percent(point.meanAveragePrecision),
      })),
      {
        pictures: html`${count(galleryRows)}, predicted`,
        recallAtK: said(foretold.recallAtK),
        meanAveragePrecision: said(foretold.meanAveragePrecision),
      },
      ...(halfWidths === null
        ? []
        : [
            {
              pictures: `what ${count(testRows)} test pictures leave open there`,
              recallAtK: `± ${percent(halfWidths.recallAtK)}`,
              meanAveragePrecision: `± ${percent(halfWidths.meanAveragePrecision)}`,
            },
          ]),
    ],
  );
}

function verdictText(whole: WholeGallery, foretold: ForetoldFindings | NotForetold, k: number): Content {
  const named = (outlook: ForetoldGate['outlook']): string =>
    whole.gates
      .filter((gate) => gate.outlook === outlook)
      .map((gate) => gateText(gate, k))
      .join('; ');
  const rest = 'not' in foretold ? ` What the whole gallery finds is not predicted: ${foretold.not}.` : '';
  if (whole.tooLarge !== undefined) {
    return html`${badge('bad', 'not worth it')} The whole run would end at its index: ${whole.tooLarge}.${rest}`;
  }
  switch (whole.verdict) {
    case 'fails':
      return html`${badge('bad', 'not worth it')} The whole run is not worth its cost as it stands: even at best a gate
      does not pass (${named('fails')}).${rest}`;
    case 'passes':
      return html`${badge('good', 'worth it')} The whole run is worth its cost: even at worst it passes what is
      predicted here (${named('passes')}).${rest}`;
    case 'open':
      return html`${badge('care', 'not shown')} Whether the whole run is worth its cost is not
      shown${named('open') === '' ? '' : ` (${named('open')})`}.${rest}`;
  }
}

const NAMES: Readonly<Record<ForetoldGate['name'], (k: number) => string>> = {
  recallAtK: (k) => `recall@${k}`,
  meanAveragePrecision: () => 'mAP',
  sizeMb: () => 'size',
  memoryMb: () => 'memory',
  latencyP95Ms: () => 'latency',
};

function gateText({ name, direction, threshold, judged }: ForetoldGate, k: number): string {
  const figure = direction === 'min' ? percent : name === 'latencyP95Ms' ? milliseconds : megabytes;
  return `${NAMES[name](k)}: ${judgedText(judged, figure)}, ${direction === 'min' ? 'at least' : 'at most'} ${figure(threshold)} is asked`;
}

function judgedText(judged: ForetoldGate['judged'], figure: (value: number) => string): string {
  const { low, high } = typeof judged === 'number' ? { low: judged, high: judged } : judged;
  if (low === null)
    return high === null ? 'it is not known what would be judged' : `at most ${figure(high)} would be judged`;
  if (high === null) return `at least ${figure(low)} would be judged`;
  return `${figure(low)}${typeof judged === 'number' ? '' : ` to ${figure(high)}`} would be judged`;
}
