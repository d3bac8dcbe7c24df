import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Evaluation } from '../../activities/contract/validation.ts';
import { BEHAVIOUR_FILE, behaviourLines } from '../../activities/data/behaviour.ts';
import { probeEncoder } from '../../activities/selection/probe-encoder.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { askBehaviour } from '../../activities/validation/behaviour-tests.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { judgeGatesStep } from '../../activities/validation/judge-gates.ts';
import { labelsAbove } from '../../inference/labels-above.ts';
import { TextModel } from '../../inference/text-model.ts';
import type { TextPair } from '../../inference/texts.ts';
import { readBehaviourTable } from '../../pipelines/behaviour/table.ts';
import { BehaviourSchema, type BehaviourKind } from '../../pipelines/definition/behaviour.ts';
import { TextGatesSchema } from '../../pipelines/definition/gates.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';

const LABELS = ['even', 'odd'];
const FIRST = 'where is my card';
const SECONDS = 'lost parcel please help me pay again today was the'
  .split(' ')
  .map((word) => `${word} ${word} ${word}`);
const FILES = { plain: 'minimum-functionality', same: 'invariance', moved: 'directional' } as const;

describe('behaviour tables of pairs, asked of an exported model', function () {
  this.timeout(120_000);
  let root: string;
  let storage: TestStore;
  let services: ActivityServices;
  let model: TextModel;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-pair-tables-'));
    storage = await withStore();
    services = {
      store: storage.store,
      pointers: storage.pointers,
      python: { executable: 'unused', packages: 'unused' },
    };
    await writeTinyOnnx(join(root, 'one'), 'classifier');
    await writeTinyOnnx(join(root, 'encoder'), 'encoder');
    model = await TextModel.load(await classifier('single', {}));
  });
  after(async () => {
    await model.release();
    storage.close();
    await rm(root, { recursive: true });
  });

  /** The tiny model as one of pairs. */
  async function classifier(name: string, more: object): Promise<string> {
    const folder = join(root, name);
    await mkdir(folder);
    for (const file of ['model.onnx', 'tokenizer.json']) {
      await writeFile(join(folder, file), await readFile(join(root, 'one', file)));
    }
    const config = JSON.parse(await readFile(join(root, 'one', 'classifier.json'), 'utf8')) as object;
    await writeFile(join(folder, 'classifier.json'), JSON.stringify({ ...config, pairs: true, ...more }));
    return folder;
  }

  /** The probability of `odd` of each pair. */
  async function chances(pairs: readonly TextPair[]): Promise<readonly number[]> {
    const { probabilities } = await model.runAll(pairs);
    return pairs.map((_, row) => probabilities![row * 2 + 1]!);
  }

  /** `tables`: CSV, as people write them. */
  async function evaluated(
    folder: string,
    tables: Readonly<Record<keyof typeof FILES, string>>,
    { separator, labelled }: { readonly separator?: string; readonly labelled: (odd: number) => object },
  ): Promise<Evaluation> {
    const at = await mkdtemp(join(root, 'dataset-'));
    for (const [split, start] of [
      ['train', 0],
      ['validation', 100],
      ['test', 200],
    ] as const) {
      const pairs = Array.from({ length: 40 }, (_, row): TextPair => [
        `${SECONDS[row % 7]!} ${start + row}`,
        `${SECONDS[(row * 3) % 10]!} ${row}`,
      ]);
      const rows = (await chances(pairs)).map((odd, row) => {
        const [text, pair] = pairs[row]!;
        return `${JSON.stringify({ id: `${split}-${row}`, text, pair, ...labelled(row % 5 === 0 ? 1 - odd : odd) })}\n`;
      });
      await writeFile(join(at, `${split}.jsonl`), rows.join(''));
    }
    await writeFile(join(at, 'labels.json'), JSON.stringify(LABELS));
    const tests = Object.entries(tables).flatMap(([table, csv]) => {
      const kind: BehaviourKind = FILES[table as keyof typeof FILES];
      const read = readBehaviourTable(Buffer.from(csv), kind, 'csv', { pairs: true, separator });
      deepEqual(read.problems, []);
      return read.tests.map((test) => ({ table, file: `${table}.csv`, ...test }));
    });
    await writeFile(join(at, BEHAVIOUR_FILE), behaviourLines(tests));
    const { store } = services;
    const [dataset, encoder] = [
      await store.putTree(at, 'dataset'),
      await store.putTree(join(root, 'encoder'), 'encoder'),
    ];
    const several = separator === undefined ? {} : { multiLabel: true as const };
    const { probe } = await runStep(probeEncoder, { encoder, dataset, neighbours: 5, seed: 7, ...several }, services);
    const ref = await store.putTree(folder, 'classifier');
    const input = { classifier: ref, dataset, baseline: { encoder, probe }, exportParityMaxAbs: 2e-7, seed: 7 };
    return runStep(evaluateModel, input, services);
  }

  /** The second texts beside which the first is least and most probably odd. */
  async function extremes(): Promise<readonly [low: string, high: string]> {
    const odd = await chances(SECONDS.map((second) => [FIRST, second]));
    const sorted = SECONDS.map((second, at) => ({ second, odd: odd[at]! })).toSorted((a, b) => a.odd - b.odd);
    return [sorted[0]!.second, sorted.at(-1)!.second];
  }

  it('are answered by both texts, and judged as gates that name the first test that does not hold', async () => {
    const [low, high] = await extremes();
    const [odd, more] = await chances([
      [FIRST, low],
      [FIRST, high],
    ]);
    ok(more! - odd! > 0.01, 'the second text tells, whatever the first is');
    const evaluation = await evaluated(
      join(root, 'single'),
      {
        plain: `text,pair,label\n${FIRST},${low},${LABELS[Number(odd! > 0.5)]}\n${FIRST},${high},${LABELS[Number(more! <= 0.5)]}\n`,
        // Joined the other way round the tiny model, which takes the mean over the tokens, says the same.
        same: `text,pair,other,otherPair\n${FIRST},${low},${low},${FIRST}\n`,
        moved: `text,pair,edited,editedPair,label,mustNot,by\n${FIRST},${low},,${high},odd,fall,0\n${FIRST},${high},,${low},odd,fall,0\n`,
      },
      { labelled: (chance) => ({ label: LABELS[Number(chance > 0.5)] }) },
    );
    const measured = evaluation.behaviour ?? [];
    deepEqual(
      measured.map(({ name, score, failures }) => [name, score.value, failures.map(({ line }) => line)]),
      [
        ['plain', 0.5, [3]],
        ['same', 1, []],
        ['moved', 0.5, [3]],
      ],
    );
    const gone = `odd goes from ${more!.toFixed(2)} to ${odd!.toFixed(2)} and must not fall by more than 0`;
    equal(measured[2]?.failures[0]?.problem, gone);
    equal(measured[2].failures[0].texts, undefined);
    const { behaviour } = await services.store.getJson<Pick<Evaluation, 'behaviour'>>(evaluation.details);
    deepEqual(behaviour?.[2]?.failures[0]?.texts, [
      [FIRST, high],
      [FIRST, low],
    ]);

    const table = (name: keyof typeof FILES, min: number) => ({ kind: FILES[name], file: `${name}.csv`, min });
    const gates = BehaviourSchema.parse({
      same: table('same', 1),
      moved: table('moved', 0.6),
      plain: table('plain', 0.5),
    });
    const verdict = await runStep(
      judgeGatesStep,
      { measures: evaluation.measures, gates: TextGatesSchema.parse({}), behaviour: { gates, measured } },
      services,
    );
    const verdicts = verdict.gates.filter(({ name }) => name in gates);
    deepEqual(
      verdicts.map(({ name, verdict: one }) => [name, one]),
      [
        ['same', 'pass'],
        ['moved', 'fail'],
        ['plain', 'pass'],
      ],
    );
    match(verdicts[1]!.reason, /behaviour\.moved\.min \(0\.6\); moved\.csv:3 odd goes from/);
  });

  it('compare the set of labels where a pair may have several', async () => {
    const [low, high] = await extremes();
    const pairs: readonly TextPair[] = [
      [FIRST, low],
      [FIRST, high],
    ];
    const [odd = 0, more = 0] = await chances(pairs);
    // `even` applies to both, `odd` to the second alone.
    const thresholds = [(1 - more) / 2, (odd + more) / 2];
    const setOf = (chance: number) => labelsAbove([1 - chance, chance], thresholds).map((label) => LABELS[label]);
    deepEqual([setOf(odd), setOf(more)], [['even'], LABELS]);
    const evaluation = await evaluated(
      await classifier('several', { thresholds }),
      {
        plain: `text,pair,labels\n${FIRST},${low},even\n${FIRST},${high},odd|even\n${FIRST},${high},odd\n`,
        same: `text,pair,other,otherPair\n${FIRST},${high},${high},${FIRST}\n${FIRST},${high},,${low}\n`,
        moved: `text,pair,edited,editedPair,label,mustNot,by\n${FIRST},${low},,${high},even,rise,0\n`,
      },
      { separator: '|', labelled: (chance) => ({ labels: setOf(chance) }) },
    );
    deepEqual(
      evaluation.behaviour?.map(({ name, score, failures }) => [name, score.value, failures.map(({ line }) => line)]),
      [
        ['plain', 2 / 3, [4]],
        ['same', 0.5, [3]],
        ['moved', 1, []],
      ],
    );
  });

  it('read of long texts what the model reads: all of them in windows, else their beginning', async () => {
    const [low, high] = await extremes();
    const long = `${low} `.repeat(20);
    const csv = `text,pair,edited,editedPair,label,mustNot,by\n${FIRST},${long},,${long}${high},odd,rise,0\n`;
    const { tests } = readBehaviourTable(Buffer.from(csv), 'directional', 'csv', { pairs: true });
    const stored = tests.map((test) => ({ table: 'moved', file: 'moved.csv', ...test }));
    const windowed = await TextModel.load(await classifier('windows', { windows: { overlap: 0.25, most: 8 } }));
    const [cut] = await askBehaviour(model, LABELS, stored);
    const [whole] = await askBehaviour(windowed, LABELS, stored);
    await windowed.release();
    deepEqual([cut?.score.value, whole?.score.value], [1, 0]);
  });
});
