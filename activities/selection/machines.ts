/** On which machines candidates were timed: a time is a result of both, and times of unlike machines say nothing of the models. Pure. */
import { EspalierError } from '../../artifacts/errors.ts';
import { offClass, type HardwareClass } from '../../pipelines/hardware-class.ts';
import type { Hardware } from '../contract/measures.ts';

export interface Timed {
  readonly id: string;
  readonly hardware: Hardware;
}

/** Of a step that times: as many as other work on the queue has (workflows/proxies.ts, `cpu`). Who is of another class makes none. */
export const TIMED_TRIES = 6;

/** Throws WrongHardware, which another worker of the queue may not, where this machine is not of the declared class. */
export function requireHardware(is: Hardware, wanted: HardwareClass | undefined): void {
  const off = wanted === undefined ? [] : offClass(is, wanted);
  if (off.length === 0) return;
  throw new EspalierError('WrongHardware', `models are not timed on this machine: ${off.join('; ')}`, {
    where: 'selection.hardware',
    fix: 'run a worker of the queue espalier-cpu on a machine of that class: the step is offered to it by itself for a day, then retry it; or start a run that declares another class, or none',
  });
}

/** Whether all were timed on machines that a latency does not tell apart; the memory of a machine is no part of that. */
export function areAlike(timed: readonly Pick<Timed, 'hardware'>[]): boolean {
  return new Set(timed.map(({ hardware }) => nameOf(hardware))).size < 2;
}

/** By machine the candidates that were timed on it, in the order that they stand in. */
export function byMachine(timed: readonly Timed[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const { id, hardware } of timed) {
    const name = nameOf(hardware);
    found.set(name, [...(found.get(name) ?? []), id]);
  }
  return found;
}

/** What to say of candidates that were timed on unlike machines; nothing where they were not. */
export function unlikeMachines(timed: readonly Timed[]): string {
  if (areAlike(timed)) return '';
  const shown = [...byMachine(timed)].map(([machine, ids]) => `${ids.join(', ')} on ${machine}`);
  return ` Timed on unlike machines: ${shown.join('; ')}. So latency decides between equals only where all of them were timed on one kind of machine, and breaks no other tie between unlike ones: accuracy does; a limit of latency or of cost holds for each on its own machine. With selection.hardware all are timed on one class.`;
}

function nameOf({ cpu, cores, arch, runtime }: Hardware): string {
  return `${cpu} (${cores} cores, ${arch}), ${runtime}`;
}
