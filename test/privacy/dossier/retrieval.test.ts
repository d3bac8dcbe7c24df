import { doesNotMatch, equal, match, ok } from 'node:assert/strict';
import { runDossier } from '../../../activities/privacy/dossier/dossier.ts';
import { dossierMarkdown } from '../../../activities/privacy/dossier/markdown.ts';
import type { RunFacts } from '../../../activities/contract/evidence.ts';
import { DOSSIER_FIELDS } from '../../../pipelines/dossier/fields.ts';
import { sampleFacts } from '../../support/facts.ts';
import { ref } from '../../support/workflow.ts';
import { retrievalFacts, retrievalPipeline } from '../../support/retrieval-facts.ts';

const page = (facts: RunFacts) => dossierMarkdown(runDossier(facts, null), 'm').replaceAll(/\s+/g, ' ');

describe('the dossier of a model that finds pictures', () => {
  it('has every field filled that the record can fill', () => {
    const { data } = retrievalFacts.pipeline;
    const stated = {
      ...retrievalFacts.pipeline,
      data: { ...data, legalBasis: 'contract' as const, retention: 'a year' },
    };
    for (const { id, state, record } of runDossier({ ...retrievalFacts, pipeline: stated }, null).entries) {
      equal(state, DOSSIER_FIELDS[id].from === 'record' ? 'filled' : 'open', id);
      ok(
        record.every((line) => !/undefined|NaN|\[object/.test(line)),
        record.join('\n'),
      );
    }
  });

  it('says what lies in the index, and claims no tuning where there was none', () => {
    const words = page(retrievalFacts);
    match(words, /nothing is tuned on them/);
    match(
      words,
      /numbers lie in the index that is served, each with the picture’s digest and label; the pictures do not/,
    );
    match(words, /recallAtK/);
    match(words, /61 are won and 33 lost/);
    match(words, /corruptionDrop 0\.04 .*flipRate 0\.02 .*sliceGap 0\.06 .*2 of 2 awkward inputs were answered\./);
    doesNotMatch(words, /was not measured/);
    doesNotMatch(words, /tuned on them to tell|Trained on/);
  });

  it('names the definition’s own table that pictures were made worse by', () => {
    doesNotMatch(page(retrievalFacts), /own table/);
    const corruptionTable = ref('worse.jsonl');
    const retrieval = { ...retrievalFacts.retrieval!, corruptionTable };
    match(
      page({ ...retrievalFacts, retrieval }),
      /corruptionDrop 0\.04 .* made worse for it says the definition’s own table worse\.jsonl \\\(sha256:[0-9a-f]{64}\\\)\./,
    );
  });

  it('says of a tuned one how and on what', () => {
    const { training } = sampleFacts;
    ok(training);
    const words = page({ ...retrievalFacts, pipeline: retrievalPipeline({ training: { method: 'lora' } }), training });
    match(words, /is tuned on them to tell 3 labels apart, and turns each into numbers/);
    match(words, /Tuned with method lora/);
    match(words, /Trained on cpu/);
  });
});
