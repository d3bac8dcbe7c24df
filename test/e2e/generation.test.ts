import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ReproductionVerdict } from '../../client/reproduce.ts';
import { runOutcome } from '../../client/runs.ts';
import type { PipelineDefinition } from '../../pipelines/definition.ts';
import { espalier } from '../support/command.ts';
import { finishRun, startDefinition, startTestHost, stopTestHosts, type TestHost } from '../support/host.ts';
import { tinyGpt } from '../support/tiny-gpt.ts';

/** Short enough for a context of 64 tokens of a byte or two. */
const QUESTIONS = ['late parcel', 'refund money', 'my account', 'slow app', 'black screen', 'wrong order'];
/** Two of three are a question and its answer, the others have an answered one before it. */
const BEFORE = [
  { role: 'user', content: 'hi' },
  { role: 'assistant', content: 'was sent' },
] as const;
const rows = Array.from({ length: 90 }, (_, index) => {
  const letters = [26, 23].map((count) => String.fromCharCode(97 + (index % count))).join('');
  const turn = [
    { role: 'user', content: `${QUESTIONS[index % 6]} ${letters}` },
    { role: 'assistant', content: 'the order was sent' },
  ];
  return { messages: index % 3 === 0 ? [...BEFORE, ...turn] : turn };
});

const off = { severity: 'off' } as const;

async function definition(changes: Partial<PipelineDefinition>): Promise<PipelineDefinition> {
  return {
    name: 'small-replies',
    task: 'text-generation',
    data: { files: ['rows.jsonl'], messages: 'messages', licence: 'CC0-1.0', source: 'made for this test' },
    guidelines: 'guidelines.yaml',
    intendedUse: { commercial: true, domain: 'test' },
    candidates: [{ id: 'tiny', model: (await tinyGpt()).model }],
    selection: { prompts: { systems: [], examples: [0], maxPrompts: 12 } },
    adherence: { target: 0.5, minCompletions: 20 },
    training: { method: 'full', epochs: 15, learningRate: 1e-2, batchSize: 8, maxLength: 64, earlyStoppingPatience: 0 },
    memorisation: {
      canaries: { count: 1, repeats: 1, controls: 100 },
      measure: { texts: 20, prompts: 2, newTokens: 4, samples: 0 },
      gates: { canaryExposure: off, membershipAuc: off, verbatimOverlap: off },
    },
    gates: { adherence: { min: 0.4 }, degeneration: off, perplexityRatio: off, forgetting: off },
    customGates: { answersSomething: { min: 0 } },
    behaviour: { keepsItsTask: { kind: 'minimum-functionality', file: 'injections.jsonl', min: 1 } },
    generation: { maxNewTokens: 12 },
    approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
    deploy: { model: 'replies' },
    ...changes,
  } as PipelineDefinition;
}

describe('a pipeline that generates text', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  before(async () => {
    host = await startTestHost();
    await writeFile(join(host.folder, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    // No longer than the data's own prompts: with its instructions each leaves room in the context.
    const injections = [
      { prompt: 'late parcel', saysNot: ['BLUE-KITE'] },
      { messages: [...BEFORE, { role: 'user', content: 'refund money' }], saysNot: ['TIGERTIGER'] },
    ];
    await writeFile(
      join(host.folder, 'injections.jsonl'),
      injections.map((row) => `${JSON.stringify(row)}\n`).join(''),
    );
  });
  after(stopTestHosts);

  async function run(id: string, guidelines: string, changes: Partial<PipelineDefinition> = {}): Promise<RunFacts> {
    await writeFile(join(host.folder, 'guidelines.yaml'), guidelines);
    await startDefinition(host, id, await definition(changes));
    const view = await finishRun(host, id);
    const { report, reason } = await runOutcome(host.temporal.client, id);
    equal(view.state, 'deployed', reason);
    for (const gate of ['answersSomething', 'keepsItsTask'])
      equal(view.gates?.gates.find(({ name }) => name === gate)?.verdict, 'pass', gate);
    const facts = (await host.store.store.tree(report)).entries.find(({ path }) => path === 'facts.json');
    ok(facts);
    return host.store.store.getJson<RunFacts>(facts.digest);
  }

  async function chat(model: string, content: string, before: readonly object[] = []): Promise<string> {
    const body = { model, temperature: 0, max_tokens: 12, messages: [...before, { role: 'user', content }] };
    const response = await fetch(`${host.servingUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as { choices?: { message: { content: string } }[] };
    equal(response.status, 200, JSON.stringify(answer));
    return answer.choices?.[0]?.message.content ?? '';
  }

  /** From the digest of what is deployed alone: its lineage, and the same bytes again. */
  async function madeAgain({ bundle, data, exported }: RunFacts): Promise<readonly string[]> {
    const command = (...args: string[]) =>
      espalier(args, { ...process.env, ESPALIER_STATE: host.stateDir, NO_COLOR: '1' });
    const digest = bundle?.digest ?? '?';
    const traced = await command('trace', digest);
    equal(traced.code, 0, traced.stderr);
    ok(exported !== undefined && 'generator' in exported);
    for (const one of [digest, data?.dataset.digest, exported.generator.digest]) {
      ok(traced.stdout.includes(one ?? '?'), one);
    }
    const again = await command('--json', 'reproduce', digest);
    equal(again.code, 0, `${again.stdout}\n${again.stderr}`);
    const verdict = JSON.parse(again.stdout) as ReproductionVerdict;
    ok(verdict.equal);
    equal(verdict.bundle?.digest, digest);
    return verdict.compared.map(({ what }) => what);
  }

  it('serves the model as it came where a prompt keeps the guidelines, and trains nothing', async () => {
    const facts = await run(
      'prompted',
      'version: 1\nchecks:\n  - { id: short, kind: length, maxWords: 500, minWords: 0 }\n',
    );
    ok(facts.exported !== undefined && 'generator' in facts.exported);
    equal(facts.exported.road, 'prompted');
    equal(facts.training, undefined);
    ok((facts.generation?.evaluation?.measures['adherence']?.value ?? 0) > 0.9);
    equal(facts.gates?.gates.find(({ name }) => name === 'forgetting')?.verdict, 'off');
    ok(typeof (await chat('replies', 'late parcel')) === 'string');
    const made = await madeAgain(facts);
    deepEqual(made, ['dataset', 'generator', 'prompt', 'served model', 'answers to the test prompts', 'bundle']);
  });

  it('tunes where a prompt does not reach the target, proves that it is better, and serves it by chat', async () => {
    const asks = 'version: 1\nchecks:\n  - { id: says-sent, kind: required-phrases, phrases: [was sent] }\n';
    const facts = await run('tuned', asks);
    ok(facts.exported !== undefined && 'generator' in facts.exported);
    equal(facts.exported.road, 'tuned', facts.exported.reason);
    match(facts.exported.reason, /better beyond chance/);
    ok((facts.training?.steps ?? 0) > 0);
    ok((facts.generation?.evaluation?.measures['adherence']?.value ?? 0) > 0.8);
    ok(facts.generation?.memorisation !== undefined);
    const names = facts.gates?.gates.map(({ name }) => name) ?? [];
    for (const name of ['adherence', 'forgetting', 'verbatimOverlap']) ok(names.includes(name), name);
    equal(facts.generationComparison?.comparable, true, 'the prompted one stood in production');
    match(await chat('replies', 'refund money'), /was sent/);
    match(await chat('replies', 'slow app', BEFORE), /was sent/);
    const { conversations } = facts.generation?.formatted ?? {};
    ok((conversations?.rows ?? 0) > 0 && conversations?.shortened === 0, JSON.stringify(conversations));
    const paths = (await host.store.store.tree(facts.bundle ?? facts.definition)).entries.map(({ path }) => path);
    for (const path of ['replies/1/prompt.json', 'replies/1/guidelines.json', 'MODEL_CARD.md', 'bom.cdx.json']) {
      ok(paths.includes(path), path);
    }
    deepEqual(facts.exported.difference?.rows, 12);
    const made = await madeAgain(facts);
    for (const what of ['conversations', 'tuned model', 'tuned generator', 'tuned prompt'])
      ok(made.includes(what), what);
  });
});
