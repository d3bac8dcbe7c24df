/** What a prototype's bundle and card say of it first. */
import type { PackageModelInput } from '../contract/deployment.ts';

/** One sentence, for the top of the card. */
export function prototypeNotice({ dataset }: Pick<PackageModelInput, 'dataset'>): string {
  const { train, validation, test } = dataset.rows;
  return `This is a prototype: made from a small part of the data (${train} training, ${validation} validation, ${test} test rows) to see whether the whole run is worth its cost. No channel called production takes it.`;
}

/** `PROTOTYPE.md`. */
export function prototypeText(input: Pick<PackageModelInput, 'dataset'>): string {
  return `# Prototype\n\n${prototypeNotice(input)}\n`;
}
