/** What is needed of the declared device, of a model of any task. */
import type { FittedPart } from '../../contract/validation.ts';
import { count, megabytes } from '../format.ts';

/** `besides`: what else the memory holds. */
export function deviceFacts(
  parts: readonly FittedPart[],
  besides = '',
): readonly (readonly [name: string, value: string])[] {
  return parts.map(({ what, neededMb, availableMb, workers }) => [
    `${what === 'memory' ? 'Memory' : 'Storage'} of the device`,
    `${megabytes(neededMb)} needed of ${megabytes(availableMb)}${what === 'memory' ? `, with ${count(workers)} ${workers === 1 ? 'copy' : 'copies'} of the model${besides}` : ''}`,
  ]);
}
