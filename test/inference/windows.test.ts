import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert as holds, double, integer, property, record } from 'fast-check';
import { TextModel } from '../../inference/text-model.ts';
import type { TextInput } from '../../inference/texts.ts';
import { TextTokenizer } from '../../inference/tokenizer.ts';
import { mostTokens, spans, type Line } from '../../inference/windows.ts';
import { pythonForTests } from '../support/python.ts';
import { tinyGpt } from '../support/tiny-gpt.ts';
import { tinyModel } from '../support/tiny-model.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';

const WINDOWS = { overlap: 0.25, most: 4 };
const LONG = Array.from({ length: 60 }, (_, word) => ['card', 'refund', 'order', 'late', 'why'][word % 5]).join(' ');

/** By the trainer's own code. */
const PYTHON = `
import json, sys
sys.path.insert(0, "workers/trainer")
from tokenizers import Tokenizer
from espalier_trainer.data import tokenize
from espalier_trainer.windows import Windows
request = json.load(sys.stdin)
tokenizer = Tokenizer.from_file(request["file"])
texts = [text if isinstance(text, str) else tuple(text) for text in request["texts"]]
answers = []
for length, windows in request["asked"]:
    rows = tokenize(tokenizer, texts, [0] * len(texts), length, Windows.of(windows))
    lines = [[(rows.tokens[row], rows.types[row]), *rows.further.get(row, [])] for row in range(len(rows))]
    answers.append([[{"ids": ids.tolist(), "types": types.tolist()} for ids, types in windows] for windows in lines])
json.dump(answers, sys.stdout)
`;

describe('windows of a long text', () => {
  const lengths = record({
    tokens: integer({ min: 0, max: 5000 }),
    room: integer({ min: 4, max: 510 }),
    overlap: double({ min: 0, max: 0.5, noNaN: true }),
    most: integer({ min: 2, max: 64 }),
  });

  it('are full, overlap as much as was asked, and reach the end where there may be enough of them', () => {
    holds(
      property(lengths, ({ tokens, room, overlap, most }) => {
        const found = spans(tokens, room, { overlap, most });
        if (tokens <= room) return deepEqual(found, [[0, tokens]]);
        ok(found.length >= 2 && found.length <= most);
        equal(found[0]![0], 0);
        equal(found.at(-1)![1], Math.min(tokens, mostTokens(room, { overlap, most })));
        for (const [index, [start, end]] of found.entries()) {
          equal(end - start, room);
          const next = found[index + 1];
          if (next === undefined) continue;
          ok(next[0] > start && end - next[0] >= Math.floor(overlap * room), `${end} and ${next[0]}`);
        }
      }),
    );
  });

  it('are no more than it takes', () => {
    equal(spans(100, 50, { overlap: 0, most: 8 }).length, 2);
    equal(spans(101, 50, { overlap: 0, most: 8 }).length, 3);
    deepEqual(spans(90, 40, { overlap: 0.25, most: 8 }), [
      [0, 40],
      [25, 65],
      [50, 90],
    ]);
  });
});

describe('a model that reads long texts in windows', () => {
  let root: string;
  let cut: string;
  let windowed: string;
  let encoder: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-windows-'));
    [cut, windowed, encoder] = [join(root, 'cut'), join(root, 'windowed'), join(root, 'encoder')];
    await writeTinyOnnx(cut, 'classifier', 12);
    await withWindows(windowed, 'classifier');
    await withWindows(encoder, 'encoder');
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function withWindows(folder: string, kind: 'classifier' | 'encoder', more: object = {}): Promise<void> {
    await writeTinyOnnx(folder, kind, 12);
    const file = join(folder, `${kind}.json`);
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), windows: WINDOWS, ...more }));
  }

  it('takes the same tokens as the trainer, of one text and of two, whatever the tokenizer puts around them', async () => {
    const hard = ['', 'ok', 'Wo ist 我的卡 😀? '.repeat(40), '[SEP] a [CLS] '.repeat(30), LONG, 'x'.repeat(300)];
    const pairs = hard.flatMap((text, at) => [1, 3].map((step) => [text, hard[(at + step) % hard.length]!] as const));
    const texts: readonly TextInput[] = [...hard, ...pairs];
    const asked = [
      [16, WINDOWS],
      [17, { overlap: 0.5, most: 64 }],
      [8, { overlap: 0, most: 2 }],
    ] as const;
    for (const folder of [await tinyModel(), (await tinyGpt()).model]) {
      const file = join(folder, 'tokenizer.json');
      const input = JSON.stringify({ file, texts, asked });
      const child = spawnSync(pythonForTests().executable, ['-c', PYTHON], { input, encoding: 'utf8' });
      equal(child.status, 0, child.stderr);
      const expected = JSON.parse(child.stdout) as Line[][][];
      for (const [place, [maxLength, windows]] of asked.entries()) {
        const tokenizer = await TextTokenizer.load(file, maxLength, windows);
        const found = await tokenizer.lines(texts);
        for (const [row, lines] of found.entries()) {
          ok(lines.length <= windows.most && lines.every(({ ids }) => ids.length <= maxLength));
          const wanted = expected[place]![row];
          const plain = lines.map(({ ids, types }) => ({ ids, types }));
          deepEqual(plain, wanted, `${JSON.stringify(texts[row]).slice(0, 60)} within ${maxLength}`);
        }
      }
    }
  });

  it('has the special tokens around each window, and the whole first text of a pair', async () => {
    const tokenizer = await TextTokenizer.load(join(windowed, 'tokenizer.json'), 12, { overlap: 0, most: 8 });
    const [lines] = await tokenizer.lines([LONG]);
    const [[whole] = []] = await (await TextTokenizer.load(join(windowed, 'tokenizer.json'), 1000)).lines([LONG]);
    const [first, last] = [whole!.ids[0], whole!.ids.at(-1)];
    ok(lines!.length > 4);
    for (const { ids } of lines!) deepEqual([ids.length, ids[0], ids.at(-1)], [12, first, last]);
    deepEqual(lines!.flatMap(({ ids }) => ids.slice(1, -1)).slice(0, 10), whole!.ids.slice(1, 11));
    const [pairs] = await tokenizer.lines([['why late', LONG]]);
    const [[head] = []] = await tokenizer.lines(['why late']);
    ok(pairs!.length > 1);
    for (const { ids } of pairs!) deepEqual(ids.slice(0, 4), head!.ids.slice(0, 4));
  });

  it('says of a long text what the mean of the logits of its windows says, and gives their mean embedding', async () => {
    const model = await TextModel.load(windowed);
    const [lines] = await (await TextTokenizer.load(join(windowed, 'tokenizer.json'), 12, WINDOWS)).lines([LONG]);
    equal(lines?.length, 4);
    // tiny_onnx.py: the embedding is the mean of (id, 1, id mod 3), the logits (0, mean of id mod 3).
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const modulo = mean(lines.map(({ ids }) => mean(ids.map((id) => id % 3))));
    const { embeddings, probabilities } = await model.run(['card', LONG]);
    const expected = [mean(lines.map(({ ids }) => mean(ids))), 1, modulo];
    expected.forEach((value, at) => ok(Math.abs(value - embeddings[3 + at]!) < 1e-4));
    ok(Math.abs(probabilities![3]! - 1 / (1 + Math.exp(-modulo))) < 1e-6);
    ok(Math.abs(probabilities![2]! + probabilities![3]! - 1) < 1e-6);
    await model.release();
    // Where a text may have several labels, each is asked about by itself.
    const several = join(root, 'several');
    await withWindows(several, 'classifier', { thresholds: [0.5, 0.5] });
    const each = await TextModel.load(several);
    const said = (await each.run([LONG])).probabilities!;
    deepEqual(said[0], 0.5);
    ok(Math.abs(said[1]! - 1 / (1 + Math.exp(-modulo))) < 1e-6);
    await each.release();
  });

  it('says of a short text to the bit what it would say if long ones were cut', async () => {
    const [model, other] = [await TextModel.load(windowed), await TextModel.load(cut)];
    const texts = ['card', '', 'my order is late'];
    const [found, expected] = [await model.run(texts), await other.run(texts)];
    deepEqual([found.embeddings, found.probabilities], [expected.embeddings, expected.probabilities]);
    await Promise.all([model.release(), other.release()]);
  });

  it('answers many texts as it answers one, in order, whatever the batches', async () => {
    for (const folder of [windowed, encoder]) {
      const model = await TextModel.load(folder);
      const texts = Array.from({ length: 45 }, (_, row) => LONG.slice(0, (row * 53) % LONG.length));
      const seen: number[] = [];
      const all = await model.runAll(texts, { batchSize: 7, onProgress: (done) => seen.push(done) });
      equal(seen.at(-1), 45);
      for (const [row, text] of texts.entries()) {
        const one = await model.run([text]);
        const found = [
          ...all.embeddings.subarray(row * 3, row * 3 + 3),
          ...(all.probabilities?.subarray(row * 2, row * 2 + 2) ?? []),
        ];
        [...one.embeddings, ...(one.probabilities ?? [])].forEach((value, at) =>
          ok(Math.abs(value - found[at]!) < 1e-4, `${row}`),
        );
      }
      await model.release();
    }
  });

  it('stops between windows at an abort', async () => {
    const model = await TextModel.load(windowed);
    const signal = AbortSignal.abort();
    await model.runAll([LONG], { signal }).then(
      () => ok(false, 'was not stopped'),
      (error: Error) => equal(error.name, 'AbortError'),
    );
    await model.release();
  });
});
