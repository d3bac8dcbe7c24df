import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { PromptRow } from '../../activities/data/prompts.ts';
import { adherenceBySlice, promptSlices } from '../../activities/generation/prompt-slices.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { GenerationGatesSchema } from '../../pipelines/definition/generation-gates.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';

const question = { role: 'user', content: 'And then?' } as const;
const rowOf = (at: number, length: number, earlier: number): PromptRow => ({
  id: `row ${at}`,
  prompt: 'x'.repeat(length),
  history: Array.from({ length: earlier }, () => question),
});
const verdictOf = (rows: readonly PromptRow[], keeps: (row: PromptRow) => boolean) => {
  const answers = rows.map((row) => ({ row, text: `answer to ${row.id}` }));
  const judged = rows.map((row) => ({ adherent: keeps(row), broken: keeps(row) ? [] : ['short'] }));
  const found = adherenceBySlice(answers, judged);
  const limit = GenerationGatesSchema.parse({}).sliceGap;
  return { ...found, gate: judgeGate('sliceGap', GENERATION_GATE_TABLE.sliceGap, found.score, limit) };
};

describe('the slices of test prompts', () => {
  it('are parts of as many prompts by length, facts counted, and of conversations by the questions before', () => {
    const rows = [
      ...[1, 2, 3].map((at) => rowOf(at, at * 10, 0)),
      ...[4, 5, 6].map((at) => rowOf(at, at * 10, at)),
      { id: 'facts', prompt: 'xx', facts: ['y'.repeat(96)] },
    ];
    deepEqual(
      promptSlices(rows).map(({ name, rows: of }) => [name, of]),
      [
        ['prompts of 10 to 30 characters', [0, 1, 2]],
        ['prompts of 40 to 100 characters', [3, 4, 5, 6]],
        ['prompts after 0 earlier questions', [0, 1, 2, 6]],
        ['prompts after 4 to 6 earlier questions', [3, 4, 5]],
      ],
    );
  });

  it('are thirds from ninety prompts on, halves of fewer, and off with fewer than sixty', () => {
    const sizesOf = (count: number) => {
      const { slices, gate } = verdictOf(
        Array.from({ length: count }, (_, at) => rowOf(at, at + 1, 0)),
        () => true,
      );
      return [gate.verdict, slices.map(({ rows }) => rows).toSorted((a, b) => a - b)];
    };
    deepEqual(sizesOf(59), ['off', []]);
    deepEqual(sizesOf(60), ['pass', [30, 30]]);
    deepEqual(sizesOf(89), ['pass', [44, 45]]);
    deepEqual(sizesOf(90), ['pass', [30, 30, 30]]);
  });

  it('are the values of declared groups, too, of those with thirty prompts on both sides', () => {
    const regionOf = (at: number) => (at % 5 < 2 ? 'north' : at % 5 < 4 ? 'south' : undefined);
    const rows = Array.from({ length: 120 }, (_, at): PromptRow => {
      const [region, shop] = [regionOf(at), at < 29 ? 'Leeds' : 'Bath'];
      return { ...rowOf(at, 20, 0), groups: { shop, ...(region === undefined ? {} : { region }) } };
    });
    const { gate, score, slices, examples } = verdictOf(rows, ({ groups }) => groups?.['region'] !== 'north');
    deepEqual(
      slices.map(({ name, rows: of, adherence }) => [name, of, adherence]),
      [
        ['region = north', 48, 0],
        ['region = south', 48, 1],
      ],
    );
    deepEqual([gate.verdict, score.value], ['warn', 1]);
    deepEqual(examples[0]?.note, 'breaks short; region = north');
    equal(verdictOf(rows, ({ groups }) => groups?.['shop'] !== 'Leeds').gate.verdict, 'pass', '29 prompts of Leeds');
  });

  it('are told twenty of, the one that is judged first', () => {
    const rows = Array.from({ length: 1500 }, (_, at) => ({ ...rowOf(at, 20, 0), groups: { shop: `${at % 40}` } }));
    const { slices } = verdictOf(rows, ({ groups }) => groups?.['shop'] !== '7');
    deepEqual([slices.length, slices[0]?.name], [20, 'shop = 7']);
  });

  it('show the one that is answered worse than all others, with answers that break guidelines there', () => {
    const rows = Array.from({ length: 150 }, (_, at) => rowOf(at, 20 + at, at % 3));
    const { gate, score, slices, examples } = verdictOf(rows, ({ prompt }) => prompt.length < 120);
    equal(gate.verdict, 'warn');
    equal(score.value, 1);
    equal(slices.length, 6);
    deepEqual([slices[0]?.name, slices[0]?.rows, slices[0]?.adherence], ['prompts of 120 to 169 characters', 50, 0]);
    equal(examples.length, 5);
    const [first] = examples;
    equal(first?.id, 'row 100');
    equal(first?.note, 'breaks short; prompts of 120 to 169 characters');
    equal(first?.text, `${'x'.repeat(120)}\n→ answer to row 100`);
    const late = verdictOf(rows, ({ history = [] }) => history.length < 2);
    match(late.slices[0]?.name ?? '', /after 2 earlier questions/);
    equal(late.gate.verdict, 'warn');
  });

  it('accuse a generator that answers all prompts alike in fewer than one draw of a hundred', () => {
    const random = seededRandom(11);
    let warned = 0;
    for (let draw = 0; draw < 300; draw++) {
      const rows = Array.from({ length: 120 }, (_, at) => rowOf(at, 1 + random.below(200), random.below(4)));
      const kept = new Map(rows.map((row) => [row.id, random.uniform() < 0.85]));
      if (verdictOf(rows, ({ id }) => kept.get(id)!).gate.verdict !== 'pass') warned += 1;
    }
    ok(warned <= 3, `${warned} of 300`);
  });

  it('are not measured of so few prompts that none has thirty on both sides', () => {
    const { gate, examples } = verdictOf(
      Array.from({ length: 40 }, (_, at) => rowOf(at, at + 1, 0)),
      () => false,
    );
    equal(gate.verdict, 'off');
    deepEqual(examples, []);
  });
});
