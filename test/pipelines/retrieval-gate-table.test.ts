import { deepEqual, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { RetrievalGatesSchema } from '../../pipelines/definition/retrieval.ts';
import { gateProblems } from '../../pipelines/gate-rules.ts';
import { RETRIEVAL_GATE_NAMES, RETRIEVAL_GATE_TABLE, type RetrievalGateRow } from '../../pipelines/gates/retrieval.ts';

const JUDGED = { interval: 'worse end', proof: 'better end', value: 'value' } as const;

/** A line of docs/images.md. */
function documented(name: string, row: RetrievalGateRow): string {
  const bound = `${row.direction} ${row.threshold}`;
  return [`\`${name}\``, row.meaning, bound, JUDGED[row.judged], row.severity, row.why, row.falseAlarms].join(' | ');
}

describe('the table of gates of a model that finds pictures', () => {
  it('stands in docs/images.md, row by row', async () => {
    const text = await readFile(new URL('../../docs/images.md', import.meta.url), 'utf8');
    const lines = text.split('\n').map((line) =>
      line
        .replaceAll(/ *\| */g, ' | ')
        .replace(/^ \| | \| $/g, '')
        .trim(),
    );
    for (const name of RETRIEVAL_GATE_NAMES) {
      const row = documented(name, RETRIEVAL_GATE_TABLE[name]);
      ok(lines.includes(row), `docs/images.md lacks the line\n| ${row} |`);
    }
  });

  it('gives every gate its default in a definition, within its range', () => {
    const defaults = RetrievalGatesSchema.parse({});
    deepEqual(gateProblems(defaults, 'image-retrieval'), []);
    for (const name of RETRIEVAL_GATE_NAMES) {
      const { direction, threshold, severity, step } = RETRIEVAL_GATE_TABLE[name];
      // An attack is made where it is asked for: named, the gate counts as the table says.
      const unnamed = step === 'attack' ? 'off' : severity;
      deepEqual(defaults[name], { [direction]: threshold, severity: unnamed }, name);
      deepEqual(RetrievalGatesSchema.parse({ [name]: {} })[name], { [direction]: threshold, severity }, name);
    }
  });
});
