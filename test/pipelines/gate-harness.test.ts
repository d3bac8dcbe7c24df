import { deepEqual, equal, match, ok, throws } from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { DEFECTS, MEASUREMENTS, MODELS, PLANTED, plantedTable, type Model } from '../../bench/gates/catalogue.ts';
import { PROMISED, promised } from '../../bench/gates/picture-trials.ts';
import { missesOf, rateTable, type Rate } from '../../bench/gates/rates.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';
import { MEMORISATION_GATE_TABLE } from '../../pipelines/gates/memorisation.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';

const bench = new URL('../../bench/', import.meta.url);
const TABLES: Readonly<Record<Model, object>> = {
  'classifies texts': GATE_TABLE,
  'classifies pictures': GATE_TABLE,
  'finds pictures': RETRIEVAL_GATE_TABLE,
  generates: { ...GENERATION_GATE_TABLE, ...MEMORISATION_GATE_TABLE },
};
const rate = (caught: number, planted: number, accused: number, clean: number): Rate => ({
  gate: 'sliceGap',
  defect: 'a slice',
  on: 'a set',
  caught,
  planted,
  accused,
  clean,
});

describe('the harness of the gates', () => {
  it('plants each defect by measurements that it has, for gates that such a model has, or says why not', () => {
    const used = new Set<string>();
    for (const defect of DEFECTS) {
      for (const model of MODELS) {
        const planted = PLANTED[defect][model];
        if ('none' in planted) continue;
        ok(planted.gates.length > 0 && planted.by.length > 0, `${defect}, ${model}`);
        for (const gate of planted.gates) ok(gate in TABLES[model], `${gate} is no gate of a model that ${model}`);
        for (const name of planted.by) used.add(name);
      }
      ok(
        MODELS.some((model) => 'gates' in PLANTED[defect][model]),
        `nothing plants: ${defect}`,
      );
    }
    for (const name of used) ok(name in MEASUREMENTS, name);
  });

  it('knows every bench of a gate, and which of them hold their rates to the goals', async () => {
    const known = Object.values(MEASUREMENTS).map(({ script }) => script);
    equal(new Set(known).size, known.length);
    const scripts = (await readdir(bench)).filter((name) => /^gates\b.*\.ts$/.test(name));
    deepEqual(
      scripts.filter((name) => name !== 'gates-harness.ts' && !known.some((one) => one === name)),
      [],
    );
    for (const { script, tellsRates } of Object.values(MEASUREMENTS)) {
      equal((await readFile(new URL(script, bench), 'utf8')).includes('holdToGoals('), tellsRates, script);
    }
  });

  it('has its table of defects in docs/benchmarks.md', async () => {
    const text = await readFile(new URL('../../docs/benchmarks.md', import.meta.url), 'utf8');
    for (const line of plantedTable().split('\n'))
      ok(text.includes(line), `docs/benchmarks.md lacks the line\n${line}`);
  });

  it('plants in classifiers of pictures the sizes that docs/gates.md promises to show, of too few rows none', async () => {
    const text = await readFile(new URL('../../docs/gates.md', import.meta.url), 'utf8');
    const head = text.split('\n').find((line) => line.includes('| n = 20 |'))!;
    const cells = (line: string): string[] => line.split('|').map((cell) => cell.trim().replace('n = ', ''));
    for (const [gate, sizes] of Object.entries(PROMISED)) {
      const row = text
        .split('\n')
        .find((line) => line.startsWith(`| \`${gate}\` |`) && line.split('|').length === head.split('|').length)!;
      const told = cells(head).flatMap((rows, at) => {
        const size = Number(cells(row)[at]);
        return /^\d+$/.test(rows) && Number.isFinite(size) ? [[rows, size] as const] : [];
      });
      deepEqual(Object.entries(sizes), told, gate);
    }
    equal(promised('calibrationError', 399), 0.175);
    throws(() => promised('calibrationError', 99), RangeError);
  });

  it('takes 95 of 100 caught and 5 of 100 accused for met, and nothing planted or drawn for missed', () => {
    deepEqual(missesOf(rate(95, 100, 5, 100)), []);
    deepEqual(missesOf(rate(94, 100, 5, 100)), ['caught']);
    deepEqual(missesOf(rate(95, 100, 6, 100)), ['accused']);
    deepEqual(missesOf(rate(0, 0, 0, 10)), ['caught']);
    deepEqual(missesOf(rate(10, 10, 0, 0)), ['accused']);
    match(
      rateTable([rate(9, 10, 0, 10)]),
      /\| \*\*9 of 10 \(55\.5 to 99\.7 %\)\*\* \| 0 of 10 \(0\.0 to 30\.8 %\) \|$/,
    );
  });
});
