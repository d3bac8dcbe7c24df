import { doesNotMatch, equal, match, ok } from 'node:assert/strict';
import type { FormattedPrompts, GenerationFacts } from '../../activities/contract/prompting.ts';
import { renderReport } from '../../activities/report/render.ts';
import { summarise } from '../../client/summary.ts';
import { lineageOf, lineageText } from '../../client/lineage.ts';
import type { ReleaseRecord } from '../../artifacts/bundle.ts';
import { digestOf, refOf, sampleMaterial } from '../support/facts.ts';
import { exportedOf, generatorFacts, searchOf } from '../support/generator-facts.ts';

type Road = Parameters<typeof generatorFacts>[0];

/** The page's text, white space as one blank. */
function page(road: Road, changes: Partial<GenerationFacts> = {}): string {
  const plain = generatorFacts(road);
  const { generation } = plain;
  const facts = generation === undefined ? plain : { ...plain, generation: { ...generation, ...changes } };
  return renderReport({ kind: 'release', facts, ...sampleMaterial(facts) })
    .replace(/<style>[^]*?<\/style>/, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ');
}

describe('the report on a model that generates text', () => {
  it('speaks of no labels, classifier or tuned model where there is none, and misses no training', () => {
    const shown = page('prompted');
    doesNotMatch(
      shown,
      /Labels \d|Rows a label|classifier|the tuned model good|Fine-tuning|Tuned model|encoder|accuracy/,
    );
    match(shown, /Training rows with a good answer 95/);
    match(shown, /generator from base model and dataset; evaluation from generator and dataset; bundle from/);
  });

  it('says of a training whose model was not chosen that it is not served, and that the served one comes of the base', () => {
    const shown = page('rejected');
    match(shown, /Fine-tuning Not served What was tuned here was not chosen/);
    match(shown, /tuned model from dataset and base model; generator from base model and dataset/);
    doesNotMatch(page('tuned'), /Not served/);
    match(page('tuned'), /generator from tuned model;/);
  });

  it('names the machine that the judged times are of', () => {
    match(page('prompted'), /Measured on Example CPU 3000, 8 cores, onnxruntime-node 1\.30\.0/);
  });

  it('tells prompts that left no room for an answer from answers that broke the guidelines', () => {
    const search = searchOf('best-prompt.json');
    const none = { ...search.best.adherence, value: 0, rows: 12 };
    const crowded = { name: 'rules, 2 similar examples', adherence: none, weighted: 0, promptTokens: 0, noRoom: 12 };
    const tuned = { exported: exportedOf('tuned'), search: { ...search, variants: [search.best, crowded] } };
    const shown = page('tuned', { tuned });
    match(shown, /Tokens read No room/);
    match(shown, /rules, 2 similar examples 0\.0 % \S+ % to \S+ % 12 0\.0 % 0 12 /);
    match(shown, /No room: prompts that left none for an answer in the context\. Nothing was asked there/);
    doesNotMatch(page('tuned'), /No room/);
  });

  it('says what was learnt from, and why rows were not', () => {
    const formatted: FormattedPrompts = {
      dataset: refOf('conversations'),
      rows: { train: 90, validation: 10, test: 10 },
      leftOut: { withoutCompletion: 3, againstGuidelines: 2, spellsSpecial: 4 },
    };
    match(
      page('tuned', { formatted }),
      /90 good answers; left out: 3 rows without one, 2 that break a guideline, 4 in which a text spells a special token of the model/,
    );
  });

  it('names the behaviour tests that do not hold, by what is wrong with the answers', () => {
    const { evaluation } = generatorFacts('prompted').generation ?? {};
    ok(evaluation !== undefined);
    const failures = [{ file: 'tests/j.jsonl', line: 3, problem: 'does not decline' }];
    const score = { value: 0.5, interval: null, rows: 2 };
    const behaviour = [{ name: 'jailbreaks', kind: 'minimum-functionality' as const, score, failures }];
    match(
      page('prompted', { evaluation: { ...evaluation, behaviour } }),
      /jailbreaks: tests of minimum-functionality that do not hold.*tests\/j\.jsonl:3 does not decline/,
    );
  });

  it('says what the declared device has and the generator takes of it, and which prompts are answered worse', () => {
    const { evaluation } = generatorFacts('prompted').generation ?? {};
    ok(evaluation !== undefined);
    const parts = [{ what: 'memory', neededMb: 900, availableMb: 2000, workers: 2 } as const];
    const gap = { value: 0.25, interval: { low: 0.125, high: 0.375, confidence: 0.95 }, rows: 40 };
    const slices = [{ name: 'prompts of 60 to 90 characters', rows: 40, adherence: 0.625, gap }];
    const hardwareFit = { parts, turns: 4, tokens: 384, cacheMb: 12.5 };
    const shown = page('prompted', { evaluation: { ...evaluation, hardwareFit, slices } });
    match(
      shown,
      /Memory of the device 900\.0 MB needed of 2000\.0 MB, with 2 copies of the model and 4 answers under way in each, of 384 tokens with their prompts \(a cache of 12\.5 MB\)/,
    );
    match(shown, /prompts of 60 to 90 characters 40 62\.5 % 25\.0 points/);
    doesNotMatch(page('prompted'), /of the device|Slices of the test prompts/);
  });

  it('shows what the model in production answered to the same prompts', () => {
    const shown = page('prompted');
    match(
      shown,
      /Beside production: ✓ better \(adherence \+8\.0 points, 1\.9 points to 13\.8 points; 7 answers only it keeps within the guidelines, 2 only production, of 40\)/,
    );
    match(
      shown,
      /Gate pass: gainOverProduction is 0\.08 on 40 rows; nothing speaks against it Only production keeps the guidelines on: t7 , t12 Test prompts that both were asked 40/,
    );
    match(shown, /Only the new model keeps the guidelines 7 Only production keeps them 2 McNemar, exact p = 0\.18/);
    doesNotMatch(shown, /not compared/);
  });
});

describe('what a decider is told in a few lines of a model that generates text', () => {
  const line = (road: Road, approval: 'review' | 'release', name: string) =>
    summarise(generatorFacts(road), approval)
      .find((row) => row.name === name)
      ?.lines.map(({ text }) => text)
      .join('\n');

  it('is prompts, not labels; which road, and adherence beside production', () => {
    match(line('prompted', 'review', 'data') ?? '', /95 training rows with a good answer/);
    doesNotMatch(line('prompted', 'review', 'data') ?? '', /label/);
    equal(line('prompted', 'release', 'served'), 'prompted: the prompt is enough');
    equal(line('tuned', 'release', 'served'), 'tuned: the tuned one is better beyond chance');
    match(line('tuned', 'release', 'replaces') ?? '', /: 7 rows won, 2 lost of 40; adherence /);
    match(line('tuned', 'release', 'gates') ?? '', /\ngainOverProduction: gainOverProduction is 0\.08 on 40 rows;/);
  });
});

describe('the lineage of a model that generates text', () => {
  const text = (road: Road) => {
    const record: ReleaseRecord = {
      version: 1,
      model: 'replies',
      channel: 'production',
      runId: 'r',
      bundle: digestOf('bundle'),
      previousBundle: null,
      evidence: refOf('evidence'),
      approvals: [],
      monitor: {},
      recordText: false,
      runInput: refOf('run input'),
    };
    const none = { version: 1 as const, entries: [] };
    return lineageText(
      lineageOf(
        { ref: refOf('release'), record, facts: generatorFacts(road) },
        { steps: new Map(), base: none, dataset: none },
      ),
    );
  };

  it('has a prompt where nothing that is served was trained, and a training where it was', () => {
    for (const road of ['prompted', 'rejected'] as const) {
      match(text(road), /prompted: nothing that is served was trained[^]*prompt +sha256:/);
      doesNotMatch(text(road), /training: |tuned model/);
    }
    match(text('tuned'), /training: lora[^]*tuned model +sha256:/);
    match(text('prompted'), /onnxruntime-node 1\.30\.0/);
  });
});
