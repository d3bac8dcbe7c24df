import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { predict } from '../../client/predict.ts';
import { runOutcome } from '../../client/runs.ts';
import { decide } from '../../inference/labels-above.ts';
import { TextModel } from '../../inference/text-model.ts';
import {
  finishRun,
  smallPipeline,
  startSmallRun,
  startTestHost,
  stopTestHosts,
  type TestHost,
} from '../support/host.ts';

const WINDOWS = { overlap: 0.25, most: 6 };
/** All of them, and those of the filler, are words that the tiny model's tokenizer knows. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  account: ['login', 'password', 'account', 'code', 'email'],
  billing: ['invoice', 'refund', 'money', 'charged', 'receipt'],
  delivery: ['parcel', 'package', 'delivery', 'late', 'lost'],
};
const FILLERS =
  'please help me i have had to call you again this week and it is not the first time that we do so what is wrong'.split(
    ' ',
  );

/**
 * Every set of the three labels, none and all included, as often as any other. Each label has its words at the beginning, and again
 * after more words than the model reads at once. No two rows have the same filler.
 */
function severalCsv(): string {
  let state = 7;
  const next = (below: number) => (state = (state * 48271 + 11) % 2147483647) % below;
  const rows = Array.from({ length: 320 }, (_, row) => {
    const labels = Object.keys(WORDS).filter((_name, at) => ((row >> at) & 1) === 1);
    const own = () => labels.flatMap((label) => [WORDS[label]![next(5)], WORDS[label]![next(5)]]).join(' ');
    const filler = Array.from({ length: 18 }, () => FILLERS[next(FILLERS.length)]).join(' ');
    return `"${own()} ${filler} ${own()}",${labels.join(';')}`;
  });
  return `text,label\n${rows.join('\n')}\n`;
}

describe('a pipeline of several labels a text, read in windows', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  before(async () => {
    host = await startTestHost();
  });
  after(stopTestHosts);

  it('goes from a table to a served model that gives the labels and probabilities that were evaluated', async () => {
    const small = await smallPipeline({
      selection: { maxLength: 20, windows: WINDOWS },
      deploy: { model: 'several' },
      customGates: { knowsProbabilities: { min: 1 } },
    });
    const data = { ...small.data, multiLabel: {} };
    const training = { ...small.training, learningRate: 2e-3 };
    await startSmallRun(host, 'several', { ...small, data, training }, { csv: severalCsv() });
    const view = await finishRun(host, 'several');
    const { report, reportHtml, reason, deployment } = await runOutcome(host.temporal.client, 'several');
    equal(view.state, 'deployed', reason);
    deepEqual([deployment?.serving?.agreement, deployment?.serving?.checkedRows], [1, 16]);

    const entry = (await host.store.store.tree(report)).entries.find(({ path }) => path === 'facts.json');
    const { exported, evaluation, gates, data: prepared } = await host.store.store.getJson<RunFacts>(entry!.digest);
    ok(exported !== undefined && 'classifier' in exported);
    ok(exported.parityMaxAbs < 1e-4);
    const own = gates?.gates.at(-1);
    deepEqual([own?.name, own?.verdict, own?.measured], ['knowsProbabilities', 'pass', 1]);
    // Giving every text all labels would be 0.6.
    ok((evaluation?.severalLabels?.microF1.value ?? 0) > 0.7, JSON.stringify(evaluation?.severalLabels));
    const html = (await host.store.store.getBytes(reportHtml)).toString('utf8');
    match(html, /Read in windows/);

    const folder = `${host.folder}/classifier`;
    await host.store.store.checkout(exported.classifier, folder, {});
    const config = JSON.parse(await readFile(`${folder}/classifier.json`, 'utf8')) as Record<string, unknown>;
    deepEqual(config['windows'], WINDOWS);
    const thresholds = config['thresholds'] as number[];
    equal(thresholds.length, 3);

    const lines = (await readFile(await host.store.store.fileInTree(prepared!.dataset, 'test.jsonl'), 'utf8')).trim();
    const texts = lines.split('\n').map((line) => (JSON.parse(line) as { text: string }).text);
    const model = await TextModel.load(folder);
    const probabilities = (await model.runAll(texts)).probabilities!;
    await model.release();
    const decided = decide(probabilities, thresholds);
    const names = prepared!.labels;
    const served = await predict(host.servingUrl, 'several', texts);
    equal(served.length, texts.length);
    let near = 0;
    for (const [row, answer] of served.entries()) {
      for (const [column, label] of names.entries()) {
        const expected = probabilities[row * 3 + column]!;
        const given = answer.probabilities[label] ?? Number.NaN;
        ok(Math.abs(given - expected) < 1e-5, `${row} ${label}: served ${given}, the model says ${expected}`);
        // A probability so near its threshold may round to either side.
        if (Math.abs(expected - thresholds[column]!) < 1e-5) near += 1;
        else equal(answer.labels?.includes(label), decided[row * 3 + column] === 1, `${row} ${label}`);
      }
    }
    ok(near < 5, 'nearly every label was compared');
    ok(new Set(served.map(({ label }) => label)).size > 4, 'most of the eight sets are given');
  });
});
