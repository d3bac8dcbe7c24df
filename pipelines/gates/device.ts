/** Whether it fits where it is served. Pure data. */
import { NO_FALSE_ALARMS, POSITIVE, type GateRow, type GateRows } from './row.ts';

/** Whatever is served; what takes the memory each table says for itself. */
export const HARDWARE_FIT = {
  title: 'Fit for the device',
  direction: 'max',
  judged: 'value',
  unit: 'share',
  range: POSITIVE,
  threshold: 0.9,
  why: 'a tenth is left to the system; beyond it the device swaps, or ends the server',
  falseAlarms: NO_FALSE_ALARMS,
  examples: { none: 'a size against a device' },
  severity: 'fail',
} as const satisfies Omit<GateRow, 'meaning' | 'step' | 'inputs'>;

export const DEVICE_GATES = {
  memoryMb: {
    title: 'Memory',
    meaning: 'Memory of a process that has the model loaded and answers, above what it had before.',
    direction: 'max',
    judged: 'value',
    unit: 'MB',
    range: POSITIVE,
    threshold: 2048,
    why: 'fits a small container beside the runtime',
    falseAlarms: NO_FALSE_ALARMS,
    examples: { none: 'a size in memory' },
    severity: 'warn',
    step: 'evaluate',
    inputs: 'any',
  },
  hardwareFit: {
    ...HARDWARE_FIT,
    meaning:
      'Share of the declared memory or storage (intendedUse.hardware), whichever is scarcer, that the model takes as it is served, with a copy a worker thread.',
    step: 'evaluate',
    inputs: 'any',
  },
} as const satisfies GateRows;
