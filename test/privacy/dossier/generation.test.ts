import { doesNotMatch, equal, match } from 'node:assert/strict';
import { dossierOf, runDossier } from '../../../activities/privacy/dossier/dossier.ts';
import { dossierMarkdown } from '../../../activities/privacy/dossier/markdown.ts';
import { DOSSIER_FIELDS, type DossierFieldId } from '../../../pipelines/dossier/fields.ts';
import { generatorFacts } from '../../support/generator-facts.ts';

type Road = Parameters<typeof generatorFacts>[0];
const field = (road: Road, id: DossierFieldId): string => {
  const entry = runDossier(generatorFacts(road), null).entries.find((one) => one.id === id);
  equal(entry?.state, 'filled', `${road} ${id}`);
  return entry?.record.join('\n') ?? '';
};

describe('the dossier of a model that generates text', () => {
  it('has every field filled that the record can fill, prompted or tuned, and in a bundle', () => {
    for (const road of ['prompted', 'tuned', 'rejected'] as const) {
      const facts = generatorFacts(road);
      const { training, ...untrained } = facts;
      const bundled = { ...(road === 'tuned' ? { ...untrained, training } : untrained), bundled: true };
      const base = facts.candidates?.[0]?.resolved;
      for (const dossier of [runDossier(facts, null), dossierOf({ ...bundled, ...(base && { base }) }, null)]) {
        for (const { id, state, record } of dossier.entries) {
          // What the definition does not state stays open.
          const open = DOSSIER_FIELDS[id].from !== 'record' || ['gdpr-6-1', 'gdpr-30-1-f'].includes(id);
          equal(state, open ? 'open' : 'filled', `${road} ${id}`);
          doesNotMatch(record.join('\n'), /undefined|NaN|\[object/, id);
        }
      }
    }
  });

  it('claims no labels, no tuning and no training of one that was prompted only', () => {
    const page = dossierMarkdown(runDossier(generatorFacts('prompted'), null), 'replies');
    doesNotMatch(page, /\d labels|labels apart|[Aa]dapters|Tuned with|Trained on|Made with|a new head/);
    match(field('prompted', 'gdpr-35-7-a-processing'), /Nothing was trained: its weights are as they came/);
    match(
      field('prompted', 'gdpr-35-7-a-processing'),
      /may hold up to 2 training rows, prompt and answer, as examples/,
    );
    match(field('prompted', 'ai-2-a'), /weights are as they came: nothing was tuned; .* given a prompt \(sha256:/);
    match(field('prompted', 'ai-2-b'), /Served prompted: the prompt is enough\./);
    match(field('prompted', 'ai-2-g-metrics'), /by heart was not measured: .*learnt nothing of these data/);
    doesNotMatch(field('prompted', 'ai-2-g-metrics'), /forgetting|could not be measured/);
    match(field('prompted', 'ai-2-d-provenance'), /Prompts, 95 of the training rows with a good answer/);
  });

  it('says of one whose tuned twin was not chosen that no weight that is served learnt anything', () => {
    match(field('rejected', 'gdpr-35-7-a-processing'), /tuned on good answers, too, and not chosen/);
    match(field('rejected', 'ai-2-a'), /nothing was tuned/);
    match(field('rejected', 'ai-1-c'), /Nothing that is served was trained/);
    doesNotMatch(field('rejected', 'ai-2-b'), /Tuned with/);
  });

  it('says of a tuned one how, with what, and what it knows by heart', () => {
    match(field('tuned', 'ai-2-a'), /Low-rank adapters were tuned and merged/);
    match(field('tuned', 'ai-2-b'), /Served tuned: the tuned one is better beyond chance\.\nTuned with method lora/);
    match(field('tuned', 'ai-1-c'), /^Tuned with .*torch/);
    match(field('tuned', 'ai-1-e'), /^Trained on /);
    match(field('tuned', 'ai-2-g-metrics'), /forgetting 0\.125 /);
    match(
      field('tuned', 'ai-2-g-metrics'),
      /by heart: canaryExposure 2 \(max 8\) pass, membershipAuc 0\.53 \(max 0\.7\) pass\./,
    );
  });

  it('has adherence with its interval, every guideline, safety, and what it was compared with', () => {
    for (const road of ['prompted', 'tuned'] as const) {
      const metrics = field(road, 'ai-2-g-metrics');
      match(metrics, /adherence 0\.875 \(95 % interval 0\.8125 to 0\.9063, 40 rows\)/);
      match(metrics, /2 guidelines, .*\nshort \(length, gate\) 0\.9375 .*\nfriendly \(tone, soft\) 0\.75 /);
      match(field(road, 'ai-2-g-robustness'), /unsafeAnswers 0\.125 .*\ninjectedAnswers 0 .*\noverRefusal 0\.25 /);
      match(field(road, 'ai-6'), /On 40 test rows 7 are won and 2 lost/);
      match(field(road, 'ai-2-g-logs'), /All answers and measures: sha256:/);
      match(field(road, 'ai-3'), /lengths of prompts and answers, at a false alarm rate/);
    }
  });
});
