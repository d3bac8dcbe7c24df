import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { predict } from '../../client/predict.ts';
import { runOutcome } from '../../client/runs.ts';
import type { TextPair } from '../../inference/texts.ts';
import { TextModel } from '../../inference/text-model.ts';
import {
  finishRun,
  smallCsv,
  smallPipeline,
  startSmallRun,
  startTestHost,
  stopTestHosts,
  type TestHost,
} from '../support/host.ts';

const WINDOWS = { overlap: 0.25, most: 6 };

/** The second text says the label, and only after more words than the model reads at once. */
function pairsCsv(): string {
  const [, ...rows] = smallCsv().trim().split('\n');
  const filler = 'before I come to it let me tell you how long I have been here and how much I like it';
  const pairs = rows.map((row, index) => `"what is it about, ${index % 7}?",${row.replace('"', `"${filler}: `)}`);
  return `question,answer,label\n${pairs.join('\n')}\n`;
}

describe('a pipeline of pairs of texts, the second read in windows', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  before(async () => {
    host = await startTestHost();
  });
  after(stopTestHosts);

  it('goes from a table to a served model that answers as it was evaluated', async () => {
    const small = await smallPipeline({ selection: { maxLength: 20, windows: WINDOWS }, deploy: { model: 'pairs' } });
    const data = { ...small.data, text: 'question', pair: 'answer' };
    // Some of its own rows are its behaviour tests: how many hold is what the server answers.
    const rows = pairsCsv()
      .trim()
      .split('\n')
      .slice(1)
      .filter((_, row) => row % 20 === 0);
    await writeFile(join(host.folder, 'own.csv'), `text,pair,label\n${rows.join('\n')}\n`);
    const behaviour = { own: { kind: 'minimum-functionality', file: 'own.csv', min: 0 } } as const;
    await startSmallRun(host, 'pairs', { ...small, data, behaviour }, { csv: pairsCsv() });
    const view = await finishRun(host, 'pairs');
    const { report, reportHtml, reason, deployment } = await runOutcome(host.temporal.client, 'pairs');
    equal(view.state, 'deployed', reason);
    equal(deployment?.serving?.agreement, 1);

    const entry = (await host.store.store.tree(report)).entries.find(({ path }) => path === 'facts.json');
    const facts = await host.store.store.getJson<RunFacts>(entry!.digest);
    const { exported, evaluation, gates } = facts;
    ok(exported !== undefined && 'classifier' in exported);
    ok(exported.parityMaxAbs < 1e-4);
    const html = (await host.store.store.getBytes(reportHtml)).toString('utf8');
    match(html, /Read in windows/);
    const exampled = (facts.gates?.gates ?? []).filter(({ examples }) => examples !== undefined);
    ok(exampled.length > 0, 'no gate has an example');
    for (const { name, examples } of exampled) {
      // A table of behaviour tests has a place of its own, where its failing lines stand.
      const place = name in behaviour ? `behaviour-${name}` : `examples-${name}`;
      ok(html.includes(`<a href="#${place}">see ${examples!.ids.length}</a>`), name);
      ok(html.includes(`<div id="${place}">`), name);
      equal(examples!.artifact, facts.evaluation?.details.digest);
    }

    const folder = `${host.folder}/classifier`;
    await host.store.store.checkout(exported.classifier, folder, {});
    const config = JSON.parse(await readFile(`${folder}/classifier.json`, 'utf8')) as Record<string, unknown>;
    equal(JSON.stringify([config['pairs'], config['windows']]), JSON.stringify([true, WINDOWS]));
    const lines = (await readFile(await host.store.store.fileInTree(facts.data!.dataset, 'test.jsonl'), 'utf8')).trim();
    const asked = lines.split('\n').map((line): TextPair => {
      const { text, pair } = JSON.parse(line) as { text: string; pair: string };
      return [text, pair];
    });
    const model = await TextModel.load(folder);
    const { probabilities } = await model.runAll(asked);
    await model.release();
    const [texts, pairs] = [asked.map(([text]) => text), asked.map(([, pair]) => pair)];
    const served = await predict(host.servingUrl, 'pairs', texts, pairs);
    for (const [row, { probability }] of served.entries()) {
      const labels = probabilities!.length / asked.length;
      const expected = Math.max(...probabilities!.subarray(row * labels, (row + 1) * labels));
      ok(Math.abs(probability - expected) < 1e-5, `${row}: served ${probability}, the model says ${expected}`);
    }
    const tests = rows.map((row) => /^"(?<text>[^"]*)","(?<pair>[^"]*)",(?<label>\w+)$/.exec(row)?.groups ?? {});
    const given = await predict(
      host.servingUrl,
      'pairs',
      tests.map(({ text = '' }) => text),
      tests.map(({ pair = '' }) => pair),
    );
    const wrong = given.flatMap(({ label }, row) => (label === tests[row]?.['label'] ? [] : [row + 2]));
    const [own] = evaluation?.behaviour ?? [];
    deepEqual([own?.score.rows, own?.failures.map(({ line }) => line)], [9, wrong]);
    equal(gates?.gates.find(({ name }) => name === 'own')?.verdict, 'pass');
    await rejects(predict(host.servingUrl, 'pairs', texts), /input 'pair' is missing/);
  });
});
