/** The class of machines that times are of: what decides a latency besides the model, as far as a definition cares. Pure. */
import { z } from 'zod';

export const HardwareClassSchema = z
  .strictObject({
    /** Part of the processor's name as the system tells it, small and large letters alike: 'EPYC 9', 'Neoverse-N1', or 'part 0xd40' where it has no name (`armProcessor`). */
    cpu: z.string().trim().min(1).max(200).optional(),
    /** Of the machine, as the system counts them. A model is timed on one; how many there are tells machines apart. */
    cores: z.int().min(1).max(1024).optional(),
    /** As Node names it: 'x64', 'arm64'. */
    arch: z.string().min(1).max(20).optional(),
  })
  .refine((named) => Object.values(named).some((value) => value !== undefined), 'name a cpu, cores or an arch');
export type HardwareClass = z.output<typeof HardwareClassSchema>;

interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly arch: string;
}

/** What of a machine is not of the class, a phrase each; empty where it is of it. */
export function offClass(is: Machine, { cpu, cores, arch }: HardwareClass): readonly string[] {
  return [
    ...(cpu === undefined || is.cpu.toLowerCase().includes(cpu.toLowerCase())
      ? []
      : [`its processor is '${is.cpu}', not a '${cpu}'`]),
    ...(cores === undefined || is.cores === cores ? [] : [`it has ${is.cores} cores, not ${cores}`]),
    ...(arch === undefined || is.arch === arch ? [] : [`it is ${is.arch}, not ${arch}`]),
  ];
}
