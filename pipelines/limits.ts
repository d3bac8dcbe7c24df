/** What a candidate takes beside the most that its definition allows. */
export type Limited = readonly [takes: number, most: number | undefined];

/** Whether no limit is broken. Written so that a NaN is over every limit. */
export function areWithin(limits: readonly Limited[]): boolean {
  return limits.every(([takes, most]) => most === undefined || takes <= most);
}
