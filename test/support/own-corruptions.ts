/** What a definition may name in place of the package's table: a picture hardly darker, and one that is turned by a quarter. */
export const OWN_CORRUPTIONS = [
  { name: 'dusk', severity: 'mild', corruption: 'brightness', factor: 1.05, says: 'hardly brighter or darker' },
  { name: 'turned', severity: 'mild', corruption: 'rotation', degrees: 90, says: 'by a quarter, to either side' },
  { name: 'turned', severity: 'strong', corruption: 'rotation', degrees: 170, says: 'nearly over' },
] as const;

export function jsonLines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}
