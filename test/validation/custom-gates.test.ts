import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeCustomGates, readCustomGates } from '../../activities/validation/custom-gates.ts';
import { judgeGatesStep } from '../../activities/validation/judge-gates.ts';
import { CustomGatesSchema, GatesSchema } from '../../pipelines/definition/gates.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';

const MODULE = `export const gates = {
  rightShare: ({ predictions }) => ({
    value: predictions.filter(({ expected, predicted }) => expected === predicted).length / predictions.length,
    rows: predictions.length,
  }),
  sure: () => ({ value: 0.9, interval: { low: 0.7, high: 0.95 }, rows: 40 }),
  spoils: (evidence) => { evidence.predictions.length = 0; return { value: 1 }; },
  throws: () => { throw new Error('no such row'); },
  words: () => 'good',
  infinite: () => ({ value: 1 / 0 }),
};`;
const evidence = {
  predictions: [
    { expected: 'a', predicted: 'a' },
    { expected: 'a', predicted: 'b' },
  ],
};

describe('gates of one’s own', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-gates-'));
    await writeFile(join(folder, 'gates.mjs'), MODULE);
  });
  after(() => rm(folder, { recursive: true }));
  const read = async () => (await readCustomGates({ ESPALIER_GATES: join(folder, 'gates.mjs') })).customGates;
  const judged = async (spec: Record<string, unknown>) =>
    judgeCustomGates(await read(), CustomGatesSchema.parse(spec), evidence);

  it('are judged as all gates are: the worse end of an interval, else the value, by the definition’s threshold', async () => {
    const results = await judged({ rightShare: { max: 0.5 }, sure: { min: 0.8, severity: 'warn' } });
    assert.deepEqual(
      results.map(({ name, verdict, measured }) => [name, verdict, measured]),
      [
        ['rightShare', 'pass', 0.5],
        ['sure', 'warn', 0.7],
      ],
    );
    assert.match(results[1]!.reason, /the pipeline's customGates\.sure\.min \(0\.8\)/);
  });

  for (const [name, why] of [
    ['throws', /no such row/],
    ['words', /expected object/],
    ['infinite', /expected number|Invalid input/],
  ] as const) {
    it(`fail where the function '${name}' measures nothing, and say why`, async () => {
      const [result] = await judged({ [name]: { min: 0 } });
      assert.deepEqual([result?.verdict, result?.measured], ['fail', null]);
      assert.match(result?.reason ?? '', why);
    });
  }

  it('cannot change what the next one sees', async () => {
    const [, second] = await judged({ spoils: { min: 0 }, rightShare: { min: 0 } });
    assert.equal(second?.score.rows, 2);
  });

  it('park a run whose worker lacks them', () =>
    assert.rejects(judged({ unknownGate: { min: 0 } }), { kind: 'BadConfig', where: 'customGates.unknownGate' }));

  it('are refused as a module that is none, and nothing is asked for without one', async () => {
    await writeFile(join(folder, 'none.mjs'), 'export const gates = { one: 1 };');
    for (const name of ['none.mjs', 'missing.mjs', 'gates.py']) {
      await assert.rejects(readCustomGates({ ESPALIER_GATES: join(folder, name) }), { kind: 'BadConfig' });
    }
    assert.deepEqual(await readCustomGates({}), {});
  });

  it('decide the step’s verdict with all the others, under a key that the module’s bytes are part of', async () => {
    const { store, pointers, close } = await withStore();
    const customGates = (await read())!;
    const services = { store, pointers, python: { executable: 'unused', packages: 'unused' }, customGates };
    const gates = GatesSchema.parse({});
    const off = Object.fromEntries(
      Object.entries(gates).map(([name, gate]) => [name, { ...gate, severity: 'off' }]),
    ) as typeof gates;
    const custom = {
      gates: CustomGatesSchema.parse({ rightShare: { min: 0.9 } }),
      details: await store.putJson(evidence, 'evaluation.json'),
    };
    const input = { measures: {} as never, gates: off, custom };
    const verdict = await runStep(judgeGatesStep, input, services);
    assert.equal(verdict.verdict, 'fail');
    assert.equal(verdict.gates.at(-1)?.name, 'rightShare');
    const key = (digest: string) =>
      judgeGatesStep.environment?.(input, { ...services, customGates: { ...customGates, digest } });
    assert.notDeepEqual(await key('one'), await key('other'));
    close();
  });
});
