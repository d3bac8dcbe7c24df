/** What test pictures find in the index: beside pixels and the frozen encoder, label by label, and where nothing is found. */
import { html, type Content, type Html } from '../../../artifacts/html.ts';
import type { IndexedModel, LabelFindings, QuerySlice, RetrievalEvaluation } from '../../contract/retrieval.ts';
import type { RunFacts } from '../../contract/evidence.ts';
import { attackFacts } from './attacks.ts';
import { corruptionTable } from './corruptions.ts';
import { deviceFacts } from './device.ts';
import { edgeTable } from './edge-inputs.ts';
import {
  bytes,
  count,
  decimal,
  digest,
  machineWords,
  milliseconds,
  percent,
  points,
  score,
  waitedWords,
} from '../format.ts';
import { facts, table } from '../parts.ts';
import type { Section } from '../page.ts';

export const retrievalSection: Section = {
  id: 'retrieval',
  title: 'What is found',
  body: ({ facts: run }) => {
    const { retrieval } = run;
    if (retrieval === undefined) return null;
    return html`<p>
        Each test picture asks the index of the training pictures; what has its label is wanted. A picture never finds
        itself, and intervals are over the pictures that ask.
      </p>
      ${beside(retrieval)} ${figures(retrieval, run)} ${perLabel(retrieval, run)} ${sliced(retrieval)}
      ${corruptionTable(retrieval.corruptions, `Recall@${retrieval.k}`, retrieval.corruptionTable)} ${attackTable(run)}
      ${misses(retrieval)} ${edgeTable(retrieval.edgeInputs ?? [], 'neighbours')}`;
  },
};

function attackTable(run: RunFacts): Html {
  const attacked = attackFacts(run);
  if (attacked.length === 0) return html``;
  return html`<p>Under attack an answer is right where the first neighbour has the label of the picture that asks.</p>
    ${facts(attacked)}`;
}

interface Ranking {
  readonly name: string;
  readonly recallAtK: Content;
  readonly meanAveragePrecision: Content;
  readonly gain: Content;
}

function beside({ k, measures, pixels, frozen }: RetrievalEvaluation): Html {
  const row = (
    name: string,
    of: Pick<RetrievalEvaluation['pixels'], 'recallAtK' | 'meanAveragePrecision'>,
    gain: Content,
  ): Ranking => ({
    name,
    recallAtK: score(of.recallAtK),
    meanAveragePrecision: score(of.meanAveragePrecision),
    gain,
  });
  return table(
    'Beside what knows less, on the same pictures; the gain is in mAP',
    [
      { title: 'Ranked by', cell: (one: Ranking) => one.name },
      { title: `Recall@${k}`, numeric: true, cell: (one) => one.recallAtK },
      { title: 'mAP', numeric: true, cell: (one) => one.meanAveragePrecision },
      { title: 'Gain of the model', numeric: true, cell: (one) => one.gain },
    ],
    [
      row(frozen === null ? 'the encoder as it came' : 'the tuned model', measures, ''),
      ...(frozen === null ? [] : [row('the frozen encoder', frozen, score(measures.gainOverFrozen, points))]),
      row('pixels', pixels, score(measures.gainOverPixels, points)),
    ],
  );
}

function figures(retrieval: RetrievalEvaluation, { exported, pipeline }: RunFacts): Html {
  const indexed = exported !== undefined && 'embedder' in exported ? exported : undefined;
  const { k, measures, latency, hardware } = retrieval;
  return facts([
    [`Precision@${k}`, score(measures.precisionAtK)],
    ['Test pictures with nothing to find', count(retrieval.queriesWithoutRelevant)],
    ['Test pictures in the gallery', count(retrieval.queriesInGallery)],
    ...(indexed === undefined
      ? []
      : ([
          [
            'Index',
            html`${count(indexed.rows)} pictures of ${count(indexed.dimension)} numbers, ${bytes(indexed.sizeBytes)},
            ${digest(indexed.index.digest)}`,
          ],
          ['Search', searchWords(indexed)],
        ] as const)),
    [
      'Latency, one picture',
      `p50 ${milliseconds(latency.p50Ms)}, p95 ${milliseconds(latency.p95Ms)} (${latency.runs} runs after ${latency.warmupRuns}${waitedWords(latency.waitedShare)})`,
    ],
    ...deviceFacts(retrieval.hardwareFit ?? [], ' and one index'),
    ['Measured on', machineWords(hardware, pipeline.selection.hardware)],
  ]);
}

/** By what it is searched, and what was shown of that. */
function searchWords({ search, graph }: IndexedModel): Content {
  if (graph === null) return 'exact: the gallery is small enough';
  const shown = html`it finds ${score(graph.recall)} of the ${graph.k} nearest, and at least ${percent(graph.bound)}
  must be shown`;
  return search === 'graph' ? html`by a graph: ${shown}` : html`exact: a graph was tried, and ${shown}`;
}

function perLabel({ k, perLabel: labels }: RetrievalEvaluation, { data }: RunFacts): Html {
  const all = data?.labels.length ?? labels.length;
  return table(
    labels.length < all
      ? `The ${labels.length} labels that are served worst of ${count(all)}; all are in the evaluation artifact`
      : 'Label by label',
    [
      { title: 'Label', cell: (row: LabelFindings) => row.label },
      { title: `Recall@${k}`, numeric: true, cell: (row) => percent(row.recallAtK) },
      { title: 'mAP', numeric: true, cell: (row) => percent(row.averagePrecision) },
      { title: 'Test pictures', numeric: true, cell: (row) => count(row.queries) },
    ],
    labels,
  );
}

function sliced({ k, slices = [] }: RetrievalEvaluation): Html {
  if (slices.length === 0) return html``;
  return table(
    'Slices of the test pictures; the interval holds for all of them at once',
    [
      { title: 'Slice', cell: (row: QuerySlice) => row.name },
      { title: 'Pictures', numeric: true, cell: (row) => count(row.rows) },
      { title: `Recall@${k}`, numeric: true, cell: (row) => percent(row.recallAtK) },
      // Before precision was compared the gap was one of recall@k.
      ...(slices.every(({ averagePrecision }) => averagePrecision !== undefined)
        ? [
            { title: 'mAP', numeric: true, cell: (row: QuerySlice) => percent(row.averagePrecision ?? null) },
            { title: 'Precision lost', numeric: true, cell: (row: QuerySlice) => score(row.gap, percent) },
          ]
        : [{ title: 'All others minus it', numeric: true, cell: (row: QuerySlice) => score(row.gap, points) }]),
    ],
    slices,
  );
}

function misses({ k, measures, queriesWithoutRelevant, misses: missed }: RetrievalEvaluation): Html {
  if (measures.recallAtK.rows === 0) return html`<p>There is nothing to find for any test picture.</p>`;
  if (missed.length === 0) {
    const all = queriesWithoutRelevant === 0 ? '' : ' that there is something to find for';
    return html`<p>Every test picture${all} finds one of its label among the first ${k}.</p>`;
  }
  return table(
    `Test pictures that find nothing of their label among the first ${k}, the nearest wrong ones first; a picture lies under its row in test.tar of the dataset, and is not shown here`,
    [
      { title: 'Row', cell: (row: RetrievalEvaluation['misses'][number]) => html`<code>${row.rowId}</code>` },
      { title: 'Its label', cell: (row) => row.expected },
      { title: 'Found first', cell: (row) => row.found },
      { title: 'Similarity', numeric: true, cell: (row) => decimal(row.similarity, 3) },
    ],
    missed,
  );
}
