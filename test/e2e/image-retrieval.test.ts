import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import type { Split } from '../../activities/contract/data.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { loadPictures } from '../../activities/data/images/pictures.ts';
import { findNeighbours } from '../../client/predict.ts';
import type { ReproductionVerdict } from '../../client/reproduce.ts';
import { runOutcome, showRun } from '../../client/runs.ts';
import { checkPipeline } from '../../pipelines/check.ts';
import type { ImageRetrieval, PipelineDefinition } from '../../pipelines/definition.ts';
import { loadPipeline } from '../../pipelines/load.ts';
import { espalier } from '../support/command.ts';
import { finishRun, startDefinition, startTestHost, stopTestHosts, type TestHost } from '../support/host.ts';
import { foldersOfPictures, PICTURE_LABELS, tinyImages } from '../support/tiny-image.ts';

const off = { severity: 'off' } as const;

describe('the shipped pipeline part-finder, with a tiny backbone', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  before(async () => {
    host = await startTestHost();
  });
  after(stopTestHosts);

  /** As it is shipped, but for the candidates, which are the hub's, and for the gates that a random backbone cannot pass. */
  async function definition(changes: Partial<PipelineDefinition>): Promise<PipelineDefinition> {
    const { value, folder } = await loadPipeline('part-finder');
    const checked = checkPipeline(value, { folder });
    ok(checked.ok && checked.pipeline.task === 'image-retrieval', JSON.stringify(checked));
    const { data, gates, ...shipped } = checked.pipeline;
    const { model } = await tinyImages();
    return {
      ...shipped,
      data: { ...data, files: (data.files as readonly string[]).map((file) => resolve(folder, file)) },
      candidates: [{ id: 'tiny', model }],
      gates: {
        ...gates,
        recallAtK: off,
        precisionAtK: off,
        meanAveragePrecision: off,
        gainOverPixels: off,
        gainOverFrozen: off,
      },
      customGates: { findsAsMeasured: { max: 1e-9 } },
      ...changes,
    } as PipelineDefinition;
  }

  /** A file of the first picture of a split of the dataset. */
  async function pictureOf({ data }: RunFacts, split: Split): Promise<{ file: string; id: string; label: string }> {
    ok(data);
    for await (const { id, label, bytes } of loadPictures(host.store.store, data.dataset, split)) {
      const file = join(host.folder, `${split}.jpg`);
      await writeFile(file, bytes);
      return { file, id, label };
    }
    throw new Error(`no picture in ${split}`);
  }

  /** A table, and beside it a picture and one that is a little brighter: it must find much the same. */
  async function brighter(): Promise<ImageRetrieval['behaviour']> {
    const folder = join(host.folder, 'tests');
    await foldersOfPictures(folder);
    const [label = ''] = PICTURE_LABELS;
    const [name = ''] = await readdir(join(folder, label));
    await sharp(join(folder, label, name))
      .modulate({ brightness: 1.02 })
      .png()
      .toFile(join(folder, 'brighter.png'));
    await writeFile(join(folder, 'table.csv'), `image,other,overlap\n${label}/${name},brighter.png,0.6\n`);
    return { brighter: { kind: 'invariance', file: 'tests/table.csv', min: 1, severity: 'fail' } };
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
    match(html, /findsAsMeasured, from the module <code>sha256:/);
    return host.store.store.getJson<RunFacts>(entry.digest);
  }

  it('goes from its shard of pictures to an index of the encoder as it came', async () => {
    const facts = await finished('frozen', { behaviour: await brighter() });
    const { candidates, exported, retrieval, training, selection } = facts;
    deepEqual(facts.data?.rows, { train: 120, validation: 48, test: 72 });
    equal(training, undefined);
    ok(exported !== undefined && 'embedder' in exported);
    equal(exported.embedder.digest, candidates?.[0]?.exported?.encoder.digest);
    deepEqual([exported.search, exported.dimension], ['exact', candidates?.[0]?.exported?.dimension]);
    match(selection?.rule ?? '', /nearest neighbours/);
    // By chance 0.28: the mean of six hits or so in 30 of 120.
    ok((retrieval?.measures.precisionAtK.value ?? 0) > 0.3, 'even a random network tells a bar from a ring');
    deepEqual([retrieval?.queriesInGallery, retrieval?.frozen], [0, null]);
    const own = facts.gates?.gates.at(-1);
    deepEqual([own?.name, own?.verdict, own?.score.rows], ['findsAsMeasured', 'pass', 72]);
    const [table] = retrieval?.behaviour ?? [];
    deepEqual([table?.name, table?.score.value, table?.score.rows], ['brighter', 1, 1]);
    equal(facts.gates?.gates.find(({ name }) => name === 'brighter')?.verdict, 'pass');

    const [known, unknown] = [await pictureOf(facts, 'train'), await pictureOf(facts, 'test')];
    const answers = await findNeighbours(host.servingUrl, 'part-finder', [known.file, unknown.file]);
    const [found = [], others = []] = answers.map(({ neighbours }) => neighbours);
    deepEqual([found.length, found[0]?.id, found[0]?.label], [5, known.id, known.label]);
    ok((found[0]?.similarity ?? 0) > 0.9999, 'what stands in the catalogue finds itself');
    ok(others.length === 5 && others.every(({ id }) => id !== unknown.id));
    ok(found.every(({ similarity }, place) => similarity <= (found[place - 1]?.similarity ?? 1.0001)));
  });

  it('indexes a tuned backbone, held against the frozen one and the model in production', async () => {
    const training = { epochs: 3, batchSize: 8, learningRate: 1e-3 };
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
