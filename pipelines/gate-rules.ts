/** What thresholds are possible at all. No I/O: the run's own validator checks a changed threshold by the same rule. */
import type { Problem } from './check.ts';
import { GATE_TABLE } from './gates/table.ts';
import type { GateRow } from './gates/row.ts';
import { GENERATION_GATE_TABLE } from './gates/generation.ts';
import { MEMORISATION_GATE_TABLE } from './gates/memorisation.ts';
import { RETRIEVAL_GATE_TABLE } from './gates/retrieval.ts';

type Ranges = Readonly<Record<string, Pick<GateRow, 'range' | 'threshold' | 'formerly'>>>;

/** Tasks whose gates have a table of their own. */
const TABLES: ReadonlyMap<unknown, Ranges> = new Map<string, Ranges>([
  ['image-retrieval', RETRIEVAL_GATE_TABLE],
  ['text-generation', GENERATION_GATE_TABLE],
]);

/** Thresholds outside of what their measure can be. */
export function gateProblems(gates: unknown, task?: unknown): readonly Problem[] {
  if (typeof gates !== 'object' || gates === null) return [];
  return Object.entries(TABLES.get(task) ?? (GATE_TABLE as Ranges)).flatMap(([name, row]): readonly Problem[] => {
    const [low, high] = row.range;
    const gate: unknown = (gates as Record<string, unknown>)[name];
    if (typeof gate !== 'object' || gate === null) return [];
    return Object.entries(gate).flatMap(([bound, threshold]: readonly [string, unknown]): readonly Problem[] => {
      // What is no number, and what is no bound, the schema tells.
      if (typeof threshold !== 'number' || (bound !== 'min' && bound !== 'max')) return [];
      if (threshold >= low && threshold <= high) return wasOfAnother(`gates.${name}.${bound}`, threshold, row);
      const lies = high === Number.MAX_VALUE ? `not below ${low}` : `from ${low} to ${high}`;
      return [
        {
          path: `gates.${name}.${bound}`,
          message: `is ${threshold}, but what it bounds lies ${lies}`,
          fix: 'shares are written 0–1, not in percent',
        },
      ];
    });
  });
}

function wasOfAnother(
  path: string,
  named: number,
  { threshold, formerly }: Pick<GateRow, 'threshold' | 'formerly'>,
): readonly Problem[] {
  if (formerly === undefined || named < formerly.from) return [];
  const message = `is ${named}, which was a limit of another measure (${formerly.measure}); what it bounds now is in docs/gates.md`;
  return [{ path, message, fix: `leave it out (${threshold}), or name one below ${formerly.from}` }];
}

/** In a report two gates of one name cannot be told apart. */
export function customGateProblems({ task, customGates }: Readonly<Record<string, unknown>>): readonly Problem[] {
  if (typeof customGates !== 'object' || customGates === null) return [];
  const taken =
    task === 'text-generation' ? { ...GENERATION_GATE_TABLE, ...MEMORISATION_GATE_TABLE } : TABLES.get(task);
  return Object.keys(customGates)
    .filter((name) => name in (taken ?? GATE_TABLE))
    .map((name) => ({
      path: `customGates.${name}`,
      message: 'is the name of a gate that there is',
      fix: 'export your own by another name',
    }));
}
