/**
 * The gates of a finder about pictures that no test split has. `edgeInputs`: encoders as they came accused, exact and by a graph, and
 * planted defects caught: on one awkward picture or some of them the encoder throws, gives NaN, or gives zeros. CIFAR-10 photographs,
 * frozen SqueezeNet 1.1 and ResNet-50 (its first three stages), galleries of 250.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-finder-behaviour.ts
 */
import { galleryInMemory, type SearchedGallery } from '../activities/retrieval/gallery.ts';
import { checkEdgeQueries } from '../activities/retrieval/query-behaviour.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { answeredShare } from '../activities/validation/served-measures.ts';
import { EmbeddingIndex } from '../inference/retrieval/embedding-index.ts';
import type { ImageModel } from '../inference/image-model.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { digestBytes } from '../artifacts/digest.ts';
import { GRAPH_SETTINGS } from '../inference/retrieval/graph.ts';
import { frozenBackbone, photographs } from './gates/photographs.ts';
import { holdToGoals } from './gates/rates.ts';
import { exactly } from './support.ts';

const BACKBONES = ['squeezenet1.1', 'resnet50v2-trunk-stage3'] as const;
const [GALLERY, K] = [250, 10] as const;
const { signal } = new AbortController();
const limits = RetrievalGatesSchema.parse({});

const shown = await photographs('train', GALLERY);
const labels = [...new Set(shown.map(({ label }) => label))].toSorted();

async function indexesOf(encoder: ImageModel): Promise<readonly SearchedGallery[]> {
  const { embeddings } = await encoder.runAll(shown.map(({ bytes }) => bytes));
  const rows = { ids: shown.map(({ id }) => id), classes: shown.map(({ label }) => labels.indexOf(label)) };
  const exact = galleryInMemory({ labels, ids: rows.ids, classes: Int32Array.from(rows.classes), embeddings });
  const { dimension } = encoder.config;
  const about = { model: digestBytes('a bench'), dimension, labels };
  return [exact, { ...exact, graph: await EmbeddingIndex.of({ ...about, ...rows, embeddings }, GRAPH_SETTINGS) }];
}

/** Gives zeros for an awkward picture as a network does whose last rectifier lets nothing through. */
const DEFECTS = {
  throws: () => {
    throw new Error('planted');
  },
  NaN: (embeddings: Float32Array) => embeddings.with(0, Number.NaN),
  zeros: (embeddings: Float32Array) => embeddings.map(() => 0),
} as const;

const isAccused = async (model: Pick<ImageModel, 'run' | 'config'>, index: SearchedGallery): Promise<boolean> => {
  const score = answeredShare(await checkEdgeQueries(model, index, { k: K, signal }));
  return judgeGate('edgeInputs', RETRIEVAL_GATE_TABLE.edgeInputs, score, limits.edgeInputs).verdict !== 'pass';
};

const edge = { clean: 0, draws: 0, planted: 0, plants: 0 };
for (const backbone of BACKBONES) {
  const encoder = await frozenBackbone(backbone);
  /** What it says of each awkward picture: the same whatever it is asked for. */
  const known = new Map<string, Float32Array>();
  for (const index of await indexesOf(encoder)) {
    edge.draws++;
    const listening: Pick<ImageModel, 'run' | 'config'> = {
      config: encoder.config,
      async run(files, options) {
        const answer = await encoder.run(files, options);
        known.set(options?.names?.[0] ?? '', answer.embeddings);
        return answer;
      },
    };
    edge.clean += Number(await isAccused(listening, index));
    for (const broken of known.keys()) {
      for (const plant of Object.values(DEFECTS)) {
        const model: Pick<ImageModel, 'run' | 'config'> = {
          config: encoder.config,
          async run(_, options) {
            const name = options?.names?.[0] ?? '';
            const embeddings = known.get(name)!;
            return { rows: 1, embeddings: name === broken ? plant(embeddings) : embeddings };
          },
        };
        edge.plants++;
        edge.planted += Number(await isAccused(model, index));
      }
    }
  }
  await encoder.release();
}
console.log(
  `edgeInputs: encoders as they came accused ${exactly(edge.clean, edge.draws)}; one awkward picture of ${edge.plants / edge.draws / 3} broken, caught ${exactly(edge.planted, edge.plants)}`,
);
holdToGoals([
  {
    gate: 'edgeInputs',
    defect: 'one awkward picture broken',
    on: BACKBONES.join(', '),
    caught: edge.planted,
    planted: edge.plants,
    accused: edge.clean,
    clean: edge.draws,
  },
]);
