/** A question to the evaluator, said shortly. */
import type { Judgement, ModelTerms } from '../../../pipelines/licence/decision.ts';
import { evaluate } from '../../../pipelines/licence/evaluate.ts';
import type { CompiledPolicy } from '../../../pipelines/licence/policy.ts';
import type { UseFacts } from '../../../pipelines/licence/use.ts';

export const NO_TERMS: ModelTerms = {
  declared: [],
  name: null,
  link: null,
  doubts: [],
  parents: [],
  relation: null,
  datasets: [],
  gated: false,
};

/** What a card with these licences declares. */
export const declares = (...ids: readonly string[]): ModelTerms => ({
  ...NO_TERMS,
  declared: ids.map((id) => ({ id, by: 'the card' })),
});

/** A company's own service, fully stated. */
export const SERVICE: UseFacts = {
  commercial: true,
  domain: 'customer support',
  publish: false,
  hosted: true,
  modify: true,
};
export const RESEARCH: UseFacts = { ...SERVICE, commercial: false, hosted: false, domain: 'research' };
export const PUBLISHED: UseFacts = { ...SERVICE, publish: true };

export const judge = (terms: ModelTerms | string, use: UseFacts = SERVICE, policy?: CompiledPolicy): Judgement =>
  evaluate({ terms: typeof terms === 'string' ? declares(terms) : terms, use, today: '2026-06-01' }, policy);
