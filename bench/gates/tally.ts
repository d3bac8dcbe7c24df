/** Verdicts on draws with a defect and without it, gate by gate and defect by defect. */
import type { Score } from '../../activities/contract/measures.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { GATE_TABLE, type GateName } from '../../pipelines/gates/table.ts';
import type { Draw } from './draw.ts';
import type { Rate } from './rates.ts';
import type { Around, Trial } from './trials.ts';

interface Told {
  readonly gate: GateName;
  readonly defect: string;
  readonly clean: { alarms: number; judged: number[] };
  readonly planted: { alarms: number; judged: number[] };
}
const limits = GatesSchema.parse({});

export class Tally {
  readonly #told = new Map<string, Told>();

  /** A clean draw, and the same with the defect, each where it has room for it. */
  async run(trial: Trial, clean: Draw, around: Around): Promise<void> {
    const planted = await trial.plant(clean, around);
    if (planted !== null) await this.#note(trial, 'planted', planted);
    const without = trial.clean === undefined ? clean : await trial.clean(clean, around);
    if (without !== null) await this.#note(trial, 'clean', without);
  }

  async #note({ gate, defect, measure }: Trial, kind: 'planted' | 'clean', draw: Draw): Promise<void> {
    const score: Score = await measure(draw);
    const { verdict, measured } = judgeGate(gate, GATE_TABLE[gate], score, draw.limits?.[gate] ?? limits[gate]);
    // What could not be measured on a draw says nothing of either rate.
    if (verdict === 'off') return;
    const key = `${gate} | ${defect}`;
    const none = () => ({ alarms: 0, judged: [] });
    const told = this.#told.get(key) ?? { gate, defect, clean: none(), planted: none() };
    this.#told.set(key, told);
    told[kind].alarms += Number(verdict !== 'pass');
    told[kind].judged.push(measured ?? Number.NaN);
  }

  rates(on: string): readonly Rate[] {
    return [...this.#told.values()].map(({ gate, defect, clean, planted }) => ({
      gate,
      defect,
      on,
      caught: planted.alarms,
      planted: planted.judged.length,
      accused: clean.alarms,
      clean: clean.judged.length,
    }));
  }

  /** Markdown; Wilson's 95 % intervals. */
  table(): string {
    const lines = [...this.#told.values()].map(({ gate, defect, clean, planted }) =>
      ['', gate, defect, percent(planted), percent(clean), spread(clean.judged), spread(planted.judged), '']
        .join(' | ')
        .trim(),
    );
    const head = '| gate | defect planted | caught | clean accused | judged number, clean: 5 · 50 · 95 % | planted |';
    return [head, '| --- | --- | --- | --- | --- | --- |', ...lines].join('\n');
  }
}

function percent({ alarms, judged: { length } }: Told['clean']): string {
  const { low, high } = wilsonInterval(alarms, length);
  return `${((100 * alarms) / length).toFixed(1)} % (${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}) of ${length}`;
}

function spread(numbers: readonly number[]): string {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN).toPrecision(3);
  return `${at(0.05)} · ${at(0.5)} · ${at(0.95)}`;
}
