/** Reports of the sample run, as a reader of the page meets them. */
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { renderReport } from '../../activities/report/render.ts';
import { sampleMaterial } from './facts.ts';

export const render = (facts: RunFacts, kind: 'review' | 'release' | 'final' = 'final') =>
  renderReport({ kind, facts, ...sampleMaterial(facts) });

/** The page's words, without markup and with single spaces. */
export const wordsOf = (page: string) =>
  page
    .replaceAll(/<(style|title)[^>]*>.*?<\/\1>/gs, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');
