/** What is kept of the answers to test prompts for those who ask later: the check of a deployment, and the watch over drift. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { GeneratorReference } from '../../artifacts/bundle.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { StepContext } from '../step.ts';
import { asked, seedOf, type Answer } from './answers.ts';
import type { Judgement } from './judge.ts';
import type { ServedWith } from './served-prompt.ts';

const SERVED_QUESTIONS = 8;

/** The first test prompts as a client asks them: the deployment sees that the server answers as was evaluated. */
export function questionsOf(answers: readonly Answer[], { generation }: ServedWith, seed: number): readonly unknown[] {
  return answers
    .filter(({ refused }) => refused === undefined)
    .slice(0, SERVED_QUESTIONS)
    .map(({ row, text }) => ({
      text: asked(row),
      answer: text,
      // All else is left to the server: that it answers as was measured where a client does not say is part of the check.
      // The length is named, so that a server that allows less says so instead of answering less.
      options: {
        max_tokens: generation.maxNewTokens,
        seed: seedOf(seed, row.id),
        ...(row.history === undefined ? {} : { history: row.history }),
      },
    }));
}

/** What monitoring compares traffic with: lengths and adherence; a generator has no embeddings to compare. */
export async function putReference(
  { store, signal }: StepContext,
  answers: readonly Answer[],
  judged: readonly Judgement[],
): Promise<ArtifactRef> {
  const reference: GeneratorReference = {
    version: 1,
    kind: 'generator',
    rows: answers.length,
    promptTokens: answers.map(({ promptTokens }) => promptTokens),
    answerTokens: answers.map(({ tokens }) => tokens),
    adherent: judged.map(({ adherent }) => adherent),
  };
  const file = await store.putBytes(canonicalJson(reference), {
    name: 'reference.json',
    mediaType: 'application/json',
    signal,
  });
  return store.putManifest([{ path: 'reference.json', ref: file }], 'reference');
}
