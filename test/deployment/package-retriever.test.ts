import { deepEqual, doesNotMatch, equal, match, ok, rejects } from 'node:assert/strict';
import type { PackageRetrieverInput } from '../../activities/contract/deployment.ts';
import { packageRetriever } from '../../activities/deployment/package-retriever.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { entryRef, type ArtifactRef } from '../../artifacts/reference.ts';
import type { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { GRAPH_SETTINGS } from '../../inference/retrieval/graph.ts';
import { withServices } from '../support/bundle.ts';
import { withFiles } from '../support/release.ts';
import { FINDER, K, madeRetriever } from '../support/retriever.ts';
import { runStep } from '../support/step.ts';
import { COLOURS } from '../support/tiny-pictures.ts';

const CLAIMS_OF_TUNING =
  /[Ff]ine-?tuned|[Ll]ow-rank adapters|tuned weights|Tuned model|that it learnt|"supervised"|training_data|"training"|^datasets:|[Cc]lassifier|prompt/m;

describe('packaging a model that finds pictures', () => {
  let services: ActivityServices;
  before(async () => {
    services = await withServices();
  });

  async function packed(input: PackageRetrieverInput) {
    const { bundle } = await runStep(packageRetriever, input, services);
    const { entries } = await services.store.tree(bundle);
    const digests = new Map(entries.map(({ path, digest }) => [path, digest]));
    return {
      bundle,
      digests,
      text: async (path: string) => {
        const digest = digests.get(path);
        ok(digest, path);
        return (await services.store.getBytes(digest)).toString('utf8');
      },
    };
  }

  it('carries model and index byte for byte, and how many are found where nobody says', async () => {
    const { input, index } = await madeRetriever(services);
    const { digests, text, bundle } = await packed(input);
    for (const { path, digest } of (await services.store.tree(input.embedder)).entries) {
      equal(digests.get(`${FINDER}/1/${path}`), digest);
    }
    const files = index.files();
    equal(digests.get('index/index.json'), digestBytes(files['index.json']));
    equal(digests.get('index/vectors.f32'), digestBytes(files['vectors.f32']));
    deepEqual(
      [...digests.keys()].filter((path) => path.startsWith('index/')),
      ['index/index.json', 'index/vectors.f32'],
    );
    deepEqual(JSON.parse(await text('retrieval.json')), { neighbours: K, version: 1 });
    const turned = JSON.parse(
      JSON.stringify({ ...input, pipeline: Object.fromEntries(Object.entries(input.pipeline).toReversed()) }),
    ) as PackageRetrieverInput;
    equal((await packed(turned)).bundle.digest, bundle.digest, 'the same input in another order is another bundle');
  });

  it('says of an encoder what it is, what lies in its index, and never that anything was tuned', async () => {
    const { input } = await madeRetriever(services);
    const { text } = await packed(input);
    for (const path of [
      'DOSSIER.md',
      'LICENSES/README.md',
      'MODEL_CARD.md',
      'NOTICE',
      'TERMS.md',
      'bom.cdx.json',
      'provenance.json',
    ]) {
      doesNotMatch(await text(path), CLAIMS_OF_TUNING, path);
    }
    const card = await text('MODEL_CARD.md');
    match(card, /pipeline_tag: image-feature-extraction/);
    match(card, /24 pictures of 3 numbers/);
    match(card, /Search is exact/);
    // Not of the file as it came: whoever hashes that finds another.
    match(card, /SHA-256 of its file as the dataset has it, without metadata/);
    match(card, /Test pictures in it, with the same file in the dataset: /);
    match(card, /not the picture\. What of a picture could be made again from them was not measured/);
    match(card, new RegExp(`Index: \`${input.index.digest}\``));
    match(await text('NOTICE'), /exported to ONNX, and given an index; its weights are as they came/);
    match(
      await text('LICENSES/README.md'),
      /its index holds an embedding \(3 numbers\), an id and a label of each of 24 pictures/,
    );
    match(await text('DOSSIER.md'), /These numbers lie in the index that is served/);
    const triton = await text(`${FINDER}/config.pbtxt`);
    match(triton, /name: "embedding" data_type: TYPE_FP32 dims: \[ 3 \]/);
    doesNotMatch(triton, /probabilities|labels\.txt/);
  });

  it('says of a tuned one that it was, and of what the gallery was searched by', async () => {
    const { input } = await madeRetriever(services, { tuned: true, graph: GRAPH_SETTINGS });
    const { text, digests } = await packed(input);
    match(await text('MODEL_CARD.md'), /base_model_relation: finetune[^]*graph \(HNSW\)[^]*## Training/);
    match(
      await text('NOTICE'),
      /fine-tuned \(full\) on data from drawn for the tests, exported to ONNX, and given an index/,
    );
    match(await text('LICENSES/README.md'), /tuned weights derive .*; its index holds/);
    ok(digests.has(`${FINDER}/labels.txt`));
    const provenance = JSON.parse(await text('provenance.json')) as Record<string, Record<string, unknown>>;
    equal(provenance['trained']?.['tree'], input.trained?.model.digest);
    deepEqual(
      [provenance['index']?.['tree'], provenance['index']?.['rows'], provenance['index']?.['search']],
      [input.index.digest, 24, 'graph'],
    );
  });

  it('has the gallery as data of its own in the bill of materials, made of the dataset', async () => {
    const { input } = await madeRetriever(services);
    const { text } = await packed(input);
    const bom = JSON.parse(await text('bom.cdx.json')) as {
      components: {
        'bom-ref': string;
        type: string;
        components: { name: string }[];
        properties: { name: string; value: string }[];
      }[];
      dependencies: { ref: string; dependsOn?: string[] }[];
    };
    const gallery = bom.components.find((component) => component['bom-ref'] === 'gallery');
    equal(gallery?.type, 'data');
    deepEqual(
      gallery.components.map(({ name }) => name),
      ['index/index.json', 'index/vectors.f32'],
    );
    const said = Object.fromEntries(gallery.properties.map(({ name, value }) => [name, value]));
    deepEqual(
      [said['espalier:dataset'], said['espalier:rows'], said['espalier:dimension'], said['espalier:tree']],
      [input.dataset.dataset.digest, '24', '3', input.index.digest],
    );
    deepEqual(bom.dependencies, [
      { dependsOn: ['gallery'], ref: 'model' },
      { dependsOn: ['dataset'], ref: 'gallery' },
      { ref: 'dataset' },
    ]);
  });

  describe('refuses', () => {
    let input: PackageRetrieverInput;
    let index: EmbeddingIndex;
    before(async () => {
      ({ input, index } = await madeRetriever(services));
    });

    /** The index with another header, and its vectors as they were. */
    function changed(change: object): Promise<ArtifactRef> {
      return withFiles(services, input.index, { 'index.json': JSON.stringify({ ...index.header, ...change }) });
    }
    const cases: readonly (readonly [string, () => Promise<Partial<PackageRetrieverInput>>, RegExp])[] = [
      [
        'an index of another model',
        async () => ({ index: await changed({ model: digestBytes('other') }) }),
        /was built with sha256:\w+, not sha256:/,
      ],
      ['one of another dimension', async () => ({ index: await changed({ dimension: 4 }) }), /has vectors of 4, not 3/],
      [
        'one of other labels',
        async () => ({ index: await changed({ labels: [...COLOURS, 'violet'] }) }),
        /has labels .*violet/,
      ],
      [
        'one with fewer rows than were measured',
        async () => ({
          index: await changed({ ids: index.header.ids.slice(1), classes: index.header.classes.slice(1) }),
        }),
        /has rows: 23, not 24/,
      ],
      [
        'one whose vectors are fewer',
        async () => ({ index: await withFiles(services, input.index, { 'vectors.f32': new Uint8Array(12) }) }),
        /has vectors in bytes: 12, not 288/,
      ],
      [
        'one that a graph searches, though exact search was measured',
        async () => ({ index: await changed({ graph: GRAPH_SETTINGS }) }),
        /searched by graph, not exact/,
      ],
      [
        'one without vectors',
        async () => ({ index: await withFiles(services, input.index, { 'vectors.f32': null }) }),
        /an index is index\/index\.json and index\/vectors\.f32/,
      ],
      [
        'one with a file more',
        async () => ({ index: await withFiles(services, input.index, { 'graph.bin': 'x' }) }),
        /but this one is .*graph\.bin/,
      ],
      [
        'a header that is no JSON',
        async () => ({ index: await withFiles(services, input.index, { 'index.json': '{' }) }),
        /index\.json/,
      ],
      [
        'a tree that is no model',
        async () => ({ embedder: input.index }),
        /neither encoder\.json nor classifier\.json/,
      ],
      [
        'a model of texts',
        async () => ({
          embedder: await withFiles(services, input.embedder, {
            'encoder.json': JSON.stringify({
              kind: 'encoder',
              maxLength: 8,
              pooling: 'mean',
              dimension: 3,
              inputs: ['input_ids'],
            }),
          }),
        }),
        /takes texts, not pictures/,
      ],
      [
        'more neighbours than a server gives',
        async () => ({ evaluation: { ...input.evaluation, k: 101 } }),
        /the first 101 found/,
      ],
    ];
    for (const [what, change, message] of cases) {
      it(what, async () => {
        await rejects(runStep(packageRetriever, { ...input, ...(await change()) }, services), {
          kind: 'BadModel',
          message,
        });
      });
    }

    it('nothing of all this where nothing was changed', async () => {
      const same = await services.store.putManifest(
        (await services.store.tree(input.index)).entries.map((entry) => ({ path: entry.path, ref: entryRef(entry) })),
        'index',
      );
      ok((await packed({ ...input, index: same })).digests.has('index/vectors.f32'));
    });
  });
});
