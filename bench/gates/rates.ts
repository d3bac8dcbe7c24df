/** What the measurements of gates tell of themselves, held to one goal: how often a gate speaks of a planted defect, and without one. */
import { appendFileSync } from 'node:fs';
import { exactly } from '../support.ts';

export interface Rate {
  readonly gate: string;
  /** What was planted, and of which size. */
  readonly defect: string;
  /** The data, or how the draws were made. */
  readonly on: string;
  readonly caught: number;
  readonly planted: number;
  readonly accused: number;
  readonly clean: number;
  /** Draws of which the gate says that they were not measured: they are in none of the counts above. */
  readonly notMeasured?: { readonly planted: number; readonly clean: number };
}

/** Shares of the draws with the defect, and of those without it. */
export const GOALS = { caught: 0.95, accused: 0.05 } as const;

/** Where a measurement that the harness started leaves its rates, a line of JSON each. */
export const RATES_FILE = 'ESPALIER_BENCH_RATES';

/** In which a rate is beyond its goal; of nothing that was planted, or drawn clean, nothing is known. */
export function missesOf({ caught, planted, accused, clean }: Rate): readonly ('caught' | 'accused')[] {
  return [
    ...(planted > 0 && caught / planted >= GOALS.caught ? [] : (['caught'] as const)),
    ...(clean > 0 && accused / clean <= GOALS.accused ? [] : (['accused'] as const)),
  ];
}

/** Markdown; exact 95 % intervals. */
export function rateTable(rates: readonly Rate[]): string {
  const lines = rates.map((rate) => {
    const misses = missesOf(rate);
    const cell = (kind: 'caught' | 'accused', text: string, untold = 0): string =>
      `${misses.includes(kind) ? `**${text}**` : text}${untold === 0 ? '' : `, ${untold} not measured`}`;
    const caught = cell('caught', exactly(rate.caught, rate.planted), rate.notMeasured?.planted);
    const accused = cell('accused', exactly(rate.accused, rate.clean), rate.notMeasured?.clean);
    return `| \`${rate.gate}\` | ${rate.defect} | ${rate.on} | ${caught} | ${accused} |`;
  });
  return ['| gate | defect planted | on | caught | clean accused |', '| --- | --- | --- | --- | --- |', ...lines].join(
    '\n',
  );
}

/** Tells the harness, where it has started this, and has the process end with 1 where a rate misses its goal. */
export function holdToGoals(rates: readonly Rate[]): void {
  const file = process.env[RATES_FILE];
  if (file !== undefined) appendFileSync(file, rates.map((rate) => `${JSON.stringify(rate)}\n`).join(''));
  const missing = rates.filter((rate) => missesOf(rate).length > 0);
  if (missing.length === 0) return;
  console.error(`beyond the goals of ${100 * GOALS.caught} % caught and ${100 * GOALS.accused} % accused:`);
  console.error(rateTable(missing));
  process.exitCode = 1;
}
