import { deepEqual, equal, match } from 'node:assert/strict';
import type { Score } from '../../activities/contract/measures.ts';
import type { ForetoldSearch } from '../../activities/contract/retrieval.ts';
import { costOf } from '../../activities/report/cost.ts';
import { frame, type ReportInput } from '../../activities/report/page.ts';
import { wholeGallerySection } from '../../activities/report/sections/whole-gallery.ts';
import { wholeGalleryOf } from '../../activities/report/whole-gallery.ts';
import { timeScore } from '../../activities/selection/busy-machine.ts';
import { plainScore } from '../../activities/validation/scores.ts';
import { retrieval, retrievalPipeline, retrievalPrototype } from '../support/retrieval-facts.ts';

const SEARCH = { hereMs: 1, wholeMs: 6 };
const busy = (ms: number, leastMs?: number): Score => timeScore(ms, 100, { waitedShare: 0.9, leastMs });
const quiet = (ms: number): Score => timeScore(ms, 100, { waitedShare: 0.1 });

/** Of a finder that finds enough, and whose gate of latency ends the run above 30 ms. */
function foretell(latencyP95Ms: Score, search: ForetoldSearch | undefined, retrievalOptions: object = {}) {
  const { search: _, ...found } = retrievalPrototype.retrieval!.foretold!;
  const pipeline = retrievalPipeline({
    gates: { latencyP95Ms: { max: 30, severity: 'fail' }, recallAtK: { min: 0.5 }, meanAveragePrecision: { min: 0.3 } },
    retrieval: retrievalOptions,
  });
  const facts = {
    ...retrievalPrototype,
    pipeline: { ...pipeline, prototype: { trainRows: 560, measuredRows: 122, seed: 7 } },
    retrieval: {
      ...retrieval,
      measures: { ...retrieval.measures, latencyP95Ms },
      foretold: { ...found, ...(search === undefined ? {} : { search }) },
    },
  };
  const wholeGallery = wholeGalleryOf(facts, costOf(facts, null))!;
  const gate = wholeGallery.gates.find(({ name }) => name === 'latencyP95Ms')!;
  const page = frame(wholeGallerySection, wholeGallerySection.body({ facts, wholeGallery } as ReportInput))
    .markup.replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');
  return { outlook: gate.outlook, judged: gate.judged, verdict: wholeGallery.verdict, page };
}

function said(...asked: Parameters<typeof foretell>): readonly unknown[] {
  const { outlook, judged, verdict } = foretell(...asked);
  return [outlook, judged, verdict];
}

describe('the latency of the whole gallery', () => {
  it('passes or fails by what was measured on a quiet machine, and what the longer search adds', () => {
    deepEqual(said(quiet(24), SEARCH), ['passes', 29, 'passes']);
    deepEqual(said(quiet(26), SEARCH), ['fails', 31, 'fails']);
  });

  it('accuses nobody for a time of a busy machine, unless a free one would take too long with the longer search', () => {
    deepEqual(said(busy(40, 15), SEARCH), ['open', { low: 20, high: 45 }, 'open']);
    deepEqual(said(busy(40), SEARCH), ['open', { low: null, high: 45 }, 'open']);
    deepEqual(said(busy(26, 15), SEARCH), ['open', { low: 20, high: 31 }, 'open'], 'over it by the search alone');
    deepEqual(said(busy(40, 26), SEARCH), ['fails', { low: 31, high: 45 }, 'fails']);
    deepEqual(said(busy(24, 15), SEARCH), ['passes', { low: 20, high: 29 }, 'passes']);
  });

  it('is judged where the search was not timed, too: over the limit here it fails, and within it is open', () => {
    deepEqual(said(quiet(31), undefined), ['fails', { low: 31, high: null }, 'fails']);
    deepEqual(said(quiet(24), undefined), ['open', { low: 24, high: null }, 'open']);
    deepEqual(said(busy(40, 31), undefined), ['fails', { low: 31, high: null }, 'fails']);
    deepEqual(said(busy(40, 15), undefined), ['open', { low: 15, high: null }, 'open']);
    deepEqual(said(busy(40), undefined), ['open', { low: null, high: null }, 'open']);
    deepEqual(said({ ...plainScore(0, 0), value: null }, SEARCH), ['open', { low: null, high: null }, 'open']);
  });

  it('is at most so long where a graph would be tried', () => {
    const graph = { exactUpTo: 1000 };
    deepEqual(said(quiet(24), SEARCH, graph), ['passes', { low: null, high: 29 }, 'passes']);
    deepEqual(said(quiet(40), SEARCH, graph), ['open', { low: null, high: 45 }, 'open']);
    deepEqual(said(busy(40, 35), SEARCH, graph), ['open', { low: null, high: 45 }, 'open']);
    deepEqual(said(quiet(40), undefined, graph), ['open', { low: null, high: null }, 'open']);
  });

  it('stands in the report with what is known of it', () => {
    const pageOf = (...asked: Parameters<typeof foretell>): string => foretell(...asked).page;
    match(pageOf(quiet(24), SEARCH), /on this machine about 29\.0 ms: the model as here, its weights/);
    const waited = pageOf(busy(40, 15), SEARCH);
    match(waited, /not shown .*\(latency: 20\.0 ms to 45\.0 ms would be judged, at most 30\.0 ms is asked\)/);
    match(waited, /on this machine at most 45\.0 ms: the model as here, where the machine was busy, its weights/);
    match(pageOf(busy(40), SEARCH), /latency: at most 45\.0 ms would be judged/);
    const before = pageOf(quiet(24), undefined);
    match(before, /not shown .*latency: at least 24\.0 ms would be judged/);
    match(before, /on this machine not known: the search was not timed/);
    match(pageOf(busy(40), undefined), /latency: it is not known what would be judged, at most/);
    equal(pageOf(busy(24, 15), SEARCH).includes('null'), false);
  });
});
