/**
 * What evaluating a test split, and comparing with the model in production on it, takes by its rows: the highest memory of the process (RSS, the model and the runtime included) and
 * seconds, with a model of a few operations, so that reading, asking and counting are what is measured.
 *
 *   npx tsx bench/evaluation-rows.ts [rows …]
 */
import { compareManyRows, comparisonOf, evaluateManyRows, manyRows, type Measured } from '../test/support/many-rows.ts';
import { withStore } from '../test/support/store.ts';

const sizes = process.argv.slice(2).map(Number);
const opened = await withStore();
for (const rows of sizes.length > 0 ? sizes : [10_000, 100_000, 1_000_000]) {
  const input = await manyRows(opened.store, { train: rows, test: rows });
  const evaluated = await evaluateManyRows(opened, input, 512);
  const { accuracy } = evaluated.output.measures;
  print(`${accuracy.rows} rows evaluated`, evaluated);
  const compared = await compareManyRows(opened, await comparisonOf(opened.store, input, evaluated.output), 512);
  if (!compared.output.comparable) throw new Error(compared.output.reason);
  print(`${compared.output.rows} rows compared`, compared);
}
opened.close();

function print(what: string, { peakMb, seconds }: Pick<Measured<unknown>, 'peakMb' | 'seconds'>): void {
  process.stdout.write(`${what}: ${peakMb.toFixed(0)} MB at most, ${seconds.toFixed(0)} s\n`);
}
