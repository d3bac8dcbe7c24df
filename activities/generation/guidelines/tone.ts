/**
 * Tone by word lists: what is wanted is said, what is not is not. Short English lists of ours; they know nothing of irony
 * or of a polite sentence in other words, so a tone is better a soft check. Pure.
 */
import type { Tone } from '../../../pipelines/guidelines/checks.ts';
import { list, type Rule } from './checker.ts';
import { folded, holds } from './text.ts';

interface WordList {
  readonly prefer: readonly string[];
  readonly avoid: readonly string[];
  /** How many of `prefer` an answer has at least. */
  readonly least: number;
}

const RUDE = [
  'stupid',
  'idiot',
  'dumb',
  'shut up',
  'whatever',
  'obviously',
  'calm down',
  'your fault',
  'not my problem',
  'stop complaining',
  'read the manual',
  'as i already said',
  'damn',
  'hell no',
  'crap',
];
const SLANG = [
  'hey',
  'yeah',
  'yep',
  'nope',
  'gonna',
  'wanna',
  'gotta',
  'kinda',
  'sorta',
  'lol',
  'omg',
  'btw',
  'cool',
  'guys',
  'stuff',
  'no worries',
  'dude',
  'awesome',
  'super easy',
  "ain't",
];

export const TONE_WORDS: Readonly<Record<Tone, WordList>> = {
  polite: {
    prefer: [
      'please',
      'thank you',
      'thanks',
      "you're welcome",
      'you are welcome',
      'would you',
      'could you',
      'may i',
      'happy to',
      'glad to',
      'gladly',
      'of course',
      'certainly',
      'kindly',
      'sorry',
      'apologise',
      'apologize',
      'apologies',
      'appreciate',
      'hope this helps',
      'let me know',
      'is there anything else',
    ],
    avoid: RUDE,
    least: 1,
  },
  formal: {
    prefer: [
      'dear',
      'sincerely',
      'kind regards',
      'please',
      'we would like',
      'we regret',
      'we are pleased',
      'in accordance',
      'furthermore',
      'therefore',
    ],
    avoid: [...SLANG, ...RUDE, "can't", "won't", "don't", "i'm", "you're", "it's", "we're", "let's"],
    least: 0,
  },
  neutral: {
    prefer: [],
    avoid: [
      ...RUDE,
      'amazing',
      'incredible',
      'fantastic',
      'terrible',
      'horrible',
      'awful',
      'disgusting',
      'the best ever',
      'the worst',
      'i love',
      'i hate',
      'unbelievable',
      'outrageous',
      'shameful',
      'everyone knows',
    ],
    least: 0,
  },
  empathetic: {
    prefer: [
      'sorry to hear',
      'i understand',
      'we understand',
      'i can see',
      'that must',
      'must be frustrating',
      'must have been',
      'frustrating',
      'i know how',
      "you're right",
      'you are right',
      'thank you for telling',
      'thanks for telling',
      "i'm sorry",
      'i am sorry',
      'we are sorry',
      "we're sorry",
      'i apologise',
      'i apologize',
      'here for you',
      'happy to help',
      'glad you',
    ],
    avoid: [
      ...RUDE,
      'there is nothing we can do',
      'you should have',
      'you must have',
      'as stated in our terms',
      'policy is policy',
    ],
    least: 1,
  },
};
const NO_WORDS: WordList = { prefer: [], avoid: [], least: 0 };

export const toneRule: Rule<'tone'> = {
  checker: ({ tone, prefer, avoid, minPreferred, maxAvoided }) => {
    const ours = tone === undefined ? NO_WORDS : TONE_WORDS[tone];
    const wanted = [...ours.prefer, ...prefer];
    const unwanted = [...ours.avoid, ...avoid];
    const least = minPreferred ?? ours.least;
    return (answer) => {
      const text = folded(answer);
      const said = unwanted.filter((phrase) => holds(text, phrase));
      if (said.length > maxAvoided) return `says ${list(said.slice(0, 5))}`;
      const found = wanted.filter((phrase) => holds(text, phrase)).length;
      return found < least ? `has ${found} of the words wanted, fewer than ${least}` : undefined;
    };
  },
  tell: ({ tone, prefer, avoid }) =>
    [
      ...(tone === undefined ? [] : [TOLD[tone]]),
      ...(prefer.length === 0 ? [] : [`Use words like ${list(prefer.slice(0, 6))}.`]),
      ...(avoid.length === 0 ? [] : [`Avoid words like ${list(avoid.slice(0, 6))}.`]),
    ].join(' '),
};

const TOLD: Readonly<Record<Tone, string>> = {
  polite: 'Be polite: say please, thank you or sorry where it fits.',
  formal: 'Write formally: no slang, no short forms.',
  neutral: 'Be neutral: no strong words, no opinion.',
  empathetic: 'Show that you understand how the other feels.',
};
