import { doesNotMatch, match } from 'node:assert/strict';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { renderReport } from '../../activities/report/render.ts';
import { ImageClassificationSchema } from '../../pipelines/definition.ts';
import { sampleFacts, sampleMaterial } from '../support/facts.ts';
import { ref } from '../support/workflow.ts';

const { privacy: _, ...facts } = sampleFacts;
const { name, intendedUse, approvals, deploy } = sampleFacts.pipeline;
const contamination = {
  similarity: 0.92,
  missRate: 0,
  nearTwins: { validation: 1, test: 2 },
  dropped: 0,
  evaluation: [],
};
const run: RunFacts = {
  ...facts,
  ...(facts.data === undefined ? {} : { data: { ...facts.data, contamination } }),
  pipeline: ImageClassificationSchema.parse({
    name,
    intendedUse,
    approvals,
    deploy,
    task: 'image-classification',
    data: { files: ['pictures'], licence: 'CC0-1.0', source: 'drawn for this test' },
    candidates: sampleFacts.pipeline.candidates.map(({ id, model }) => ({ id, model })),
  }),
};

describe('the report on a model of pictures', () => {
  const told = 'of 9 pictures, the metadata of 2 where they were taken told; it was removed';
  const words = (shown: RunFacts): string =>
    renderReport({ kind: 'final', facts: shown, ...sampleMaterial(shown) })
      .replaceAll(/<(style|title)[^>]*>.*?<\/\1>/gs, '')
      .replaceAll(/<[^>]*>/g, ' ')
      .replaceAll(/\s+/g, ' ');

  it('speaks of pictures: how alike they look, how long one takes, and no text that went wrong', () => {
    const page = words(run);
    match(
      page,
      /1 validation and 2 test pictures look nearly like one of an earlier split \(difference hash, 5 of 64 bits at most\)/,
    );
    match(page, /Latency, one picture/);
    match(page, /Measured one picture at a time/);
    match(page, /a picture lies under its row in test\.tar of the dataset/);
    doesNotMatch(page, /5-grams|MinHash|Latency, one text|one text at a time/);
  });

  it('names the pictures of a behaviour test that does not hold, where the dataset keeps them', () => {
    const failure = { file: 'same.csv', line: 3, problem: 'is red the one way and green the other' };
    const score = { value: 0.5, interval: null, rows: 2 };
    const kept = ['behaviour/0123456789abcdef.jpg', 'behaviour/fedcba9876543210.png'];
    const shown = (pictures: object): RunFacts => {
      const behaviour = [{ name: 'same', kind: 'invariance' as const, score, failures: [{ ...failure, ...pictures }] }];
      return { ...run, evaluation: { ...facts.evaluation!, behaviour } };
    };
    match(
      words(shown({ pictures: kept })),
      /same\.csv:3 is red the one way and green the other behaviour\/0123456789abcdef\.jpg behaviour\/fedcba9876543210\.png/,
    );
    doesNotMatch(words(shown({})), /Pictures in the dataset/);
  });

  it('names the table of the definition that pictures were made worse by, and says nothing of the package’s', () => {
    const drop = { value: 0.04, interval: { low: 0.01, high: 0.08, confidence: 0.95 }, rows: 80 };
    const corruptions = [{ name: 'dusk', severity: 'mild' as const, says: 'hardly darker', drop }];
    const shown = (own: object): RunFacts => {
      const diagnosis = { ...facts.evaluation!.diagnosis!, corruptions, ...own };
      return { ...run, evaluation: { ...facts.evaluation!, diagnosis } };
    };
    const corruptionTable = ref('worse.jsonl');
    match(
      words(shown({ corruptionTable })),
      /those of the definition’s own table worse\.jsonl \( [0-9a-f]{12} \)\. The rate of false alarms that is documented was measured with the table of the package\. .* dusk mild: hardly darker/,
    );
    doesNotMatch(words(shown({})), /own table/);
  });

  it('tells how an attack was made, and what no gradient could show', () => {
    const stands = { value: 0.9, interval: { low: 0.81, high: 0.95, confidence: 0.95 }, rows: 80 };
    const attack = {
      measures: { fgsmRobustness: stands, pgdRobustness: { ...stands, value: 0.25 } },
      accuracy: { ...stands, value: 0.8, rows: 100 },
      withoutGradient: 3,
      attack: { epsilonLevels: 4, steps: 10, stepLevels: 1, pictures: 100 },
      details: facts.definition,
    };
    match(
      words({ ...run, attack }),
      /drawn to be attacked, right without 80\.0 %.*under FGSM, no pixel moved by more than 4 of 255 levels 90\.0 %.*under PGD.*: 10 steps of 1 from a random start 25\.0 %.*3: the attack had no way/,
    );
    doesNotMatch(words(run), /FGSM, no pixel/);
    const squareAttack = {
      measures: { squareRobustness: { ...stands, value: 0.55 } },
      accuracy: { ...stands, value: 0.8, rows: 100 },
      queriesToLose: 42,
      attack: { epsilonLevels: 4, pictures: 100, queries: 300 },
      details: facts.definition,
    };
    match(
      words({ ...run, squareAttack }),
      /without gradients, right as they are 80\.0 %.*square attack, no pixel moved by more than 4 of 255 levels: up to 300 questions each 55\.0 %.*at the median 42/,
    );
  });

  it('says what metadata told, and that nobody looked at what the pictures show', () => {
    const page = words(run);
    match(page, /Personal data \S none found in the metadata of the pictures/);
    match(page, /faces, number plates and writing in them are not found here/);
    doesNotMatch(page, /has not been there: [^.]*Personal data/);
    const data = run.data && {
      ...run.data,
      findings: [{ severity: 'warning', reason: 'personal-metadata', message: told } as const],
    };
    const found = words({ ...run, ...(data === undefined ? {} : { data }) });
    match(found, new RegExp(`found in the metadata of the pictures.*${told}`));
  });
});
