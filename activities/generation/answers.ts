/** A generator asked many prompts in one way, each with draws of its own: the same seed gives the same answers. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Completion } from '../../inference/generation/options.ts';
import { withPrompt, type Message } from '../../inference/generation/chat.ts';
import type { Generator } from '../../inference/generation/generator.ts';
import type { ServedPrompt } from '../../inference/generation/served-prompt.ts';
import type { GenerationDefaults } from '../../pipelines/definition/generation.ts';
import type { PromptRow } from '../data/prompts.ts';
import { sha256Hex } from '../data/normalise.ts';
import type { CheckContext } from './guidelines/checker.ts';
import type { Judge, Judgement } from './judge.ts';

/** How a model is asked: what `prompt.json` holds. */
export type PromptSpec = Pick<ServedPrompt, 'system' | 'examples'>;

/** Told nothing: the baseline. */
export const UNPROMPTED: PromptSpec = { system: '', examples: [] };

/** All of a generator that answers need. */
export type Answering = Pick<Generator, 'complete'>;

export interface Answer extends Completion {
  readonly row: PromptRow;
  /** Why there is none: the prompt leaves no room in the model's context. */
  readonly refused?: string;
}

export async function answerAll(
  generator: Answering,
  prompt: PromptSpec,
  rows: readonly PromptRow[],
  { generation, seed, signal, onProgress }: AskOptions,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const row of rows) {
    signal.throwIfAborted();
    answers.push(await answer(generator, prompt, row, { generation, seed, signal }));
    onProgress?.(answers.length, rows.length);
  }
  return answers;
}

export interface AskOptions {
  readonly generation: GenerationDefaults;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

async function answer(generator: Answering, prompt: PromptSpec, row: PromptRow, options: AskOptions): Promise<Answer> {
  const { generation, seed, signal } = options;
  const { maxNewTokens, temperature, topK, topP, repetitionPenalty, stop } = generation;
  const messages = withPrompt(prompt, conversationOf(row));
  const draws = { temperature, topK, topP, repetitionPenalty, seed: seedOf(seed, row.id) };
  try {
    return { row, ...(await generator.complete(messages, { maxNewTokens, stop, signal, ...draws })) };
  } catch (error) {
    if (!(error instanceof EspalierError) || error.kind !== 'BadRequest') throw error;
    return { row, text: '', promptTokens: 0, tokens: 0, finish: 'length', refused: error.message };
  }
}

/** What there is no answer to keeps no guideline, whatever an empty text would keep. */
export function judged(judge: Judge, { text, row, refused }: Answer, { system }: PromptSpec): Judgement {
  if (refused === undefined) return judge.of(text, given(row, system));
  const broken = judge.checks.map(({ id }) => id);
  const details = broken.map((id) => ({ id, detail: refused }));
  return { adherent: false, weighted: 0, broken, details, applied: broken };
}

/** What is said to the model: the facts that it may rest on stand before the question. */
export function asked({ prompt, facts = [] }: PromptRow): string {
  return facts.length === 0 ? prompt : `${facts.join('\n')}\n\n${prompt}`;
}

/** What a client sends: all that was said before, and the question. */
export function conversationOf(row: PromptRow): readonly Message[] {
  return [...(row.history ?? []), { role: 'user', content: asked(row) }];
}

/** What an answer to a row is judged by; `system`: what the model is told besides the row's own system text. */
export function given({ prompt, facts, history = [] }: PromptRow, system?: string): CheckContext {
  const own = history.filter(({ role }) => role === 'system').map(({ content }) => content);
  const earlier = history.filter(({ role }) => role !== 'system').map(({ content }) => content);
  const told = [...(system === undefined ? [] : [system]), ...own];
  return { prompt, facts, ...(told.length === 0 ? {} : { system: told.join('\n\n') }), earlier };
}

/** Of one row, whatever stands beside it and in whatever order. */
export function seedOf(seed: number, id: string): number {
  return Number.parseInt(sha256Hex(`${seed}:${id}`).slice(0, 8), 16) >>> 1;
}
