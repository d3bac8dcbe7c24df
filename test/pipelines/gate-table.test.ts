import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { GATE_NAMES, GATE_TABLE } from '../../pipelines/gates/table.ts';
import type { GateRow } from '../../pipelines/gates/row.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { customGateProblems, gateProblems } from '../../pipelines/gate-rules.ts';

const JUDGED = { interval: 'worse end', proof: 'better end', value: 'value' } as const;

/** A line of docs/gates.md. */
function documented(name: string, row: GateRow): string {
  const bound = `${row.direction} ${row.threshold}`;
  return [`\`${name}\``, row.meaning, bound, JUDGED[row.judged], row.severity, row.why, row.falseAlarms].join(' | ');
}

describe('the table of gates', () => {
  it('stands in docs/gates.md, row by row', async () => {
    const text = await readFile(new URL('../../docs/gates.md', import.meta.url), 'utf8');
    const lines = text.split('\n').map((line) =>
      line
        .replaceAll(/ *\| */g, ' | ')
        .replace(/^ \| | \| $/g, '')
        .trim(),
    );
    for (const name of GATE_NAMES) {
      const row = documented(name, GATE_TABLE[name]);
      assert.ok(lines.includes(row), `docs/gates.md lacks the line\n| ${row} |`);
    }
  });

  it('gives every gate its default in a definition, within its range', () => {
    const defaults = GatesSchema.parse({});
    assert.deepEqual(gateProblems(defaults), []);
    for (const name of GATE_NAMES) {
      const { direction, threshold, severity, step } = GATE_TABLE[name];
      const unnamed = step === 'attack' ? 'off' : severity;
      assert.deepEqual(defaults[name], { [direction]: threshold, severity: unnamed }, name);
      assert.deepEqual(GatesSchema.parse({ [name]: {} })[name], { [direction]: threshold, severity }, name);
    }
  });

  it('keeps a gate’s sentences short enough to read', () => {
    for (const name of GATE_NAMES) {
      const { meaning, why }: GateRow = GATE_TABLE[name];
      assert.ok(meaning.endsWith('.') && meaning.length < 260 && !why.endsWith('.') && why.length < 220, name);
    }
  });

  it('leave their names to nobody else', () => {
    const named = (task: string, ...names: string[]) =>
      customGateProblems({ task, customGates: Object.fromEntries(names.map((name) => [name, { min: 0 }])) }).map(
        ({ path }) => path,
      );
    assert.deepEqual(named('text-classification', 'accuracy', 'mine'), ['customGates.accuracy']);
    assert.deepEqual(named('image-retrieval', 'accuracy', 'recallAtK'), ['customGates.recallAtK']);
    assert.deepEqual(named('text-generation', 'adherence', 'canaryExposure'), [
      'customGates.adherence',
      'customGates.canaryExposure',
    ]);
    assert.deepEqual(customGateProblems({ task: 'text-generation' }), []);
  });
});
