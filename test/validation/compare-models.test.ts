import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CompareModelsInput, ModelComparison } from '../../activities/contract/validation.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { compareModels } from '../../activities/validation/compare-models.ts';
import { mcnemar, pairedShareInterval } from '../../activities/validation/paired.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { TextModel } from '../../inference/text-model.ts';
import { TEXTS, tinyClassifier, withServices } from '../support/bundle.ts';
import { runStep } from '../support/step.ts';

const LABELS = ['even', 'odd'];
/** The new model errs on these two rows and on no other. */
const WRONG = [5, 11];

describe('comparing with the model in production', function () {
  let services: ActivityServices;
  let production: ArtifactRef;
  let candidate: ArtifactRef;
  let evaluation: ArtifactRef;
  let standing: readonly string[];

  const truth = (row: number): string => LABELS[Math.floor(row / 2) % 2] as string;
  const other = (label: string): string => LABELS.find((one) => one !== label) as string;
  const tree = async (files: Readonly<Record<string, string | Uint8Array>>): Promise<ArtifactRef> =>
    services.store.putManifest(
      await Promise.all(
        Object.entries(files).map(async ([path, bytes]) => ({
          path,
          ref: await services.store.putBytes(bytes, { name: path, mediaType: 'application/octet-stream' }),
        })),
      ),
      'tree',
    );
  const model = async (
    labels: readonly string[],
    more: Readonly<Record<string, string>> = {},
    pairs?: true,
  ): Promise<ArtifactRef> => {
    const folder = await tinyClassifier();
    const config = JSON.parse(await readFile(join(folder, 'classifier.json'), 'utf8')) as object;
    return tree({
      'model.onnx': await readFile(join(folder, 'model.onnx')),
      'tokenizer.json': await readFile(join(folder, 'tokenizer.json')),
      'classifier.json': JSON.stringify({ ...config, labels, pairs }),
      ...more,
    });
  };
  const lines = (rows: readonly number[], pair?: string): string =>
    rows.map((row) => `${JSON.stringify({ id: `r${row}`, text: TEXTS[row], pair, label: truth(row) })}\n`).join('');
  const dataset = (test: readonly number[], train: readonly number[] = [], pair?: string): Promise<ArtifactRef> =>
    tree({ 'train.jsonl': lines(train), 'validation.jsonl': '', 'test.jsonl': lines(test, pair) });
  const evaluated = (labels: readonly string[] = LABELS): Promise<ArtifactRef> =>
    services.store.putJson(
      {
        labels,
        predictions: TEXTS.map((_, row) => ({
          rowId: `r${row}`,
          predicted: WRONG.includes(row) ? other(truth(row)) : truth(row),
          probability: 0.5 + row / 100,
        })),
      },
      'evaluation.json',
    );
  const all = TEXTS.map((_, row) => row);
  const compare = async (
    change: {
      readonly production?: ArtifactRef;
      readonly seen?: readonly number[];
      readonly seenDataset?: ArtifactRef;
      readonly evaluation?: ArtifactRef;
      readonly test?: readonly number[];
      /** The second text of every test row. */
      readonly pair?: string;
    } = {},
  ): Promise<ModelComparison> => {
    const input: CompareModelsInput = {
      production: {
        bundle: `sha256:${'b'.repeat(64)}`,
        classifier: change.production ?? production,
        dataset: change.seenDataset ?? (await dataset([], change.seen ?? [])),
      },
      candidate: { classifier: candidate, evaluation: change.evaluation ?? evaluation },
      dataset: await dataset(change.test ?? all, [], change.pair),
      gate: { min: 0, severity: 'fail' },
      macroF1Gate: { min: 0, severity: 'warn' },
      seed: 7,
    };
    return runStep(compareModels, input, services);
  };

  before(async () => {
    services = await withServices();
    // Its classes stand in the other order than the new one's.
    production = await model(['odd', 'even'], { 'classifier.note': 'another tree' });
    candidate = await model(LABELS);
    evaluation = await evaluated();
    const loaded = await TextModel.load(await tinyClassifier());
    const { probabilities = new Float32Array() } = await loaded.runAll(TEXTS);
    await loaded.release();
    standing = TEXTS.map((_, row) =>
      (probabilities[2 * row] ?? 0) >= (probabilities[2 * row + 1] ?? 0) ? 'odd' : 'even',
    );
  });

  it('counts the rows won and lost, whatever the order of the labels is, with test, interval and examples', async () => {
    const result = await compare();
    ok(result.comparable);
    const right = (row: number): boolean => standing[row] === truth(row);
    const won = all.filter((row) => !WRONG.includes(row) && !right(row));
    const lost = all.filter((row) => WRONG.includes(row) && right(row));
    ok(won.length > 2, 'the test compares something');
    deepEqual([result.rows, result.rowsKnown, result.won, result.lost], [24, 0, won.length, lost.length]);
    const counts = { won: won.length, lost: lost.length };
    deepEqual({ exactP: result.exactP, midP: result.midP }, mcnemar(counts));
    deepEqual(result.accuracy.difference, {
      value: (won.length - lost.length) / 24,
      interval: pairedShareInterval(counts, 24),
      rows: 24,
    });
    // Better here, so it is not shown to be worse: the gate judges the end that would have to show it.
    deepEqual([result.gate?.verdict, result.gate?.measured], ['pass', pairedShareInterval(counts, 24).high]);
    equal(result.accuracy.candidate.value, 22 / 24);
    equal(result.accuracy.production.value, all.filter(right).length / 24);
    const f1 = result.macroF1.difference;
    ok(f1.interval !== null && f1.value !== null && f1.interval.low <= f1.value && f1.value <= f1.interval.high);
    deepEqual(
      [result.macroF1Gate?.name, result.macroF1Gate?.verdict, result.macroF1Gate?.measured],
      ['macroF1OverProduction', 'pass', f1.interval.high],
    );
    // The surest first, of which there are ten at most.
    deepEqual(
      result.wonExamples.map(({ rowId }) => rowId),
      won
        .toReversed()
        .slice(0, 10)
        .map((row) => `r${row}`),
    );
    const [first] = result.wonExamples;
    const row = won.at(-1) as number;
    deepEqual(first, { rowId: `r${row}`, expected: truth(row), production: standing[row], candidate: truth(row) });
    const { production, candidate } = result.latency;
    // How often a model is asked hangs on how busy the machine is.
    ok(production.p95Ms > 0 && production.runs > 0 && candidate.runs > 0);
    deepEqual(result.sizeMb.production, result.sizeMb.candidate);
    const details = await services.store.getJson<{ rows: unknown[] }>(result.details);
    equal(details.rows.length, 24);
    ok(!JSON.stringify(result).includes('and so on'), 'no text of a row is in the result');
  });

  it('warns of labels that it serves worse than the one in production, with a row of each that only that has right', async () => {
    const rows = all.filter((row) => standing[row] === truth(row));
    const [most] = LABELS.toSorted((a, b) => times(b) - times(a)) as [string];
    function times(label: string): number {
      return rows.filter((row) => truth(row) === label).length;
    }
    const lost = rows.filter((row) => truth(row) === most).slice(1);
    ok(lost.length > 5, 'production is right about some rows');
    const worse = await services.store.putJson(
      {
        labels: LABELS,
        predictions: rows.map((row) => ({
          rowId: `r${row}`,
          predicted: lost.includes(row) ? other(truth(row)) : truth(row),
          probability: 0.5 + row / 100,
        })),
      },
      'evaluation.json',
    );
    const result = await compare({ evaluation: worse, test: rows });
    ok(result.comparable && result.macroF1Gate !== undefined);
    deepEqual([result.lost, result.macroF1Gate.verdict], [lost.length, 'warn']);
    match(result.macroF1Gate.reason, /the upper end of its 95 % interval, -0\.\d+, is below/);
    // Whichever labels lose F1 by it, the surest of the rows is of both.
    deepEqual(result.macroF1Gate.examples?.ids, [`r${lost.at(-1)}`]);
  });

  it('leaves out the test rows that production was trained or chosen on', async () => {
    const seen = all.filter((row) => row % 3 === 0);
    const result = await compare({ seen });
    ok(result.comparable);
    deepEqual([result.rows, result.rowsKnown], [24 - seen.length, seen.length]);
    ok([...result.wonExamples, ...result.lostExamples].every(({ rowId }) => !seen.includes(Number(rowId.slice(1)))));
    const none = await compare({ seen: all });
    ok(!none.comparable);
    match(none.reason, /trained or chosen on every one of the 24 test rows/);
  });

  it('says that nobody can tell where the data of production are gone', async () => {
    const gone = { digest: `sha256:${'9'.repeat(64)}`, mediaType: 'x', size: 1, name: 'gone' } as const;
    const result = await compare({ seenDataset: gone });
    ok(result.comparable);
    deepEqual([result.rows, result.rowsKnown], [24, null]);
  });

  const refused: readonly (readonly [string, () => Promise<Parameters<typeof compare>[0]>, RegExp])[] = [
    [
      'the labels differ',
      async () => ({ production: await model(['odd', 'prime']) }),
      /only the new one knows 'even', only the one in production knows 'prime'/,
    ],
    ['it is the same model', () => Promise.resolve({ production: candidate }), /this very model/],
    [
      'only the new one takes pairs of texts',
      () => Promise.resolve({ pair: 'and more' }),
      /takes one text a row, the new/,
    ],
    [
      'only the one in production takes pairs of texts',
      async () => ({ production: await model(LABELS, {}, true) }),
      /takes two texts a row, the new/,
    ],
    [
      'its graph is damaged',
      async () => ({ production: await model(LABELS, { 'model.onnx': 'no graph' }) }),
      /model\.onnx cannot be loaded/,
    ],
    [
      'it is no classifier of ours',
      async () => ({ production: await tree({ 'weights.bin': 'x' }) }),
      /neither classifier\.json nor encoder\.json/,
    ],
    [
      'its bytes are gone',
      () =>
        Promise.resolve({
          production: { digest: `sha256:${'8'.repeat(64)}`, mediaType: 'x', size: 1, name: 'gone' } as const,
        }),
      /not in the store/,
    ],
    [
      'the evaluation lacks a row',
      async () => ({ evaluation: await services.store.putJson({ labels: LABELS, predictions: [] }, 'e') }),
      /no answer to test row r0/,
    ],
  ];
  for (const [what, change, reason] of refused) {
    it(`says why there is no comparison where ${what}`, async () => {
      const result = await compare(await change());
      ok(!result.comparable);
      match(result.reason, reason);
      equal(result.bundle, `sha256:${'b'.repeat(64)}`);
    });
  }

  it('is tried again where the store cannot be reached', async () => {
    const away = Object.assign(Object.create(services.store) as typeof services.store, {
      checkout: () => Promise.reject(new EspalierError('NetworkUnavailable', 'the store is away')),
    });
    const input = {
      production: { bundle: `sha256:${'b'.repeat(64)}`, classifier: production, dataset: await dataset([]) },
      candidate: { classifier: candidate, evaluation },
      dataset: await dataset(all),
      seed: 7,
    } as const;
    await rejects(runStep(compareModels, input, { ...services, store: away }), { kind: 'NetworkUnavailable' });
  });
});
