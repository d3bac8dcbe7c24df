import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { findNeighbours } from '../../client/predict.ts';
import type { ReproductionVerdict } from '../../client/reproduce.ts';
import { runOutcome, showRun } from '../../client/runs.ts';
import type { PipelineDefinition } from '../../pipelines/definition.ts';
import { espalier } from '../support/command.ts';
import { finishRun, startDefinition, startTestHost, type TestHost } from '../support/host.ts';
import { foldersOfPictures, tinyImages } from '../support/tiny-image.ts';

const off = { severity: 'off' } as const;

describe('a pipeline that finds pictures', function () {
  this.timeout(400_000);
  let host: TestHost;
  before(async () => {
    host = await startTestHost();
    await foldersOfPictures(join(host.folder, 'pictures'));
  });
  after(() => host.stop());

  async function definition(changes: Partial<PipelineDefinition>): Promise<PipelineDefinition> {
    const { model } = await tinyImages();
    return {
      name: 'small-finder',
      task: 'image-retrieval',
      data: { files: ['pictures'], licence: 'CC0-1.0', source: 'made for this test', minRowsPerLabel: 3 },
      intendedUse: { commercial: true, domain: 'test' },
      candidates: [{ id: 'tiny', model }],
      retrieval: { k: 3 },
      // Nine plain pictures that ask prove little, and pixels know their colours as well.
      gates: { recallAtK: off, precisionAtK: off, meanAveragePrecision: off, gainOverPixels: off, gainOverFrozen: off },
      approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
      deploy: { model: 'finder' },
      ...changes,
    } as PipelineDefinition;
  }

  async function finished(runId: string, changes: Partial<PipelineDefinition> = {}): Promise<RunFacts> {
    await startDefinition(host, runId, await definition(changes));
    const view = await finishRun(host, runId);
    const { report, reportHtml, reason } = await runOutcome(host.temporal.client, runId);
    equal(view.state, 'deployed', reason);
    const entry = (await host.store.store.tree(report)).entries.find(({ path }) => path === 'facts.json');
    ok(entry);
    const html = (await host.store.store.getBytes(reportHtml)).toString('utf8');
    match(html, /What is found/);
    return host.store.store.getJson<RunFacts>(entry.digest);
  }

  it('goes from a folder of pictures to an index of the encoder as it came', async () => {
    const { candidates, exported, retrieval, training, selection } = await finished('frozen');
    equal(training, undefined);
    ok(exported !== undefined && 'embedder' in exported);
    equal(exported.embedder.digest, candidates?.[0]?.exported?.encoder.digest);
    deepEqual([exported.search, exported.dimension], ['exact', candidates?.[0]?.exported?.dimension]);
    match(selection?.rule ?? '', /nearest neighbours/);
    ok((retrieval?.measures.recallAtK.value ?? 0) > 0.6, 'even a random network sees colours');
    deepEqual([retrieval?.queriesInGallery, retrieval?.frozen], [0, null]);
    const folder = join(host.folder, 'pictures', 'red');
    const [name] = await readdir(folder);
    const [answer] = await findNeighbours(host.servingUrl, 'finder', [join(folder, name ?? '')]);
    const found = answer?.neighbours ?? [];
    deepEqual([found.length, found[0]?.label], [3, 'red']);
    ok(found.every(({ similarity }, place) => similarity <= (found[place - 1]?.similarity ?? 1)));
  });

  it('indexes a tuned backbone, held against the frozen one and the model in production', async () => {
    const training = { epochs: 6, batchSize: 8, learningRate: 1e-3 };
    const {
      exported,
      retrieval,
      training: trained,
      retrievalComparison: beside,
    } = await finished('tuned', { training });
    ok((trained?.steps ?? 0) > 0 && exported !== undefined && 'embedder' in exported);
    ok(retrieval?.measures.gainOverFrozen.interval !== null && retrieval?.frozen !== null);
    // The same pictures ask both: production was made of none of them.
    ok(beside?.comparable, JSON.stringify(beside));
    equal(beside.rows, retrieval?.measures.meanAveragePrecision.rows);
    equal(beside.rowsKnown, 0);
    equal(beside.meanAveragePrecision.production.value, retrieval?.frozen?.meanAveragePrecision.value);
  });

  it('makes the same bundle again, to the byte, index and all, from the record of its release', async () => {
    const { deployment } = await showRun(host.temporal.client, 'tuned');
    const digest = deployment?.bundle.digest ?? '?';
    const env = { ...process.env, ESPALIER_STATE: host.stateDir, NO_COLOR: '1' };
    const again = await espalier(['--json', 'reproduce', digest], env);
    equal(again.code, 0, `${again.stdout}\n${again.stderr}`);
    const { bundle, compared } = JSON.parse(again.stdout) as ReproductionVerdict;
    equal(bundle?.digest, digest);
    ok(compared.some(({ what }) => what === 'index'));
  });
});
