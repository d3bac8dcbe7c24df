/** Verdicts of domainShift on draws of one kind, of texts and of pictures alike. */
import type { Score } from '../../activities/contract/measures.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { exactly } from '../support.ts';

const limit = GatesSchema.parse({}).domainShift;

export class ShiftTally {
  readonly #told = new Map<string, [alarms: number, draws: number, off: number, sum: number]>();

  note(what: string, score: Score): void {
    const { verdict } = judgeGate('domainShift', GATE_TABLE.domainShift, score, limit);
    const [alarms, draws, off, sum] = this.#told.get(what) ?? [0, 0, 0, 0];
    this.#told.set(what, [
      alarms + Number(verdict === 'warn'),
      draws + 1,
      off + Number(verdict === 'off'),
      sum + (score.value ?? 0),
    ]);
  }

  /** A line a kind; the mean is of those that could be told. */
  tell(say: (line: string) => void): void {
    for (const [what, [alarms, draws, off, sum]] of this.#told) {
      const mean = off === draws ? '' : `, mean ${(sum / (draws - off)).toFixed(3)}`;
      say(`${what}: warns ${exactly(alarms, draws)}${mean}${off === 0 ? '' : `, ${off} too few to tell`}`);
    }
  }
}
