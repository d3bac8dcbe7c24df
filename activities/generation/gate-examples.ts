/** The prompts and texts that show what the gates of a generator mean. Pure. */
import { wholeText } from '../../inference/texts.ts';
import type { ExampledGenerationGate } from '../../pipelines/gates/generation.ts';
import type { GateExample } from '../contract/examples.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import type { PromptRow } from '../data/prompts.ts';
import { asked, type Answer } from './answers.ts';
import type { AskedAgainGate } from './asked-again.ts';
import type { AskedTable } from './behaviour/ask-tables.ts';
import { BUILT_IN_TABLES, type BuiltInTable } from './behaviour/built-in.ts';
import type { Judgement } from './judge.ts';
import { degenerationOf } from './metrics/degeneration.ts';
import type { Likelihood } from './metrics/likelihood.ts';

type Said = Exclude<
  ExampledGenerationGate,
  'perplexityRatio' | 'forgetting' | 'leakedPrompts' | 'sliceGap' | AskedAgainGate
>;

/** `judged` and `before`: of the answers, and of those that the model told nothing gave to the same prompts. */
export function answerExamples(
  answers: readonly Answer[],
  judged: readonly Judgement[],
  before: readonly Judgement[],
  tables: readonly AskedTable[],
): Readonly<Record<Said, readonly GateExample[]>> {
  const places = [...answers.keys()];
  const broken = (place: number): readonly string[] => judged[place]?.broken ?? [];
  const example = (place: number, note: string): GateExample => {
    const { row, text, refused } = answers[place]!;
    return exampleOf(row.id, note, spoken(asked(row), refused === undefined ? text : `(${refused})`));
  };
  const breaking = places
    .filter((place) => judged[place]?.adherent === false)
    .toSorted((a, b) => broken(b).length - broken(a).length);
  const breaks = (place: number): GateExample => example(place, `breaks ${broken(place).join(', ')}`);
  const missed = Object.fromEntries(BUILT_IN_TABLES.map((table) => [table, missedExamples(tables, table)]));
  return {
    adherence: breaking.slice(0, MOST_EXAMPLES).map(breaks),
    gainOverUnprompted: breaking
      .filter((place) => before[place]?.adherent === true)
      .slice(0, MOST_EXAMPLES)
      .map(breaks),
    degeneration: places
      .flatMap((place) => {
        const what = degenerationOf(answers[place]!);
        return what === undefined ? [] : [{ place, what }];
      })
      .slice(0, MOST_EXAMPLES)
      .map(({ place, what }) => example(place, what)),
    ...(missed as Record<BuiltInTable, readonly GateExample[]>),
  };
}

/** Tests of a built-in table that do not hold, by where they were written. */
function missedExamples(tables: readonly AskedTable[], table: BuiltInTable): readonly GateExample[] {
  const { failures = [] } = tables.find(({ name }) => name === table) ?? {};
  return failures.slice(0, MOST_EXAMPLES).map(({ file, line, problem, texts = [], answers = [] }) => {
    const said = texts.map((text, at) => spoken(wholeText(text), answers[at] ?? ''));
    return exampleOf(`${file}:${line}`, problem, said.join('\n'));
  });
}

interface Read {
  readonly id: string;
  readonly text: string;
}

/** Texts that have become less likely than they were to the base, a token, those that lost most first. */
export function unlikelierExamples(
  texts: readonly Read[],
  after: readonly Likelihood[],
  before: readonly Likelihood[],
): readonly GateExample[] {
  const lost = texts.map((_, row) => (after[row]!.nats - before[row]!.nats) / after[row]!.tokens);
  return [...lost.keys()]
    .filter((row) => lost[row]! > 0)
    .toSorted((a, b) => lost[b]! - lost[a]!)
    .slice(0, MOST_EXAMPLES)
    .map((row) => exampleOf(texts[row]!.id, `${lost[row]!.toFixed(2)} nats a token less likely`, texts[row]!.text));
}

/** What was asked, and what is answered. */
export function spoken(prompt: string, answer: string): string {
  return `${prompt}\n→ ${answer}`;
}

/** Good answers of test rows, as `unlikelierExamples` shows them. */
export function goodAnswer(row: PromptRow): readonly Read[] {
  return row.completion === undefined ? [] : [{ id: row.id, text: spoken(asked(row), row.completion) }];
}
