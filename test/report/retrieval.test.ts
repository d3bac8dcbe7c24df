import { doesNotMatch, match } from 'node:assert/strict';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { summarise } from '../../client/summary.ts';
import { renderReport } from '../../activities/report/render.ts';
import { sampleFacts, sampleMaterial } from '../support/facts.ts';
import { retrieval, retrievalFacts, retrievalPipeline } from '../support/retrieval-facts.ts';

describe('the report on a model that finds pictures', () => {
  const words = (shown: RunFacts): string =>
    renderReport({ kind: 'final', facts: shown, ...sampleMaterial(shown) })
      .replaceAll(/<(style|title)[^>]*>.*?<\/\1>/gs, '')
      .replaceAll(/<[^>]*>/g, ' ')
      .replaceAll(/\s+/g, ' ');

  it('shows what is found beside pixels, label by label, what is missed, and by which search', () => {
    const page = words(retrievalFacts);
    match(page, /the encoder as it came 95\.8 % .* 69\.0 %/);
    match(page, /pixels 72\.0 % .* 38\.0 % .* 31\.0 points/);
    match(page, /gear 86\.0 % 41\.0 % 14/);
    match(page, /nut not measured not measured 0/);
    match(page, /pictures of brightness 20 to 71 \(of 255\) 40 92\.5 % .*6\.0 points/);
    match(page, /blur mild: Gaussian 4\.0 points/);
    match(page, /1f0c9a44d2e7b310 gear bolt 0\.913/);
    match(page, /2 of 2 answered with neighbours: one pixel, CMYK/);
    match(page, /560 pictures of 512 numbers.*exact: the gallery is small enough/);
  });

  it('says that every picture finds its label only of those that there is something to find for', () => {
    const found = (queriesWithoutRelevant: number, rows = 120): string => {
      const measures = { ...retrieval.measures, recallAtK: { ...retrieval.measures.recallAtK, rows } };
      return words({
        ...retrievalFacts,
        retrieval: { ...retrieval, measures, misses: [], queriesWithoutRelevant },
      });
    };
    match(found(0), /Every test picture finds one of its label among the first/);
    match(found(2), /Every test picture that there is something to find for finds one of its label/);
    match(found(122, 0), /There is nothing to find for any test picture\./);
    doesNotMatch(found(2) + found(122, 0), /Every test picture finds/);
  });

  it('says what the declared device has and encoder and index take of it, and nothing where none is declared', () => {
    const hardwareFit = [
      { what: 'memory', neededMb: 900, availableMb: 2000, workers: 2 },
      { what: 'storage', neededMb: 60, availableMb: 800, workers: 2 },
    ] as const;
    match(
      words({ ...retrievalFacts, retrieval: { ...retrieval, hardwareFit } }),
      /Memory of the device 900\.0 MB needed of 2000\.0 MB, with 2 copies of the model and one index Storage of the device 60\.0 MB needed of 800\.0 MB/,
    );
    doesNotMatch(words(retrievalFacts), /of the device/);
  });

  it('names its gates, the comparison with production and the way from encoder to index', () => {
    const page = words(retrievalFacts);
    match(page, /Recall@k ✓ pass 95\.8 % .* at least 90\.0 %/);
    match(page, /Gain over the frozen encoder – off/);
    match(page, /Test pictures that both were asked with 118/);
    match(page, /61 pictures find better, 33 worse, of 118/);
    match(page, /index embedder, dataset/);
    match(page, /embedder base model/);
  });

  it('names the behaviour tests that do not hold, and where the dataset keeps their pictures', () => {
    const failure = { file: 'same.csv', line: 3, problem: 'finds 0.20 of the first 10 the same way, and must 0.5' };
    const kept = ['behaviour/0123456789abcdef.jpg', 'behaviour/fedcba9876543210.png'];
    const score = { value: 0.5, interval: null, rows: 2 };
    const failures = [{ ...failure, pictures: kept }];
    const behaviour = [{ name: 'same', kind: 'invariance' as const, score, failures }];
    match(
      words({ ...retrievalFacts, retrieval: { ...retrieval, behaviour } }),
      /same: tests of invariance that do not hold.*same\.csv:3 finds 0\.20 .* behaviour\/0123456789abcdef\.jpg behaviour\/fedc/,
    );
  });

  it('tells what attacks left of first neighbours, where there were any', () => {
    const kept = { value: 0.6, interval: { low: 0.5, high: 0.7, confidence: 0.95 }, rows: 90 };
    const squareAttack = {
      measures: { squareRobustness: kept },
      accuracy: { ...kept, value: 0.9, rows: 100 },
      queriesToLose: null,
      attack: { epsilonLevels: 2, pictures: 100, queries: 300 },
      details: retrievalFacts.definition,
    };
    match(
      words({ ...retrievalFacts, squareAttack }),
      /right where the first neighbour has the label of the picture that asks\. .*right as they are 90\.0 %.*square attack, .* 60\.0 %/,
    );
    doesNotMatch(words(retrievalFacts), /Under attack/);
  });

  it('is summed up for whoever decides: the gain in mAP beside production', () => {
    const lines = summarise(retrievalFacts, 'release').flatMap((row) => row.lines.map(({ text }) => text));
    match(lines.join('\n'), /61 rows won, 33 lost of 118; mAP 3\.0 points \(1\.0 to 5\.0\)/);
  });

  it('misses nothing that only classifiers or generators have, nor a training that nobody asked for', () => {
    doesNotMatch(words(retrievalFacts), /has not been there: [^.]*(Evaluation|Prompts|Fine-tuning)/);
    doesNotMatch(words(sampleFacts), /has not been there: [^.]*What is found/);
  });

  it('sets what was tuned beside the frozen encoder, and says what a graph was shown to overlook', () => {
    const score = { value: 0.99, interval: { low: 0.96, high: 1, confidence: 0.95 }, rows: 200 };
    const { exported } = retrievalFacts;
    if (exported === undefined || !('embedder' in exported)) throw new Error('no index');
    const tuned: RunFacts = {
      ...retrievalFacts,
      pipeline: retrievalPipeline({ training: {} }),
      ...(sampleFacts.training === undefined ? {} : { training: sampleFacts.training }),
      exported: { ...exported, search: 'graph', graph: { recall: score, k: 10, bound: 0.95, accepted: true } },
      retrieval: {
        ...retrieval,
        frozen: { recallAtK: score, meanAveragePrecision: { ...score, value: 0.55 } },
        measures: { ...retrieval.measures, gainOverFrozen: { ...score, value: 0.14 } },
      },
    };
    const page = words(tuned);
    match(page, /the tuned model 95\.8 %/);
    match(page, /the frozen encoder 99\.0 % .* 55\.0 % .* 14\.0 points/);
    match(page, /by a graph: it finds 99\.0 % .* of the 10 nearest, and at least 95\.0 % must be shown/);
    match(page, /embedder tuned model/);
  });
});
