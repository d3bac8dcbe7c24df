/** In which language and script an answer is written: by its commonest words, and by its letters. Pure. */
import type { Language } from '../../../pipelines/guidelines/checks.ts';
import type { Rule } from './checker.ts';
import { wordsOf } from './text.ts';

/** Words that stand in every text of a language and in few of another. */
const COMMON_WORDS: Readonly<Record<Language, ReadonlySet<string>>> = {
  en: words(
    'the of and to in is you that it for was on are with as have be this from not your we can will our by or an at my',
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
    'o a os as de que e é em um uma por para com não se do da no na ao como mais você está são seu sua pode ou',
  ),
  nl: words(
    'de het een en van is niet u dat wij te in op voor met zijn we je er aan ook als kan uw om naar bij of hebben wordt',
  ),
};

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

/** Fewer words say nothing about a language. */
const LEAST_WORDS = 5;
const LEAST_SCRIPT_SHARE = 0.9;

/** The language whose common words fill the most of a text, or several that tie; none where fewer than a tenth are of any. */
export function likelyLanguages(text: string): readonly Language[] {
  const found = wordsOf(text.toLowerCase());
  const counts = Object.entries(COMMON_WORDS).map(
    ([language, common]) => [language as Language, found.filter((word) => common.has(word)).length] as const,
  );
  const most = Math.max(...counts.map(([, count]) => count));
  if (found.length === 0 || most < found.length / 10) return [];
  return counts.filter(([, count]) => count === most).map(([language]) => language);
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
      if (language === undefined || wordsOf(answer).length < LEAST_WORDS) return undefined;
      const likely = likelyLanguages(answer);
      if (likely.includes(language)) return undefined;
      return likely.length === 0
        ? `is of no language that can be told`
        : `reads like ${likely.join(' or ')}, not ${language}`;
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
