/**
 * A text as the forms read it: full-width signs and the digits of other scripts as ASCII, every kind of space and dash as
 * the plain one, and without the characters that nobody sees. A number copied from a page or a PDF is a number still. Pure.
 */

export interface PlainText {
  readonly text: string;
  /** Where the characters stood, and at last where the text ended; missing where none was taken out. */
  readonly places?: Uint32Array;
}

/** No-break and other spaces, dashes, full-width signs, decimal digits beyond ASCII, and what takes no room. */
const UNUSUAL =
  /[\u00A0\u00AD\u2000-\u200F\u2010-\u2015\u202A-\u202F\u205F-\u2064\u2212\u2215\u3000\uFE58\uFE63\uFEFF\uFF01-\uFF5E]|(?![0-9])\p{Nd}/u;
const INVISIBLE = /[\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2064\uFEFF]/;
const SPACE = /[\u00A0\u2000-\u200A\u202F\u205F\u3000]/;
const DASH = /[\u2010-\u2015\u2212\uFE58\uFE63]/;
const DECIMAL = /^\p{Nd}$/u;

/** The same text, and nothing made anew, where it has none of these. */
export function plainText(text: string): PlainText {
  if (!UNUSUAL.test(text)) return { text };
  const characters: string[] = [];
  const places: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character > '\u007F' && INVISIBLE.test(character)) continue;
    characters.push(character > '\u007F' ? plainCharacter(character) : character);
    places.push(at);
  }
  return {
    text: characters.join(''),
    ...(characters.length === text.length ? {} : { places: Uint32Array.from([...places, text.length]) }),
  };
}

function plainCharacter(character: string): string {
  if (SPACE.test(character)) return ' ';
  if (DASH.test(character)) return '-';
  if (character === '\u2215') return '/';
  const code = character.charCodeAt(0);
  if (code >= 0xff01 && code <= 0xff5e) return String.fromCharCode(code - 0xfee0);
  return DECIMAL.test(character) ? String(decimalOf(code)) : character;
}

/** Unicode's decimal digits stand in runs of ten, of which the first is zero. */
function decimalOf(code: number): number {
  let value = 0;
  while (value < 9 && DECIMAL.test(String.fromCharCode(code - value - 1))) value += 1;
  return value;
}
