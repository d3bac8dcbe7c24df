/** What was made from what, each artifact by its digest, and the key of the step that made it. */
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import { evaluatedModel } from '../../../artifacts/release.ts';
import { shortDigest } from '../../../artifacts/reference.ts';
import type { RunFacts } from '../../contract/evidence.ts';
import { bytes, digest } from '../format.ts';
import { html, type Html } from '../../../artifacts/html.ts';
import { winnerOf } from '../../../pipelines/winner.ts';
import { table } from '../parts.ts';
import type { Section } from '../page.ts';
import { at, drawing } from '../svg.ts';

interface Node {
  readonly name: string;
  readonly ref: ArtifactRef;
  readonly from: readonly string[];
  /** The planned step's id (workflows/plan.ts). */
  readonly step: string;
  readonly column: number;
  readonly row: number;
}

/** What is served, as the drawing calls it. */
const SERVED: Readonly<Record<RunFacts['pipeline']['task'], string>> = {
  'text-classification': 'classifier',
  'image-classification': 'classifier',
  'image-retrieval': 'embedder',
  'text-generation': 'generator',
};

/** The artifacts known so far, parents first. */
function lineage(run: RunFacts): readonly Node[] {
  const winner = winnerOf(run);
  const base = winner?.id ?? '';
  const chosen = run.exported !== undefined && 'generator' in run.exported ? run.exported : undefined;
  const indexed = run.exported !== undefined && 'embedder' in run.exported ? run.exported : undefined;
  const served = SERVED[run.pipeline.task];
  const tuned = indexed === undefined || run.training !== undefined;
  const prompted = chosen?.road === 'prompted';
  // Above the model stands its index: what comes after them moves on by one.
  const later = indexed === undefined ? 0 : 1;
  const nodes: readonly (Omit<Node, 'ref'> & { readonly ref: ArtifactRef | undefined })[] = [
    { name: 'dataset', ref: run.data?.dataset, from: [], step: 'data', column: 0, row: 0 },
    { name: 'base model', ref: winner?.imported?.model, from: [], step: `import:${base}`, column: 0, row: 1 },
    {
      name: 'encoder weights',
      ref: winner?.exported?.weights,
      from: ['base model'],
      step: `export:${base}`,
      column: 1,
      row: 1,
    },
    {
      name: 'tuned model',
      ref: run.training?.model,
      from: ['dataset', served === 'generator' ? 'base model' : 'encoder weights'],
      step: 'train',
      column: 2,
      row: 1,
    },
    {
      name: served,
      ref: run.exported && evaluatedModel({ exported: run.exported }),
      // A tuned model that was not chosen is in nothing that is served; the prompt was chosen on the data.
      from: prompted ? ['base model', 'dataset'] : [tuned ? 'tuned model' : 'base model'],
      step: chosen !== undefined ? 'choose' : tuned ? 'export' : `export:${base}`,
      column: 3,
      row: 1,
    },
    {
      name: 'index',
      ref: indexed?.index,
      from: [served, 'dataset'],
      step: 'index',
      column: 3,
      row: 0,
    },
    {
      name: 'evaluation',
      ref: (run.evaluation ?? run.generation?.evaluation ?? run.retrieval)?.details,
      from: indexed === undefined ? [served, 'dataset'] : ['index'],
      step: 'evaluate',
      column: 3 + later,
      row: 0,
    },
    { name: 'bundle', ref: run.bundle, from: [served, 'evaluation'], step: 'package', column: 4 + later, row: 1 },
    { name: 'release', ref: run.deployment?.release, from: ['bundle'], step: 'deploy', column: 5 + later, row: 1 },
  ];
  const known = nodes.flatMap((node) => (node.ref === undefined ? [] : [{ ...node, ref: node.ref }]));
  return known.map((node) => ({
    ...node,
    from: node.from.filter((name) => known.some((other) => other.name === name)),
  }));
}

export const lineageSection: Section = {
  id: 'lineage',
  title: 'Lineage',
  body: ({ facts: run }) => {
    const nodes = lineage(run);
    if (nodes.length === 0) return null;
    const source = winnerOf(run)?.resolved?.source;
    return html`${source === undefined ? '' : html`<p>The base model is <code>${source}</code>.</p>`}
      <figure>${graph(nodes)}</figure>
      ${table(
        'Artifacts',
        [
          { title: 'Artifact', cell: (node: Node) => node.name },
          { title: 'Made from', cell: (node) => (node.from.length === 0 ? 'outside' : node.from.join(', ')) },
          { title: 'Digest', cell: (node) => digest(node.ref.digest) },
          { title: 'Manifest or file', numeric: true, cell: (node) => bytes(node.ref.size) },
          { title: 'Step key', cell: (node) => digest(run.steps.find((step) => step.id === node.step)?.key) },
        ],
        nodes,
      )}`;
  },
};

const BOX = { width: 132, height: 52, columnGap: 24, rowGap: 28 };

function graph(nodes: readonly Node[]): Html {
  const left = (node: Node) => 1 + node.column * (BOX.width + BOX.columnGap);
  const top = (node: Node) => 1 + node.row * (BOX.height + BOX.rowGap);
  const width = 2 + Math.max(...nodes.map(left)) + BOX.width;
  const height = 2 + Math.max(...nodes.map(top)) + BOX.height;
  const arrows = nodes.flatMap((node) =>
    node.from.flatMap((name) => nodes.filter((parent) => parent.name === name).map((parent) => arrow(parent, node))),
  );
  // Straight up to the box above; otherwise from one side to the other, with a bend before the goal.
  function arrow(parent: Node, node: Node): Html {
    const y2 = top(node) + BOX.height / 2;
    if (parent.column === node.column) {
      const [x, from, to] = [left(node) + BOX.width / 2, top(parent), top(node) + BOX.height];
      return html`<path class="arrow" d="M${at(x)} ${at(from)}V${at(to + 5)}" /><path
          class="head"
          d="M${at(x)} ${at(to)}l-4 7h8z"
        />`;
    }
    const [x1, y1, x2] = [left(parent) + BOX.width, top(parent) + BOX.height / 2, left(node)];
    const middle = x2 - BOX.columnGap / 2;
    return html`<path class="arrow" d="M${at(x1)} ${at(y1)}H${at(middle)}V${at(y2)}H${at(x2 - 5)}" /><path
        class="head"
        d="M${at(x2)} ${at(y2)}l-7 -4v8z"
      />`;
  }
  const boxes = nodes.map(
    (node) =>
      html`<rect
          class="box"
          x="${at(left(node))}"
          y="${at(top(node))}"
          width="${BOX.width}"
          height="${BOX.height}"
          rx="6"
        /><text class="strong" x="${at(left(node) + 10)}" y="${at(top(node) + 22)}">${node.name}</text
        ><text class="note" x="${at(left(node) + 10)}" y="${at(top(node) + 39)}"
          >${shortDigest(node.ref.digest)}</text
        >`,
  );
  const words = nodes
    .map((node) => (node.from.length === 0 ? node.name : `${node.name} from ${node.from.join(' and ')}`))
    .join('; ');
  return drawing(
    'lineage-graph',
    { width: Math.ceil(width), height: Math.ceil(height) },
    'Lineage of the artifacts',
    words,
    [arrows, boxes],
  );
}
