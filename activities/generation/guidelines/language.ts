/** In which language and script an answer is written: by its commonest words, and by its letters. Pure. */
import { LANGUAGES, type Language } from '../../../pipelines/guidelines/checks.ts';
import type { Rule } from './checker.ts';
import { wordsOf } from './text.ts';

/** Words that stand in every text of a language and in few of another. */
const COMMON_WORDS: Readonly<Record<Language, ReadonlySet<string>>> = {
  en: words(
    'the of and to in is you that it for was on are with as have be this from not your we can will our by or an at my i me do what which would could how any there has had they them their his her she he all so if but no yes please thank thanks sorry',
  ),
  de: words(
    'der die das und ist nicht sie ich wir zu den dem mit auf für eine ein es von sich auch im werden haben ihre bei sind wird oder uns',
  ),
  fr: words(
    'le la les des et est vous que pour dans une un nous pas avec sur votre ce il du au je sont qui par plus être vos ou ne',
  ),
  es: words(
    'el la los las de que y es en un una por para con no su se del al lo como más nos usted está son puede gracias o pero',
  ),
  it: words(
    'il lo la gli di che è e un una per con non si sono del della nel alla come più può ci ma anche questo le suo i da',
  ),
  pt: words(
    'os as de que é em um uma por para com não se dos nas pelo ao como mais você está são seu sua pode ou foi muito também isso nós ele ela obrigado quando já',
  ),
  nl: words(
    'de het een en van is niet u dat wij te in op voor met zijn we je er aan ook als kan uw om naar bij of hebben wordt',
  ),
};

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

/** Fewer words say nothing about a language; and fewer common ones more than another has are chance. */
const LEAST_WORDS = 5;
const LEAST_LEAD = 2;
/** So many words without a common one among ten of them are of none of these languages. */
const LEAST_FOREIGN_WORDS = 12;
const LEAST_SCRIPT_SHARE = 0.9;

/** Another language that a text reads like; '' where it is of none that can be told; undefined where it may be this one. */
export function otherLanguage(text: string, wanted: Language): Language | '' | undefined {
  const found = wordsOf(text.toLowerCase());
  if (found.length < LEAST_WORDS) return undefined;
  const countOf = (language: Language): number => found.filter((word) => COMMON_WORDS[language].has(word)).length;
  const [most] = LANGUAGES.map((language) => ({ language, count: countOf(language) })).toSorted(
    (a, b) => b.count - a.count,
  );
  if (most === undefined || most.count < found.length / 10) return found.length < LEAST_FOREIGN_WORDS ? undefined : '';
  return most.count >= countOf(wanted) + LEAST_LEAD ? most.language : undefined;
}

export const languageRule: Rule<'language'> = {
  checker: ({ language, script }) => {
    const ofScript = script === undefined ? undefined : new RegExp(`\\p{sc=${script}}`, 'u');
    return (answer) => {
      const letters = answer.match(/\p{L}/gu) ?? [];
      if (ofScript !== undefined && letters.length > 0) {
        const share = letters.filter((letter) => ofScript.test(letter)).length / letters.length;
        if (share < LEAST_SCRIPT_SHARE) return `has ${(100 * share).toFixed(0)} % of its letters in ${script} script`;
      }
      const other = language === undefined ? undefined : otherLanguage(answer, language);
      if (other === undefined) return undefined;
      return other === '' ? 'is of no language that can be told' : `reads like ${NAMES[other]}`;
    };
  },
  tell: ({ language, script }) =>
    [
      ...(language === undefined ? [] : [`Answer in ${NAMES[language]}.`]),
      ...(script === undefined ? [] : [`Write in ${script} script.`]),
    ].join(' '),
};

const NAMES: Readonly<Record<Language, string>> = {
  en: 'English',
  de: 'German',
  fr: 'French',
  es: 'Spanish',
  it: 'Italian',
  pt: 'Portuguese',
  nl: 'Dutch',
};
