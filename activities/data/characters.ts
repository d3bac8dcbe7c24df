/** What single UTF-16 units are, looked up instead of asked of an expression each time. Of a character of two units neither is anything. Pure. */
const KNOWN = 1;
const LETTER = 2;
const CHANGEABLE = 4;
const TELLS = 8;
const SPACE = 16;

const IS_LETTER = /[\p{L}\p{M}]/u;
/** What a slip may change: letters, and marks that do not calculate or name. */
const IS_WRITTEN = /[\p{L}\p{M}\p{P}\p{Z}]/u;
/** Each of them may be a word, or stands in a number or name. */
export const TELLING = /[\p{N}\p{Script=Han}*/%&#@\\\n]/u;

const kinds = new Uint8Array(0x1_0000);

function kindOf(unit: number): number {
  if (kinds[unit] === 0) {
    const character = String.fromCharCode(unit);
    const telling = TELLING.test(character);
    kinds[unit] =
      KNOWN |
      (IS_LETTER.test(character) ? LETTER : 0) |
      (IS_WRITTEN.test(character) && !telling ? CHANGEABLE : 0) |
      (telling ? TELLS : 0) |
      (/\s/.test(character) ? SPACE : 0);
  }
  return kinds[unit]!;
}

/** A letter or what is put above or below one. */
export const isLetter = (unit: number): boolean => (kindOf(unit) & LETTER) !== 0;
/** Whether a slip of the pen may change it. */
export const isChangeable = (unit: number): boolean => (kindOf(unit) & CHANGEABLE) !== 0;
/** Whether no slip changes anything that it is written together with. */
export const isTelling = (unit: number): boolean => (kindOf(unit) & TELLS) !== 0;
export const isSpace = (unit: number): boolean => (kindOf(unit) & SPACE) !== 0;
