/** When two texts count as the same. Pure. */
import { hash } from 'node:crypto';

/**
 * The form in which texts are compared: NFC, white space collapsed and trimmed, lower case. What the model sees is the
 * text as it was written; this decides only what is a duplicate.
 */
export function normaliseText(text: string): string {
  return text.normalize('NFC').replaceAll(/\s+/gu, ' ').trim().toLowerCase();
}

/**
 * A coarser form: letters and marks only, so that "Order 12 is late!" and "order 7 is late" come out the same. Two
 * such texts may both be kept but never on two sides of a split. A text without letters stands for itself.
 */
export function nearKey(normalised: string): string {
  const letters = normalised.replaceAll(/[^\p{L}\p{M}]+/gu, ' ').trim();
  return letters === '' ? normalised : letters;
}

/** What a text is compared by. */
export interface TextIdentity {
  readonly id: string;
  readonly normalised: string;
  readonly near: string;
}

/** Of a pair both texts count, in their order; a line feed, which is in no normalised text, parts them. */
export function textIdentity(text: string, pair?: string): TextIdentity {
  const texts = [text, ...(pair === undefined ? [] : [pair])].map(normaliseText);
  const normalised = texts.join('\n');
  return { id: rowId(normalised), normalised, near: texts.map(nearKey).join('\n') };
}

/** Nothing a reader could see: white space, control and format characters only. */
export function isBlank(text: string): boolean {
  return !/[^\s\p{C}]/u.test(text);
}

/** A row's id: the first 16 hex digits of the SHA-256 of its normalised text. */
export function rowId(normalised: string): string {
  return sha256Hex(normalised).slice(0, 16);
}

export function sha256Hex(text: string): string {
  return hash('sha256', text);
}
