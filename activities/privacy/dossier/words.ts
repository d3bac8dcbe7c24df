/** Figures as the dossier writes them. Pure. */
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import type { Score } from '../../contract/measures.ts';
import type { Evaluation } from '../../contract/validation.ts';

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

/** `13 of 14 awkward inputs were answered, not: CMYK.` */
export function edgeLine(edgeInputs: Evaluation['edgeInputs']): string {
  const bad = edgeInputs.filter(({ ok }) => !ok).map(({ name }) => name);
  const answered = `${edgeInputs.length - bad.length} of ${edgeInputs.length} awkward inputs were answered`;
  return `${answered}${bad.length === 0 ? '' : `, not: ${bad.join(', ')}`}.`;
}

/** Nothing where pictures were made worse by the package's own table. */
export function ownTableLines(own: ArtifactRef | undefined): readonly string[] {
  if (own === undefined) return [];
  return [`How pictures were made worse for it says the definition’s own table ${own.name} (${own.digest}).`];
}

function number(value: number): string {
  return String(Number(value.toPrecision(4)));
}
