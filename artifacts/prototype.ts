/**
 * A model of a run on a small part of the data, made to see whether the whole run is worth its cost. It is marked in the
 * definition that the evidence holds and in the bundle itself, and no channel called production takes what has either mark.
 */
import type { TreeManifest } from './reference.ts';

/** In the bundle: who unpacks it anywhere sees what it is. */
export const PROTOTYPE_FILE = 'PROTOTYPE.md';

/** Why a prototype may not stand in this channel; empty where it is none, or the channel is for trials. */
export function prototypeProblems(
  channel: string,
  pipeline: Readonly<Record<string, unknown>>,
  bundle?: Pick<TreeManifest, 'entries'>,
): string[] {
  if (channel !== 'production') return [];
  const marked = [
    ...(pipeline['prototype'] === undefined ? [] : ["the evidence's definition"]),
    ...(bundle?.entries.some(({ path }) => path === PROTOTYPE_FILE) === true ? [`the bundle's ${PROTOTYPE_FILE}`] : []),
  ];
  return marked.length === 0 ? [] : [`it is a prototype, by ${marked.join(' and ')}: production takes none`];
}
