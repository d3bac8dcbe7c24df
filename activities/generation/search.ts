/**
 * The search for a prompt: every variant is asked a few validation prompts, the better half is asked twice as many, until
 * one is left or all prompts were asked (successive halving, Jamieson & Talwalkar, AISTATS 2016). Pure but for `ask`.
 */
import type { PromptVariant, PromptSearch } from '../contract/prompting.ts';
import { shareScore } from '../validation/scores.ts';
import type { PromptSpec } from './answers.ts';
import type { Judgement } from './judge.ts';

export interface NamedPrompt {
  readonly name: string;
  readonly prompt: PromptSpec;
}
export interface Asked {
  readonly judgement: Pick<Judgement, 'adherent' | 'weighted' | 'broken'>;
  readonly promptTokens: number;
  readonly tokens: number;
  /** It left no room for an answer in the context: nothing was asked. */
  readonly noRoom?: true;
}
export interface SearchRules {
  readonly rows: number;
  readonly firstRows: number;
  readonly budgetTokens: number;
  /** Whether the run's budget has ended. */
  readonly outOfTime?: () => boolean;
}
export interface Searched {
  readonly best: NamedPrompt;
  readonly variants: readonly PromptVariant[];
  readonly tokens: number;
  readonly stoppedBy: PromptSearch['stoppedBy'];
  /** It was the clock that stopped it. */
  readonly outOfTime: boolean;
  /** Of the best variant: what became of the rows it was asked, in order. */
  readonly outcomes: readonly Asked[];
}

/** `ask` answers rows `from` to `to` (exclusive) of the shuffled validation prompts under a prompt. */
export async function searchPrompt(
  prompts: readonly NamedPrompt[],
  { rows, firstRows, budgetTokens, outOfTime = () => false }: SearchRules,
  ask: (prompt: NamedPrompt, from: number, to: number) => Promise<readonly Asked[]>,
): Promise<Searched> {
  const tried = new Map(prompts.map((one) => [one, [] as Asked[]]));
  let alive = [...prompts];
  let tokens = 0;
  let stoppedBy: Searched['stoppedBy'] = null;
  let late = false;
  let goal = Math.min(rows, firstRows);
  search: for (;;) {
    for (const one of alive) {
      const outcomes = tried.get(one) ?? [];
      if (outcomes.length >= goal) continue;
      // The first variant is always asked: there must be a best one.
      if (tokens >= budgetTokens && tokens > 0) {
        stoppedBy = `the budget of ${budgetTokens} tokens was spent`;
        break search;
      }
      late = tokens > 0 && outOfTime();
      if (late) {
        stoppedBy = "the run's budget had ended";
        break search;
      }
      const answers = await ask(one, outcomes.length, goal);
      outcomes.push(...answers);
      tokens += answers.reduce((sum, answer) => sum + answer.promptTokens + answer.tokens, 0);
    }
    alive = ranked(alive, tried);
    if (goal >= rows) break;
    alive = alive.slice(0, Math.max(1, Math.ceil(alive.length / 2)));
    goal = Math.min(rows, goal * 2);
  }
  // Those that went further are the better ones; where the budget cut a round short, its beginning counts for nothing.
  const order = ranked(
    prompts.filter((one) => (tried.get(one)?.length ?? 0) > 0),
    tried,
  ).toSorted((a, b) => (tried.get(b)?.length ?? 0) - (tried.get(a)?.length ?? 0));
  const best = order[0];
  if (best === undefined) throw new Error('a search without a prompt');
  return {
    best,
    variants: order.map((one) => described(one, tried.get(one) ?? [])),
    tokens,
    stoppedBy,
    outOfTime: late,
    outcomes: tried.get(best) ?? [],
  };
}

function ranked(prompts: readonly NamedPrompt[], tried: ReadonlyMap<NamedPrompt, readonly Asked[]>): NamedPrompt[] {
  const facts = new Map(prompts.map((one) => [one, described(one, tried.get(one) ?? [])]));
  const of = (one: NamedPrompt): PromptVariant => facts.get(one) as PromptVariant;
  return prompts.toSorted(
    (a, b) =>
      (of(b).adherence.value ?? -1) - (of(a).adherence.value ?? -1) ||
      of(b).weighted - of(a).weighted ||
      // As good: the shorter one costs less at every question.
      of(a).promptTokens - of(b).promptTokens ||
      (a.name < b.name ? -1 : 1),
  );
}

function described({ name }: NamedPrompt, outcomes: readonly Asked[]): PromptVariant {
  const mean = (of: (one: Asked) => number): number =>
    outcomes.length === 0 ? 0 : outcomes.reduce((sum, one) => sum + of(one), 0) / outcomes.length;
  const noRoom = outcomes.filter((one) => one.noRoom === true).length;
  return {
    name,
    adherence: shareScore(outcomes.filter(({ judgement }) => judgement.adherent).length, outcomes.length),
    weighted: mean(({ judgement }) => judgement.weighted),
    promptTokens: mean(({ promptTokens }) => promptTokens),
    answerTokens: mean(({ tokens }) => tokens),
    ...(noRoom > 0 ? { noRoom } : {}),
  };
}
