import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { execFile as execFileCallback } from 'node:child_process';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { loadPictures } from '../../activities/data/images/pictures.ts';
import type { EvaluatedRows } from '../../activities/validation/both-answers.ts';
import { findNeighbours, predictPictures } from '../../client/predict.ts';
import { runOutcome } from '../../client/runs.ts';
import type { PipelineDefinition } from '../../pipelines/definition.ts';
import { GATE_NAMES, GATE_TABLE } from '../../pipelines/gates/table.ts';
import { RETRIEVAL_GATE_NAMES } from '../../pipelines/gates/retrieval.ts';
import { finishRun, startDefinition, startTestHost, stopTestHosts, type TestHost } from '../support/host.ts';
import { madeOnce } from '../support/made-once.ts';
import { foldersOfPictures, tinyImages } from '../support/tiny-image.ts';

const execFile = promisify(execFileCallback);

type Task = 'image-classification' | 'image-retrieval';
/** A list of candidates, and the pictures that they are to tell apart. */
interface Given {
  readonly files: readonly string[];
  /** Folder by candidate: `graph` came as ONNX, `stock` is a model of transformers. */
  readonly models: Readonly<Record<'graph' | 'stock', string>>;
}
type Selection = NonNullable<PipelineDefinition['selection']>;

/** The default: the smaller or faster of candidates that are as near as that may win. */
const TOLERANCE = 0.01;

/** What either is, once it was measured. */
const BOTH = { graph: 'onnx', stock: 'transformers' };
const off = { severity: 'off' } as const;
/** What is judged hangs on what these models know, and is tested elsewhere. */
const JUDGED: Readonly<Record<Task, Readonly<Record<string, unknown>>>> = {
  'image-classification': {
    ...Object.fromEntries(GATE_NAMES.filter((name) => GATE_TABLE[name].inputs !== 'text').map((name) => [name, off])),
    accuracy: { min: 0.1 },
    exportParity: {},
    edgeInputs: {},
  },
  'image-retrieval': {
    ...Object.fromEntries(RETRIEVAL_GATE_NAMES.map((name) => [name, off])),
    precisionAtK: { min: 0.1 },
    exportParity: {},
    edgeInputs: {},
  },
};

/** Graph and stock model stand in one list, both are measured, the figures decide, and whoever wins is served as it was evaluated. */
describe('a backbone that came as ONNX beside a stock image model in one list', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  let large: Given;
  let small: Given;
  before(async () => {
    host = await startTestHost();
    await foldersOfPictures(join(host.folder, 'pictures'));
    const { model: stock } = await tinyImages();
    const beside = async (size: string): Promise<Given> => {
      return { files: ['pictures'], models: { graph: await madeOnce('tiny_graph_backbone.py', size), stock } };
    };
    [large, small] = [await beside('large'), await beside('small')];
  });
  after(stopTestHosts);

  /** To the approved release; the facts of the report. */
  async function released(
    runId: string,
    task: Task,
    { files, models }: Given,
    selection: Selection = {},
  ): Promise<RunFacts> {
    const definition = {
      name: runId,
      task,
      data: { files, licence: 'CC0-1.0', source: 'made for this test', nearDuplicates: { distance: 1 } },
      intendedUse: { commercial: false, domain: 'test' },
      candidates: Object.entries(models).map(([id, model]) => ({ id, model })),
      selection,
      ...(task === 'image-classification' ? { training: { method: 'head' } } : {}),
      gates: JUDGED[task],
      approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
      deploy: { model: runId },
    } as PipelineDefinition;
    await startDefinition(host, runId, definition);
    const view = await finishRun(host, runId);
    const { report, reason } = await runOutcome(host.temporal.client, runId);
    equal(view.state, 'deployed', reason);
    return json<RunFacts>((await host.store.store.tree(report)).entries.find(({ path }) => path === 'facts.json')!);
  }

  const json = <Value>({ digest }: Pick<ArtifactRef, 'digest'>): Promise<Value> =>
    host.store.store.getJson<Value>(digest);

  /** They went through every measurement, each as what it is; of one that is refused, why. */
  function measured({ candidates = [] }: RunFacts): Readonly<Record<string, string | undefined>> {
    const kinds = candidates.map(({ id, exported, profile, probe, error }) => {
      if (error !== undefined) return [id, error.message];
      ok((profile?.latency.p95Ms ?? 0) > 0 && probe?.linearAccuracy.value != null, id);
      ok((exported?.parityMaxAbs ?? 1) < 1e-3, `${id}: ${exported?.parityMaxAbs}`);
      return [id, exported?.backbone];
    });
    return Object.fromEntries(kinds) as Record<string, string | undefined>;
  }

  /** The first so many test pictures as files, with what is known of each. */
  async function asked({ data }: RunFacts, most: number) {
    ok(data);
    const folder = join(host.folder, data.dataset.digest.slice(-12));
    await mkdir(folder, { recursive: true });
    const pictures: { readonly id: string; readonly label: string; readonly file: string }[] = [];
    for await (const { id, label, bytes } of loadPictures(host.store.store, data.dataset, 'test')) {
      if (pictures.length === most) break;
      const file = join(folder, id);
      await writeFile(file, bytes);
      pictures.push({ id, label, file });
    }
    ok(pictures.length > 0);
    return pictures;
  }

  /** What the server says of test pictures is what the evaluation wrote down of each. */
  async function answersAsEvaluated(model: string, facts: RunFacts): Promise<void> {
    ok(facts.evaluation);
    const { predictions } = await json<EvaluatedRows>(facts.evaluation.details);
    const byId = new Map(predictions.map((row) => [row.rowId, row]));
    const pictures = await asked(facts, 40);
    const answers = await predictPictures(
      host.servingUrl,
      model,
      pictures.map(({ file }) => file),
    );
    for (const [at, { label, probability }] of answers.entries()) {
      const row = byId.get(pictures[at]!.id);
      equal(label, row?.predicted);
      ok(Math.abs(probability - (row?.probability ?? 9)) < 1e-5, `${probability} and ${row?.probability}`);
    }
  }

  /** As many of what all test pictures find have their label as the evaluation says. */
  async function findsAsEvaluated(model: string, facts: RunFacts): Promise<void> {
    const pictures = await asked(facts, Number.POSITIVE_INFINITY);
    const files = pictures.map(({ file }) => file);
    const answers = await findNeighbours(host.servingUrl, model, files, facts.retrieval?.k);
    const shares = answers.map(({ neighbours }, at) => {
      const hits = neighbours.filter(({ label }) => label === pictures[at]!.label).length;
      return hits / neighbours.length;
    });
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    const measured = facts.retrieval?.measures.precisionAtK;
    equal(measured?.rows, pictures.length);
    ok(Math.abs(mean - (measured?.value ?? 9)) < 1e-9, `${mean} and ${measured?.value}`);
  }

  const inList = ({ selection }: RunFacts) => [...new Set(selection?.ranking.map(({ encoder }) => encoder))].toSorted();
  const accuracyOf = ({ candidates }: RunFacts, id: string) =>
    candidates?.find((one) => one.id === id)?.probe?.linearAccuracy.value ?? 0;

  it('is measured as the other is, by figures that say who wins, and whoever does is served as it was evaluated', async () => {
    const facts = await released('tiny-both', 'image-classification', large);
    deepEqual([measured(facts), inList(facts)], [BOTH, ['graph', 'stock']]);
    const figures = ['graph', 'stock'].map((id) => accuracyOf(facts, id));
    ok(accuracyOf(facts, facts.selection?.winner ?? '') >= Math.max(...figures) - TOLERANCE, figures.join());
    await answersAsEvaluated('tiny-both', facts);
  });

  it('wins where the stock model is too large, with a head put behind it, and is served as it was evaluated', async () => {
    const facts = await released('tiny-graph', 'image-classification', small, { maxSizeMb: 0.01 });
    const { graph, stock } = measured(facts);
    match(stock ?? '', /more than 0\.01 MB \(selection\.maxSizeMb\)/);
    deepEqual([graph, facts.selection?.winner, inList(facts)], ['onnx', 'graph', ['graph', 'stock']]);
    await answersAsEvaluated('tiny-graph', facts);
  });

  it('leaves its place to the stock model where it is too large, and that is served as it was evaluated', async () => {
    const facts = await released('tiny-stock', 'image-classification', large, { maxSizeMb: 0.1 });
    const { graph, stock } = measured(facts);
    match(graph ?? '', /0\.151 MB, more than 0\.1 MB \(selection\.maxSizeMb\)/);
    deepEqual([stock, facts.selection?.winner, inList(facts)], ['transformers', 'stock', ['graph', 'stock']]);
    await answersAsEvaluated('tiny-stock', facts);
  });

  it('is indexed and finds as it was evaluated, and so does the stock model where it is too large', async () => {
    const graph = await released('tiny-graph-finds', 'image-retrieval', large);
    deepEqual(measured(graph), BOTH);
    equal(graph.selection?.winner, 'graph');
    await findsAsEvaluated('tiny-graph-finds', graph);
    const stock = await released('tiny-stock-finds', 'image-retrieval', large, { maxSizeMb: 0.1 });
    deepEqual([measured(stock)['stock'], stock.selection?.winner], ['transformers', 'stock']);
    await findsAsEvaluated('tiny-stock-finds', stock);
  });

  describe('with real weights and photographs [real-data]', () => {
    const data = process.env['ESPALIER_TEST_DATA'];
    const model = (...path: string[]) => join(data ?? '', 'models', ...path);
    /** Photographs of 32 pixels: ten labels with a hundred each, of which these have so many. */
    const photographs = async (folder: string, ofEach: number): Promise<readonly string[]> => {
      const all = join(host.folder, 'all');
      await mkdir(all, { recursive: true });
      await execFile('tar', ['-xf', join(data ?? '', 'datasets', 'cifar10-jpeg', 'test.tar'), '-C', all]);
      for (const label of await readdir(all)) {
        await mkdir(join(host.folder, folder, label), { recursive: true });
        for (const name of (await readdir(join(all, label))).toSorted().slice(0, ofEach)) {
          await copyFile(join(all, label, name), join(host.folder, folder, label, name));
        }
      }
      return [folder];
    };
    before(function () {
      if (data === undefined) this.skip();
    });

    it('finds better where it was made for such photographs', async () => {
      const made = {
        graph: model('akamaster', 'resnet20-cifar10'),
        stock: model('google', 'mobilenet_v2_1.0_224-dequant'),
      };
      const facts = await released('real-finds', 'image-retrieval', {
        files: await photographs('some', 30),
        models: made,
      });
      deepEqual(measured(facts), BOTH);
      equal(facts.selection?.winner, 'graph');
      await findsAsEvaluated('real-finds', facts);
    });
  });
});
