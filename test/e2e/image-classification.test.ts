import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ReproductionVerdict } from '../../client/reproduce.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { runOutcome, showRun } from '../../client/runs.ts';
import type { PipelineDefinition } from '../../pipelines/definition.ts';
import { GATE_NAMES, GATE_TABLE } from '../../pipelines/gates/table.ts';
import { espalier } from '../support/command.ts';
import { finishRun, startDefinition, startTestHost, stopTestHosts, type TestHost } from '../support/host.ts';
import { jsonLines, OWN_CORRUPTIONS } from '../support/own-corruptions.ts';
import { foldersOfPictures, PICTURE_LABELS, tinyImages } from '../support/tiny-image.ts';

const TEXT_ONLY = new Set(GATE_NAMES.filter((name) => GATE_TABLE[name].inputs === 'text'));
const off = { severity: 'off' } as const;

describe('a pipeline that classifies pictures', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  before(async () => {
    host = await startTestHost();
    await foldersOfPictures(join(host.folder, 'pictures'));
    await writeTable();
  });
  after(stopTestHosts);

  /** A picture of each label beside a table, which asks whether it is the same with one shade more. */
  async function writeTable(): Promise<void> {
    const folder = join(host.folder, 'tests');
    await mkdir(folder);
    for (const label of PICTURE_LABELS) {
      const [name = ''] = await readdir(join(host.folder, 'pictures', label));
      const picture = join(host.folder, 'pictures', label, name);
      await copyFile(picture, join(folder, `${label}.png`));
      await sharp(picture)
        .linear(1, 1)
        .png()
        .toFile(join(folder, `${label}-twin.png`));
    }
    const rows = PICTURE_LABELS.map((label) => `${label}.png,./${label}-twin.png\n`);
    await writeFile(join(folder, 'twins.csv'), `image,other\n${rows.join('')}`);
    await writeFile(join(folder, 'worse.jsonl'), jsonLines(OWN_CORRUPTIONS));
  }

  async function definition(): Promise<PipelineDefinition> {
    const { model } = await tinyImages();
    const measured = ['accuracy', 'latencyP95Ms', 'sizeMb', 'edgeInputs', 'exportParity'];
    const gates = GATE_NAMES.filter((name) => !measured.includes(name) && !TEXT_ONLY.has(name));
    return {
      name: 'small-pictures',
      task: 'image-classification',
      data: { files: ['pictures'], licence: 'CC0-1.0', source: 'made for this test', minRowsPerLabel: 3 },
      intendedUse: { commercial: true, domain: 'test' },
      candidates: [{ id: 'tiny', model }],
      training: { epochs: 6, batchSize: 8, learningRate: 1e-3, augmentation: { horizontalFlip: true } },
      gates: {
        ...Object.fromEntries(gates.map((name) => [name, off])),
        accuracy: { min: 0.3 },
        pgdRobustness: { min: 0 },
        squareRobustness: { min: 0 },
      },
      attack: { steps: 3, queries: 20, pictures: 20 },
      behaviour: { twins: { kind: 'invariance', file: 'tests/twins.csv', min: 1 } },
      corruptions: 'tests/worse.jsonl',
      approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
      deploy: { model: 'colours' },
    };
  }

  /** What the server says of a file, as docs/api.md tells to ask. */
  async function answered(picture: Buffer): Promise<unknown> {
    const input = { name: 'image', datatype: 'BYTES', shape: [1], data: [picture.toString('base64')] };
    const response = await fetch(`${host.servingUrl}/v2/models/colours/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: [input] }),
    });
    const answer = (await response.json()) as { outputs?: { name: string; data: unknown[] }[] };
    equal(response.status, 200, JSON.stringify(answer));
    return answer.outputs?.find(({ name }) => name === 'label')?.data[0];
  }

  it('goes from a folder of pictures to a served model', async () => {
    await startDefinition(host, 'pictures', await definition());
    const view = await finishRun(host, 'pictures');
    const { report, reportHtml, reason } = await runOutcome(host.temporal.client, 'pictures');
    equal(view.state, 'deployed', reason);
    const entry = (await host.store.store.tree(report)).entries.find(({ path }) => path === 'facts.json');
    ok(entry);
    const facts = await host.store.store.getJson<RunFacts>(entry.digest);
    deepEqual(facts.data?.labels, [...PICTURE_LABELS].toSorted());
    equal(view.steps.find(({ id }) => id === 'privacy')?.state, 'skipped', 'there is no text to scan');
    ok((facts.training?.steps ?? 0) > 0);
    ok((facts.evaluation?.measures.accuracy.value ?? 0) > 0.6);
    const { measures, attack, accuracy } = facts.attack ?? {};
    deepEqual(attack, { epsilonLevels: 2, steps: 3, stepLevels: 5 / 3, pictures: 20 });
    equal(measures?.pgdRobustness.rows, Math.round((accuracy?.value ?? 0) * (accuracy?.rows ?? 0)));
    equal(facts.gates?.gates.find(({ name }) => name === 'pgdRobustness')?.verdict, 'pass');
    // The same pictures, through the exported graph: as many are right.
    const { measures: asked, attack: questions, accuracy: served } = facts.squareAttack ?? {};
    deepEqual(questions, { epsilonLevels: 2, pictures: 20, queries: 20 });
    deepEqual([served?.value, asked?.squareRobustness.rows], [accuracy?.value, measures?.pgdRobustness.rows]);
    equal(facts.gates?.gates.find(({ name }) => name === 'squareRobustness')?.verdict, 'pass');
    const [twins] = facts.evaluation?.behaviour ?? [];
    deepEqual([twins?.name, twins?.score.value, twins?.score.rows], ['twins', 1, PICTURE_LABELS.length]);
    equal(facts.gates?.gates.find(({ name }) => name === 'twins')?.verdict, 'pass');
    const { corruptions, corruptionTable } = facts.evaluation?.diagnosis ?? {};
    deepEqual(
      corruptions?.map(({ name: called, severity }) => [called, severity]),
      OWN_CORRUPTIONS.map(({ name: called, severity }) => [called, severity]),
    );
    equal(corruptionTable?.digest, digestBytes(Buffer.from(jsonLines(OWN_CORRUPTIONS))));
    const html = (await host.store.store.getBytes(reportHtml)).toString('utf8');
    match(html, /own table worse\.jsonl/);
    match(html, /What the pictures show was not looked at/);
    match(html, /under PGD, no pixel moved by more than 2 of 255 levels: 3 steps/);
    const [name] = await readdir(join(host.folder, 'pictures', 'red'));
    equal(await answered(await readFile(join(host.folder, 'pictures', 'red', name ?? ''))), 'red');
  });

  it('makes the same bundle again, to the byte, from the record of its release', async () => {
    const { deployment } = await showRun(host.temporal.client, 'pictures');
    const digest = deployment?.bundle.digest ?? '?';
    const env = { ...process.env, ESPALIER_STATE: host.stateDir, NO_COLOR: '1' };
    const again = await espalier(['--json', 'reproduce', digest], env);
    equal(again.code, 0, `${again.stdout}\n${again.stderr}`);
    equal((JSON.parse(again.stdout) as ReproductionVerdict).bundle?.digest, digest);
  });
});
