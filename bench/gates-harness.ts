/**
 * All measurements of gates by one name: planted defects caught and clean models accused, in one table, and 1 for a status where
 * a rate misses its goal (95 % caught, 5 % accused), a measurement that is to tell rates tells none, or one fails.
 *
 *   npx tsx bench/gates-harness.ts --list                                which defect is planted where, and what each measurement runs
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-harness.ts                  those of some minutes, with fewer draws
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-harness.ts texts limits     only these
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-harness.ts --whole [names]  as docs/benchmarks.md has them: hours
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MEASUREMENTS, plantedTable, type Measurement, type MeasurementName } from './gates/catalogue.ts';
import { missesOf, RATES_FILE, rateTable, type Rate } from './gates/rates.ts';

const given = process.argv.slice(2);
const names = given.filter((one) => !one.startsWith('--'));
const unknown = names.filter((name) => !Object.hasOwn(MEASUREMENTS, name));
if (unknown.length > 0) throw new Error(`no such measurement: ${unknown.join(', ')}; --list names them`);

if (given.includes('--list')) list();
else await measure(given.includes('--whole'));

function list(): void {
  console.log(`${plantedTable()}\n`);
  for (const [name, { script, whole, cheap, tellsRates }] of measurements()) {
    const command = (words: readonly string[]): string =>
      [`bench/${script}`, ...words.map((word) => (word.includes(' ') ? `'${word}'` : word))].join(' ');
    const short = cheap === undefined ? 'whole alone' : `cheap: ${command(cheap)}`;
    console.log(`${name}: ${command(whole)} (${short}; ${tellsRates ? 'held to the goals' : 'prints its own table'})`);
  }
}

function measurements(): readonly (readonly [MeasurementName, Measurement])[] {
  return Object.entries(MEASUREMENTS) as (readonly [MeasurementName, Measurement])[];
}

async function measure(whole: boolean): Promise<void> {
  const chosen = measurements().filter(([name, { cheap }]) =>
    names.length > 0 ? names.includes(name) : whole || cheap !== undefined,
  );
  const folder = mkdtempSync(join(tmpdir(), 'espalier-bench-gates-harness-'));
  const rates: Rate[] = [];
  const failed: string[] = [];
  for (const [name, measurement] of chosen) {
    const { script, tellsRates } = measurement;
    const words = whole ? measurement.whole : (measurement.cheap ?? measurement.whole);
    const file = join(folder, `${name}.jsonl`);
    console.log(`\n${name}: bench/${script} ${words.join(' ')}`);
    const began = performance.now();
    const status = await run(script, words, file);
    console.log(`${name}: status ${status} after ${((performance.now() - began) / 60_000).toFixed(1)} min`);
    const told = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    rates.push(...told.map((line) => JSON.parse(line) as Rate));
    // A status of 1 with rates is a missed goal, which the table shows.
    if (tellsRates ? told.length === 0 : status !== 0) failed.push(name);
  }
  rmSync(folder, { recursive: true });
  const missed = rates.filter((rate) => missesOf(rate).length > 0);
  console.log(`\n${rateTable(rates)}\n\n${missed.length} of ${rates.length} rates beyond the goals, in bold.`);
  if (failed.length > 0) console.log(`Failed: ${failed.join(', ')}.`);
  process.exitCode = missed.length + failed.length > 0 ? 1 : 0;
}

/** Its output is this one's. */
async function run(script: string, words: readonly string[], file: string): Promise<number | string> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, path, ...words], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [RATES_FILE]: file },
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return code ?? signal ?? 'unknown';
}
