/** What a machine's processor is called, where the runtime knows no name for it: many of ARM, on Linux. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cpus, hostname } from 'node:os';

/** What the runtime says of a processor that its table does not have. */
const NAMELESS = 'unknown';

/**
 * The numbers by which ARM processors are told apart, of the text of `/proc/cpuinfo`: `ARM implementer 0x41 part 0xd40`, and of
 * cores of several kinds each once, in order. undefined where it has none, as of other architectures. Pure.
 */
export function armProcessor(cpuinfo: string): string | undefined {
  const cores = cpuinfo.split(/\n\s*\n/).flatMap((core) => {
    const [implementer, part] = ['CPU implementer', 'CPU part'].map((field) =>
      new RegExp(`^${field}\\s*:\\s*(0x[0-9a-f]+)\\s*$`, 'im').exec(core)?.[1]?.toLowerCase(),
    );
    return implementer === undefined || part === undefined ? [] : [`implementer ${implementer} part ${part}`];
  });
  return cores.length === 0 ? undefined : `ARM ${[...new Set(cores)].join(' and ')}`;
}

/**
 * What to call a processor that the runtime calls `model`. One that nobody knows is called after its host, by a digest of that
 * one's name: it may be like another's or not, and neither key nor ranking may take it for one of the same kind. Pure.
 */
export function processorName(model: string | undefined, cpuinfo: string, host: string): string {
  const name = model?.trim() ?? '';
  if (name !== '' && name.toLowerCase() !== NAMELESS) return name;
  const digest = createHash('sha256').update(host).digest('hex').slice(0, 8);
  return armProcessor(cpuinfo) ?? `${NAMELESS}, of host ${digest}`;
}

/** This machine's. */
export function processor(): string {
  const model = cpus()[0]?.model;
  return processorName(model, model?.trim() === NAMELESS || !model ? cpuinfoText() : '', hostname());
}

function cpuinfoText(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
