/** A row as the trainer learns it: the conversation in the model's chat format, and where in it there is something to learn. */
import {
  answerSpans,
  answerText,
  chatText,
  renderChat,
  withPrompt,
  type Message,
  type PromptPart,
  type Span,
} from '../../inference/generation/chat.ts';
import type { ChatFormatName } from '../../inference/generation/chat-formats.ts';
import type { PromptRow } from '../data/prompts.ts';
import { conversationOf, given } from './answers.ts';
import type { Judge } from './judge.ts';

/** As `train.jsonl` has it. The completion is learnt, and of the prompt the earlier answers (`learnt`, in code points). */
export interface LearntRow {
  readonly prompt: string;
  readonly completion: string;
  readonly learnt?: readonly Span[];
}
export interface LearntBy {
  readonly format: ChatFormatName;
  /** What the tuned model will be told. */
  readonly system: string;
  /** Answers that break a guideline are read, and not learnt; null: all are learnt. */
  readonly judge: Judge | null;
  /** Whether the trainer can take a row whole. */
  readonly fits: (row: LearntRow) => Promise<boolean>;
  /** Whether a message spells a special token: the trainer reads one text, in which it would be that token. */
  readonly spells: (parts: readonly PromptPart[]) => boolean;
  readonly signal: AbortSignal;
}

/** `spells`: a message could close its own turn, and the server would read it as text. Such a row is not to be learnt. */
export interface Learnt {
  readonly row: LearntRow;
  readonly dropped: number;
  readonly spells: boolean;
}

/**
 * Ends with the last answer that is learnt; what follows it would be read for nothing. Of a conversation that is too long
 * the oldest questions go, each with its answer; the system text and the last question stay. undefined where nothing is
 * learnt: no answer is good, or the row has none at its end.
 */
export async function learntRow(
  row: PromptRow,
  { format, system, judge, fits, spells, signal }: LearntBy,
): Promise<Learnt | undefined> {
  const { completion } = row;
  if (completion === undefined) return undefined;
  const messages: readonly Message[] = [...conversationOf(row), { role: 'assistant', content: completion }];
  const learnt = messages.filter(
    ({ role }, place) => role === 'assistant' && (judge === null || isGood(judge, row, messages, place)),
  );
  const last = learnt.at(-1);
  if (last === undefined) return undefined;
  const told = withPrompt({ system, examples: [] }, messages.slice(0, messages.indexOf(last)));
  const first = told[0]?.role === 'system' ? 1 : 0;
  const isLearnt = new Set(learnt);
  const saidWithout = (dropped: number) => [...told.slice(0, first), ...told.slice(first + 2 * dropped)];
  const without = (dropped: number): LearntRow => {
    const said = saidWithout(dropped);
    const spans = answerSpans(format, said, (place) => isLearnt.has(said[place]!));
    return {
      prompt: chatText(format, said),
      completion: answerText(format, last.content),
      ...(spans.length === 0 ? {} : { learnt: spans }),
    };
  };
  // Each look reads the whole row: the fewest that fit are found by halving, after the row as it is. A question alone
  // stays: it is cut, as one of a row of a single turn is.
  let [tooLong, enough] = [-1, (told.length - first - 1) / 2];
  while (enough - tooLong > 1) {
    signal.throwIfAborted();
    const dropped = tooLong < 0 ? 0 : Math.floor((tooLong + enough) / 2);
    if (await fits(without(dropped))) enough = dropped;
    else tooLong = dropped;
  }
  const answer = [{ text: last.content, ours: false }];
  return {
    row: without(enough),
    dropped: enough,
    spells: spells(renderChat(format, saidWithout(enough))) || spells(answer),
  };
}

/** Whether the answer at a place keeps the guidelines, as an answer to what stands before it. The facts are the last answer's. */
function isGood(judge: Judge, row: PromptRow, messages: readonly Message[], place: number): boolean {
  const isLast = place === messages.length - 1;
  const content = messages[place]?.content ?? '';
  if (isLast) return judge.of(content, given(row)).adherent;
  const context = { id: row.id, prompt: messages[place - 1]?.content ?? '', history: messages.slice(0, place - 1) };
  return judge.of(content, given(context)).adherent;
}
