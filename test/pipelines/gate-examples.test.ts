import { deepEqual, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import type { GateRow } from '../../pipelines/gates/row.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';
import { MEMORISATION_GATE_TABLE } from '../../pipelines/gates/memorisation.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';

type Rows = Readonly<Record<string, Pick<GateRow, 'examples'>>>;
const TABLES: Readonly<Record<string, Rows>> = {
  classify: GATE_TABLE,
  find: RETRIEVAL_GATE_TABLE,
  generate: GENERATION_GATE_TABLE,
  memorise: MEMORISATION_GATE_TABLE,
};

/** Lines of docs/gates.md: a gate, and what its examples are, or why it has none. */
const documented = Object.entries(TABLES).flatMap(([family, rows]) =>
  Object.entries(rows).map(([name, { examples }]) => {
    const says = 'rows' in examples ? examples.rows : `none: ${examples.none}`;
    return `${family} | \`${name}\` | ${says}`;
  }),
);

describe('the examples of the gates', () => {
  it('are named for every gate of every table, or why there are none, in docs/gates.md', async () => {
    const text = await readFile(new URL('../../docs/gates.md', import.meta.url), 'utf8');
    const lines = new Set(
      text.split('\n').map((line) =>
        line
          .replaceAll(/ *\| */g, ' | ')
          .replace(/^ \| | \| $/g, '')
          .trim(),
      ),
    );
    const missing = documented.filter((line) => !lines.has(line));
    deepEqual(missing, []);
  });

  it('are missing only of times, sizes, one number of a whole, and of what is learnt by heart', () => {
    const without = Object.entries(TABLES).flatMap(([family, rows]) =>
      Object.entries(rows).flatMap(([name, { examples }]) => ('none' in examples ? [`${family} ${name}`] : [])),
    );
    deepEqual(without, [
      ...['latencyP95Ms', 'sizeMb', 'exportParity', 'labelSignal', 'memoryMb', 'hardwareFit'].map(
        (name) => `classify ${name}`,
      ),
      ...['latencyP95Ms', 'memoryMb', 'sizeMb', 'hardwareFit', 'exportParity'].map((name) => `find ${name}`),
      ...['firstTokenP95Ms', 'tokenMs', 'memoryMb', 'sizeMb', 'hardwareFit', 'exportParity'].map(
        (name) => `generate ${name}`,
      ),
      ...Object.keys(MEMORISATION_GATE_TABLE).map((name) => `memorise ${name}`),
    ]);
  });

  it('are said in words that stand below a title', () => {
    for (const { examples } of Object.values(TABLES).flatMap((rows) => Object.values(rows))) {
      const says = 'rows' in examples ? examples.rows : examples.none;
      ok(says.length > 5 && says.length < 140 && !says.endsWith('.'), says);
    }
  });
});
