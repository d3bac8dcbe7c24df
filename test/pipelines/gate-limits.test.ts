import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Score } from '../../activities/contract/measures.ts';
import { measureModel } from '../../activities/selection/profile-encoder.ts';
import { heavier } from '../../bench/gates/heavier.ts';
import { limitRates, SLOW_FROM, type HeldGate, type Measured } from '../../bench/gates/limits.ts';
import { rateTable } from '../../bench/gates/rates.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { makePictures, tinyPictureClassifier } from '../support/tiny-pictures.ts';

const of = (value: number, more: object = {}): Score => ({ value, interval: null, rows: 100, ...more });
/** What a busy machine says of a time: no more than a bound from above, and where it is known from below. */
const bound = (value: number, noLessThan?: number): Score =>
  of(value, { noMoreThan: 'it was busy', ...(noLessThan === undefined ? {} : { noLessThan }) });
const gate = (name: 'sizeMb' | 'latencyP95Ms', more: Partial<HeldGate> = {}): HeldGate => {
  return { gate: name, row: GATE_TABLE[name], within: ['small'], beyond: ['large'], ...more };
};
const measured = (name: string, small: readonly Score[], large: readonly Score[]): Measured =>
  new Map([
    ['small', small.map((score) => ({ [name]: score }))],
    ['large', large.map((score) => ({ [name]: score }))],
  ]);

describe('the measurement of limits', () => {
  it('sets a limit by what is measured first, and judges the others: half-way where it is a size', () => {
    const told: string[] = [];
    const scores = measured('sizeMb', [of(1), of(9), of(11)], [of(100), of(11), of(9)]);
    const [rate] = limitRates(scores, [gate('sizeMb')], 'models', (line) => told.push(line));
    deepEqual([rate?.caught, rate?.planted, rate?.accused, rate?.clean], [1, 2, 1, 2]);
    deepEqual([rate?.gate, rate?.defect, rate?.on], ['sizeMb', 'large', 'models']);
    match(told.join('\n'), /^models: sizeMb max 10\.0\n {2}small: 1\.00 to 11\.0, .* kept 1, broken 1, not measured 0/);
  });

  it('counts by itself what a busy machine does not tell: neither caught nor accused, and shown', () => {
    const small = [of(2), bound(5), bound(50), of(7)];
    const large = [of(20), bound(50), bound(50, 8), of(20)];
    const rates = limitRates(
      measured('latencyP95Ms', small, large),
      [gate('latencyP95Ms', { timesWithin: SLOW_FROM })],
      'models',
      () => undefined,
    );
    const [rate] = rates;
    // The limit is 6: 5 is within it on the busiest machine, and 8 are computed at least.
    deepEqual([rate?.caught, rate?.planted, rate?.accused, rate?.clean], [2, 2, 1, 2]);
    deepEqual(rate?.notMeasured, { planted: 1, clean: 1 });
    match(rateTable(rates), /\| 2 of 2 \(15\.8 to 100\.0 %\), 1 not measured \| \*\*1 of 2 .*\*\*, 1 not measured \|$/);
  });

  it('plants what takes memory: a process that answers holds it as long as it runs', async function () {
    this.timeout(300_000);
    const scratch = await mkdtemp(join(tmpdir(), 'espalier-heavier-'));
    try {
      const folder = await tinyPictureClassifier();
      const padded = await heavier(folder, scratch, 'embedding', { megabytes: 64 });
      const [picture] = await makePictures(1, 3);
      const pictures = [join(scratch, 'picture.png')];
      await writeFile(pictures[0]!, picture!.bytes);
      const [usual, more] = [
        await measureModel({ folder, pictures }, new AbortController().signal),
        await measureModel({ folder: padded, pictures }, new AbortController().signal),
      ];
      const beyond = [more.memoryMb - usual.memoryMb, more.processMb - usual.processMb];
      ok(
        beyond.every((mb) => mb > 48),
        beyond.join(),
      );
    } finally {
      await rm(scratch, { recursive: true });
    }
  });

  it('asks a graph that has more to compute and to hold, and answers as before', async function () {
    this.timeout(60_000);
    const scratch = await mkdtemp(join(tmpdir(), 'espalier-heavier-'));
    try {
      const folder = await tinyPictureClassifier();
      const [slow, large] = [
        await heavier(folder, scratch, 'embedding', { products: 3 }),
        await heavier(folder, scratch, 'embedding', { megabytes: 2 }),
      ];
      const size = async (at: string) => (await stat(join(at, 'model.onnx'))).size;
      ok((await size(large)) > 1.9e6 && (await size(slow)) < (await size(folder)) + 20_000);
      const pictures = (await makePictures(4, 3)).map(({ bytes }) => bytes);
      const answersOf = async (at: string) => {
        const model = await ImageModel.load(at);
        const { probabilities, embeddings } = await model.run(pictures);
        await model.release();
        return [[...embeddings], [...(probabilities ?? [])]];
      };
      const asItCame = await answersOf(folder);
      for (const changed of [slow, large]) deepEqual(await answersOf(changed), asItCame);
      // What does not hang on the input would be worked out once, and dropped.
      const graph = (await readFile(slow + '/model.onnx')).toString('latin1');
      equal(graph.split('heavier/product-2').length > 1, true);
    } finally {
      await rm(scratch, { recursive: true });
    }
  });
});
