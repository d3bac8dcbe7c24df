import { doesNotMatch, match } from 'node:assert/strict';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { summarise } from '../../client/summary.ts';
import { renderReport } from '../../activities/report/render.ts';
import { sampleFacts, sampleMaterial } from '../support/facts.ts';
import { retrieval, retrievalFacts, retrievalPipeline, retrievalPrototype } from '../support/retrieval-facts.ts';

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
    match(page, /Recall@\d+ mAP Precision lost pictures of brightness 20 to 71 \(of 255\) 40 92\.5 % 61\.3 % 6\.0 %/);
    match(page, /blur mild: Gaussian 4\.0 points/);
    match(page, /1f0c9a44d2e7b310 gear bolt 0\.913/);
    match(page, /2 of 2 answered with neighbours: one pixel, CMYK/);
    match(page, /560 pictures of 512 numbers.*exact: the gallery is small enough/);
  });

  it('says of slices that were recorded before precision was compared what they lose of recall', () => {
    const slices = (retrieval.slices ?? []).map(({ name, rows, recallAtK, gap }) => ({ name, rows, recallAtK, gap }));
    const page = words({ ...retrievalFacts, retrieval: { ...retrieval, slices } });
    match(page, /All others minus it pictures of brightness 20 to 71 \(of 255\) 40 92\.5 % 6\.0 points/);
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

  describe('of a prototype', () => {
    const foretold = retrievalPrototype.retrieval!.foretold!;
    const gated = (gates: object, changes: object = {}): string =>
      words({
        ...retrievalPrototype,
        pipeline: { ...retrievalPipeline({ gates }), prototype: { trainRows: 560, measuredRows: 122, seed: 7 } },
        retrieval: { ...retrieval, foretold: { ...foretold, ...changes } as typeof foretold },
      });

    it('foretells what the whole gallery finds, its size, memory and the time to embed it', () => {
      const page = words(retrievalPrototype);
      match(page, /stands under The whole gallery\./);
      match(page, /560 95\.7 % 68\.9 % 8.130, predicted 98\.2 % 94\.4 % to 99\.7 % 65\.9 % 58\.7 % to 72\.4 %/);
      // Of 120 test pictures mAP has 5 points each way: of 2,211 the root of 120 / 2,211 of it.
      match(page, /what 2.211 test pictures leave open there ± 0\.\d % ± 1\.2 %/);
      match(page, /To embed all 11.246 pictures once about 3 min 3 s/);
      // 310 MB, and 7,570 pictures of 2,048 and 200 bytes.
      match(page, /Memory of model and index about 327\.0 MB/);
      // 24.2 ms of model and search here, and 5.7 ms for a search that is longer.
      match(page, /Latency p95, on this machine about 29\.9 ms: the model as here/);
      doesNotMatch(words(retrievalFacts), /The whole gallery/);
    });

    it('says that the whole run is worth its cost, is not, or that neither is shown, by what its gates would judge', () => {
      match(
        gated({ recallAtK: { min: 0.9 } }),
        /✓ worth it .*even at worst it passes .*recall@10: 93\.\d % to 98\.\d % would be judged, at least 90\.0 %/,
      );
      match(
        gated({ meanAveragePrecision: { min: 0.8 } }),
        /not worth it .*even at best a gate does not pass \(mAP: 57\.\d % to 71\.\d %/,
      );
      match(gated({ meanAveragePrecision: { min: 0.6 } }), /not shown .*\(mAP: 57/);
      match(
        gated({ sizeMb: { max: 50 } }),
        /even at best a gate does not pass \(size: 63\.2 MB would be judged, at most 50\.0 MB/,
      );
      match(
        gated({ latencyP95Ms: { max: 1, severity: 'fail' } }),
        /even at best a gate does not pass \(latency: [\d.]+ ms would be judged, at most 1\.00 ms/,
      );
      // What only warns ends no run.
      match(gated({ meanAveragePrecision: { min: 0.8, severity: 'warn' } }), /✓ worth it/);
    });

    it('predicts no finding from a gallery of too few pictures a label, and says of one that no index holds where the run ends', () => {
      const page = words({
        ...retrievalPrototype,
        retrieval: {
          ...retrieval,
          foretold: { not: '70 of 122 test pictures have a label with few', secondsAPicture: 0.1 },
        },
      });
      match(page, /not shown .*What the whole gallery finds is not predicted: 70 of 122/);
      const data = { ...retrievalPrototype.data!, wholeRows: { train: 2_000_000, validation: 9, test: 9 } };
      match(words({ ...retrievalPrototype, data }), /would end at its index: it would hold 2000000 rows/);
    });
  });
});
