import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import type { PromptRow } from '../../activities/data/prompts.ts';
import { domainShift } from '../../activities/generation/domain-shift.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';

const { signal } = new AbortController();
const gate = GENERATION_GATE_TABLE.domainShift;
const verdict = (score: Parameters<typeof judgeGate>[2]) =>
  judgeGate('domainShift', gate, score, { max: gate.threshold, severity: gate.severity }).verdict;
const random = seededRandom(3);
const SYLLABLES = ['ba', 'do', 'fi', 'gu', 'ka', 'le', 'mi', 'no', 'pu', 'ra', 'si', 'to', 'va', 'ze'];
const word = (): string => Array.from({ length: 3 }, () => SYLLABLES[random.below(14)]!).join('');
const WORDS = Array.from({ length: 600 }, word);
const said = (words = WORDS, length = 9): string[] => Array.from({ length }, () => words[random.below(words.length)]!);
const rowsOf = (texts: readonly (readonly string[])[]): PromptRow[] =>
  texts.map((text, at) => ({ id: `row ${at}`, prompt: text.join(' ') }));
const shop = (count: number) => rowsOf(Array.from({ length: count }, () => said()));
const STATION = Array.from({ length: 600 }, () => `${word()}x`);
const station = (count: number) => rowsOf(Array.from({ length: count }, () => ['train', ...said(STATION, 8)]));
const changed = (text: readonly string[], edits: number): string[] => {
  const other = [...text];
  for (let edit = 0; edit < edits; edit++) other[random.below(other.length)] = WORDS[random.below(WORDS.length)]!;
  return other;
};
/** `edits` of nine words are others in each variant. */
const withKin = (count: number, share: number, variants: number, edits: number): PromptRow[] => {
  const texts: string[][] = [];
  while (texts.length < count) {
    const text = said();
    texts.push(text);
    if (random.below(10) < 10 * share)
      for (let variant = 0; variant < variants; variant++) texts.push(changed(text, edits));
  }
  return rowsOf(texts.slice(0, count));
};

describe('test prompts against training prompts', () => {
  it('are not told apart where they are alike, and are where they come from elsewhere, with those that tell', async () => {
    const alike = await domainShift(shop(200), shop(80), { seed: 7, signal });
    equal(verdict(alike.score), 'pass');
    ok((alike.score.interval?.low ?? 1) < 0.05, JSON.stringify(alike.score));
    const [train, test] = [shop(200), station(80)];
    const other = await domainShift(train, test, { seed: 7, signal });
    deepEqual([other.score.rows, verdict(other.score)], [80, 'warn']);
    ok(other.score.value! > 0.9, JSON.stringify(other.score));
    equal(other.examples.length, 5);
    match(other.examples[0]?.text ?? '', /^train /);
    equal(other.examples[0]?.note, 'told from training prompts');
    deepEqual(await domainShift(train, test, { seed: 7, signal }), other);
  });

  it('are told where half of them come from elsewhere, with about how many do', async () => {
    const [train, test] = [shop(300), [...shop(50), ...station(50)]];
    const { score, examples } = await domainShift(train, test, { seed: 7, signal });
    equal(verdict(score), 'warn');
    ok(score.value! > 0.35 && score.interval!.low < 0.5, JSON.stringify(score));
    ok(examples.every(({ text }) => text?.startsWith('train ')));
  });

  for (const [what, share, variants, edits] of [
    ['a twin that differs in a word', 0.6, 1, 1],
    ['two looser variants', 0.5, 2, 3],
  ] as const) {
    it(`are not told apart because many texts have ${what}, all of a text on one side`, async () => {
      let told = 0;
      for (let draw = 0; draw < 8; draw++) {
        const sides = [0, 1].map(() => withKin(100, share, variants, edits)) as [PromptRow[], PromptRow[]];
        const { score } = await domainShift(...sides, { seed: draw, signal });
        equal(score.rows, 100);
        if (verdict(score) !== 'pass') told++;
      }
      equal(told, 0);
    });
  }

  it('are one pattern where they differ in a digit or go on with one another, and few patterns are too few to tell', async () => {
    const numbered = Array.from({ length: 80 }, (_, at) => ({
      id: `row ${at}`,
      prompt: `order ${at % 7 > 2 ? 'a' : 'b'} ${at}`,
    }));
    const { score } = await domainShift(shop(200), numbered, { seed: 7, signal });
    const made = (count: number): string =>
      `the 80 test prompts are made by ${count} patterns (texts that differ in a few words, digits or turns are one), ` +
      'and it takes test prompts of 20 patterns to tell';
    deepEqual([verdict(score), score.notApplicable], ['off', made(2)]);
    // Eighty rows of ten conversations that have no word in common but for how they begin, and eighty of forty.
    const turns = (conversations: number): PromptRow[] => {
      const begin = Array.from({ length: conversations }, () => said().join(' '));
      return shop(80).map((row, at) => {
        const first = { role: 'user' as const, content: begin[at % conversations]! };
        const question = { role: 'user' as const, content: `${begin[at % conversations]!} then` };
        const answer = { role: 'assistant' as const, content: 'yes' };
        return { ...row, history: [first, answer, question, answer] };
      });
    };
    const ten = await domainShift(shop(200), turns(10), { seed: 7, signal });
    equal(ten.score.notApplicable, made(10));
    const [alone, together] = [
      await domainShift(shop(200), shop(80), { seed: 7, signal }),
      await domainShift(shop(200), turns(40), { seed: 7, signal }),
    ];
    const width = ({ interval }: typeof alone.score): number => interval!.high - interval!.low;
    ok(width(together.score) > 1.1 * width(alone.score), JSON.stringify([alone.score, together.score]));
  });

  it('are not compared where there are fewer than twenty of either, nor after the run is cancelled', async () => {
    const few = await domainShift(shop(200), station(19), { seed: 7, signal });
    deepEqual([verdict(few.score), few.examples], ['off', []]);
    match(
      few.score.notApplicable ?? '',
      /there are 19 test prompts and 200 training prompts, and it takes 20 of each to tell/,
    );
    const long = Array.from({ length: 400 }, (_, at) => ({ id: `row ${at}`, prompt: 'a word '.repeat(600) }));
    const stop = new AbortController();
    const running = domainShift(long, long, { seed: 7, signal: stop.signal });
    stop.abort(new Error('cancelled'));
    await rejects(running, /cancelled/);
  });
});
