/** Figures as the dossier writes them. Pure. */
import type { Score } from '../../contract/measures.ts';

export function count(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `accuracy 0.894 (95 % interval 0.844 to 0.944, 141 rows)`. */
export function scoreLine(name: string, { value, interval, rows }: Score): string {
  if (value === null) return `${name} could not be measured.`;
  const around =
    interval === null
      ? ''
      : ` (${number(interval.confidence * 100)} % interval ${number(interval.low)} to ${number(interval.high)}, ${count(rows)} rows)`;
  return `${name} ${number(value)}${around}.`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(4)));
}
