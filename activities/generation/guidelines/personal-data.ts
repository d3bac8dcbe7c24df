/** An answer gives no personal data away. Pure. */
import { findPersonalData } from '../../privacy/scan.ts';
import { givenText, type Rule } from './checker.ts';
import { folded } from './text.ts';

export const noPersonalData: Rule<'no-personal-data'> = {
  checker: ({ kinds, allow, allowGiven }) => {
    const allowed = new Set(allow.map(bare));
    return (answer, context) => {
      const found = findPersonalData(answer).filter(({ kind }) => kinds === undefined || kinds.includes(kind));
      if (found.length === 0) return undefined;
      const given = allowGiven ? bare(givenText(context)) : '';
      const leaked = found.filter(({ start, end }) => {
        const value = bare(answer.slice(start, end));
        return !allowed.has(value) && !given.includes(value);
      });
      if (leaked.length === 0) return undefined;
      return `gives away ${leaked.map(({ kind, redacted }) => `${kind} ${redacted}`).join(', ')}`;
    };
  },
  tell: ({ allow }) =>
    `Give no e-mail address, telephone number, card number or other personal data${allow.length === 0 ? '' : `, but for ${allow.slice(0, 5).join(', ')}`}.`,
};

/** However it is written: a number with other spaces or dashes is the same number. */
function bare(text: string): string {
  return folded(text).replaceAll(/[\s().\-/]/gu, '');
}
