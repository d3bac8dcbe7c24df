import { deepEqual, doesNotMatch, equal, match, ok, throws } from 'node:assert/strict';
import { requireComplete } from '../../../activities/privacy/dossier/answers.ts';
import { dossierLine, dossierOf, runDossier } from '../../../activities/privacy/dossier/dossier.ts';
import { dossierMarkdown } from '../../../activities/privacy/dossier/markdown.ts';
import type { RunFacts } from '../../../activities/contract/evidence.ts';
import { parseDossierAnswers, unanswered } from '../../../pipelines/dossier/answers.ts';
import { DOSSIER_FIELD_IDS, DOSSIER_FIELDS } from '../../../pipelines/dossier/fields.ts';
import { digestOf, sampleFacts } from '../../support/facts.ts';

const answered = (ids: readonly string[], text = 'as the minutes of May say', more = '') =>
  `version: 1\n${more}answers:\n${ids.map((id) => `  ${id}: { text: ${JSON.stringify(text)}, by: Dana, at: 2026-11-01 }\n`).join('')}`;
const given = (yaml: string) => ({ digest: digestOf(yaml), answers: parseDossierAnswers(yaml, 'dossier.yaml') });
const stateOf = (facts: RunFacts, id: string) =>
  runDossier(facts, null).entries.find((entry) => entry.id === id)?.state;

describe('the fields of a dossier', () => {
  it('cover every point of the articles', () => {
    const articles = (law: string) => [
      ...new Set(
        DOSSIER_FIELD_IDS.map((id) => DOSSIER_FIELDS[id])
          .filter((field) => field.law === law)
          .map(({ article }) => article),
      ),
    ];
    deepEqual(articles('GDPR'), [
      'Art. 35(3)',
      ...['a', 'b', 'c', 'd'].map((letter) => `Art. 35(7)(${letter})`),
      'Art. 6(1)',
      ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((letter) => `Art. 30(1)(${letter})`),
    ]);
    deepEqual(articles('AI Act'), [
      ...['1(a)', '1(c)', '1(e)', '2(a)', '2(b)', '2(d)', '2(e)', '2(g)', '3', '4', '5', '6', '7', '8', '9'].map(
        (point) => `Annex IV ${point}`,
      ),
      'Art. 53',
    ]);
  });

  it('that the record is said to fill are all filled by a whole record, and no others', () => {
    const { data } = sampleFacts.pipeline;
    const stated = { ...sampleFacts.pipeline, data: { ...data, legalBasis: 'contract' as const, retention: 'a year' } };
    for (const { id, state, record } of runDossier({ ...sampleFacts, pipeline: stated }, null).entries) {
      equal(state, DOSSIER_FIELDS[id].from === 'record' ? 'filled' : 'open', id);
      ok(
        record.every((line) => !/undefined|NaN|\[object/.test(line)),
        record.join('\n'),
      );
    }
  });
});

describe('a dossier', () => {
  const { run, pipeline, definition, steps, approvals, electorate, data, candidates, selection, privacy } = sampleFacts;
  ok(data && candidates && selection && privacy);
  const reviewed = { run, pipeline, definition, steps, electorate, approvals, data, candidates, selection, privacy };

  it('leaves open what nobody has stated, with what must be written and by whom', () => {
    equal(stateOf(sampleFacts, 'gdpr-6-1'), 'open');
    equal(stateOf(sampleFacts, 'gdpr-30-1-f'), 'open');
    const page = dossierMarkdown(runDossier(sampleFacts, null), 'm');
    match(
      page,
      /### Art\. 30\(1\)\(f\): Time limits for erasure\n\n\*\*Open\.\*\* Set data\.retention .* By: controller\./,
    );
    match(page, /No legal advice/);
  });

  it('tells what the run will fill from what is open', () => {
    const early = runDossier(reviewed, null);
    equal(early.entries.find(({ id }) => id === 'ai-2-g-metrics')?.state, 'later');
    ok(early.later > 0 && early.open === runDossier(sampleFacts, null).open);
    match(dossierLine(early), /^\d+ of 38 fields open; the run fills \d+ more as it goes on$/);
    equal(dossierLine({ fields: 38, open: 3, later: 0 }), '3 of 38 fields open');
  });

  it('says of the data, the models, the figures and the people what the record has', () => {
    const page = dossierMarkdown(runDossier(sampleFacts, null), 'support-intents');
    match(page, /Source: written for a test/);
    match(page, /pypi:example\\-minilm==0\.1\.0|pypi:example-minilm==0\.1\.0/);
    match(page, /accuracy 0\.894 \(95 % interval|accuracy 0\.894 \\\(95 % interval/);
    match(page, /edsger/);
  });

  it('has what people have written, named and dated, and counts it', () => {
    const yaml = answered(['gdpr-35-7-c', 'gdpr-30-1-f']);
    const dossier = runDossier(sampleFacts, given(yaml));
    equal(dossier.open, runDossier(sampleFacts, null).open - 2);
    equal(dossier.answers, digestOf(yaml));
    match(dossierMarkdown(dossier, 'm'), /> as the minutes of May say\n\nDana, 2026-11-01/);
  });

  it('is the same bytes for the same facts, and has no name, time or vote in a bundle', () => {
    const base = sampleFacts.candidates?.[0]?.resolved;
    ok(base);
    const bundled = { ...sampleFacts, base, bundled: true };
    const page = dossierMarkdown(dossierOf(bundled, null), 'm');
    equal(page, dossierMarkdown(dossierOf(structuredClone(bundled), null), 'm'));
    doesNotMatch(page, /edsger|20\d\d-\d\d-\d\dT/);
    equal(dossierOf(bundled, null).later, 0);
  });

  it('shows hostile answers as text', () => {
    const page = dossierMarkdown(
      runDossier(sampleFacts, given(answered(['ai-5'], '<script>x</script>\n\n# head [a](b)'))),
      'm',
    );
    doesNotMatch(page, /<script>|^> # head|\]\(b\)/m);
  });

  it('must be complete where that is required, by the definition or by the file', () => {
    const requiring = { ...sampleFacts, pipeline: { ...sampleFacts.pipeline, review: { requireDossier: true } } };
    throws(
      () => requireComplete(runDossier(requiring, null)),
      /must be complete before a release, and \d+ fields are open: .*gdpr-6-1 \(Art\. 6\(1\)\)/,
    );
    requireComplete(runDossier(sampleFacts, null));
    throws(
      () => requireComplete(runDossier(sampleFacts, given(answered(['ai-5'], 'x', 'requireComplete: true\n')))),
      /open/,
    );
    requireComplete(runDossier(requiring, given(answered(DOSSIER_FIELD_IDS))));
  });
});

describe('the file of answers', () => {
  it('is refused with every mistake, by path', () => {
    for (const [yaml, reason] of [
      ['', /the whole/],
      ['version: 2\nanswers: {}', /version/],
      ['version: 1\nanswers: { gdpr-99: { text: a, by: b, at: 2026-01-01 } }', /gdpr-99/],
      ['version: 1\nanswers: { ai-5: { text: " ", by: b, at: yesterday } }', /answers\.ai-5\.text.*answers\.ai-5\.at/],
      ['version: 1\nanswers: &a { ai-5: *a }', /valid|alias/i],
      ['['.repeat(200), /nested/],
      ['version: 1\nversion: 1\nanswers: {}', /YAML/],
    ] as const) {
      throws(
        () => parseDossierAnswers(yaml, 'd.yaml'),
        (error: Error & { kind?: string }) => error.kind === 'BadConfig' && reason.test(error.message),
        yaml,
      );
    }
  });

  it('tells what only people can write and nobody has', () => {
    const persons = DOSSIER_FIELD_IDS.filter((id) => DOSSIER_FIELDS[id].from === 'person');
    deepEqual(unanswered(undefined), persons);
    deepEqual(unanswered(parseDossierAnswers(answered(persons), 'd')), []);
  });
});
