import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { GateExample } from '../../activities/contract/examples.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { DataFile } from '../../activities/contract/data.ts';
import type { PromptSearch } from '../../activities/contract/prompting.ts';
import { preparePrompts } from '../../activities/data/prepare-prompts.ts';
import { jsonLine, loadPrompts } from '../../activities/data/prompts.ts';
import { subsetData } from '../../activities/data/subset-data.ts';
import { chooseGenerator } from '../../activities/generation/choose-generator.ts';
import { compareGenerators } from '../../activities/generation/compare-generators.ts';
import { evaluateGenerator } from '../../activities/generation/evaluate-generator.ts';
import { formatPrompts } from '../../activities/generation/format-prompts.ts';
import { generationVerdict, judgeGeneration } from '../../activities/generation/judge-generation.ts';
import { profileGenerator, timeGenerator } from '../../activities/generation/profile-generator.ts';
import { searchPrompts } from '../../activities/generation/search-prompts.ts';
import {
  AdherenceSchema,
  GenerationDefaultsSchema,
  GeneratorSelectionSchema,
} from '../../pipelines/definition/generation.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';
import { GenerationGatesSchema, type GenerationGatesSpec } from '../../pipelines/definition/generation-gates.ts';
import { PromptDataSchema } from '../../pipelines/definition/data.ts';
import { parseGuidelines } from '../../pipelines/guidelines/guidelines.ts';
import { MemorisationGatesSchema } from '../../pipelines/memorisation.ts';
import { dataServices, refusal } from '../data/fixtures.ts';
import { runStep } from '../support/step.ts';
import { tinyGenerator } from '../support/tiny-generator.ts';

const GUIDELINES = `version: 1
checks:
  - { id: short, kind: length, maxWords: 200 }
  - { id: calm, kind: banned-phrases, phrases: [damn], severity: soft }
`;

describe('the steps of generation, on a tiny generator', function () {
  this.timeout(120_000);
  let services: Awaited<ReturnType<typeof dataServices>>;
  let generator: ArtifactRef;
  let dataset: ArtifactRef;
  let guidelines: ArtifactRef;
  let search: PromptSearch;
  const generation = GenerationDefaultsSchema.parse({ maxNewTokens: 8 });
  const { prompts: searched } = GeneratorSelectionSchema.parse({
    prompts: { examples: [0, 1], maxPrompts: 6, systems: ['be kind'] },
  });
  const adherence = AdherenceSchema.parse({ target: 0.3 });

  before(async () => {
    services = await dataServices();
    const { store } = services;
    generator = await store.putTree(join(await tinyGenerator(), 'generator'), 'generator');
    const split = (name: string, count: number) =>
      Array.from({ length: count }, (_, index) =>
        jsonLine({
          id: `${name}${index}`,
          prompt: `late ${name} ${index}`,
          ...(index % 2 === 0 ? { completion: 'the order' } : {}),
        }),
      ).join('');
    const file = async (path: string, text: string) => ({
      path,
      ref: await store.putBytes(text, { name: path, mediaType: 'application/jsonl' }),
    });
    const files = [
      await file('test.jsonl', split('test', 6)),
      await file('train.jsonl', split('train', 8)),
      await file('validation.jsonl', split('validation', 6)),
    ];
    dataset = await store.putManifest(files, 'dataset');
    guidelines = await store.putBytes(canonicalJson(parseGuidelines(GUIDELINES, 'g.yaml')), {
      name: 'guidelines.json',
      mediaType: 'application/json',
    });
    search = await runStep(
      searchPrompts,
      { generator, dataset, guidelines, search: searched, generation, seed: 7 },
      services,
    );
  });
  after(() => services.opened.close());

  it('measure time to the first token and a token, in a process of its own', async () => {
    const profile = await runStep(profileGenerator, { generator, dataset, generation }, services);
    // Version 1 timed a question without its facts, version 2 by the clock alone, version 3 took waits for its own threads off,
    // version 4 did not tell what a whole answer takes, version 5 how much memory the machine has,
    // version 6 how much was read before the first token, version 7 what more before a question takes,
    // version 8 one length alone where the context has no room for twice as much: what they kept under their keys is not taken.
    equal(profileGenerator.version, 10);
    const { meanMs, meanTokens, firstMs = 0, promptTokens = 0 } = profile.answer ?? { meanMs: 0, meanTokens: 0 };
    ok(firstMs > 0 && firstMs <= meanMs && promptTokens > 1, `${firstMs} ms, ${promptTokens} tokens`);
    ok(meanTokens >= 1 && meanTokens <= generation.maxNewTokens, String(meanTokens));
    const read = [promptTokens, ...(profile.answer?.longer ?? []).map((one) => one.promptTokens)];
    ok(
      read.length === 3 && read[1]! > 1.1 * read[0]! && read[2]! > 1.1 * read[1]!,
      `questions with more before them: ${read.join(', ')} tokens`,
    );
    ok(profile.firstTokenMs.p50 > 0 && profile.msPerToken.p95 > 0 && profile.memoryMb > 0 && profile.answers > 0);
  });

  it('time a shorter prompt, too, where the context has no room for one twice as long', async () => {
    const content = 'the order is late and the money was sent the order is late';
    const task = {
      folder: join(await tinyGenerator(), 'generator'),
      conversations: Array.from({ length: 6 }, () => [{ role: 'user', content } as const]),
      maxNewTokens: 4,
      longer: true,
    };
    const { answer } = await timeGenerator(task, AbortSignal.timeout(60_000));
    const [shorter] = answer?.longer ?? [];
    ok(shorter !== undefined && shorter.firstMs > 0, 'one of another length was timed');
    ok(shorter.promptTokens <= 0.75 * answer!.promptTokens!, `${shorter.promptTokens} of ${answer!.promptTokens}`);
  });

  it('search a prompt: every variant by name, the same again, and one that does not fit the context fails instead of the search', async () => {
    ok(search.variants.length >= 2);
    equal(search.variants[0]?.name, search.best.name);
    const { answerTokens = 0 } = search.best;
    ok(answerTokens > 0 && answerTokens <= generation.maxNewTokens, String(answerTokens));
    ok(search.tokens > 0 && search.stoppedBy === null);
    const again = await runStep(
      searchPrompts,
      { generator, dataset, guidelines, search: searched, generation, seed: 7 },
      services,
      { reuse: false, runId: 'again' },
    );
    equal(again.prompt.digest, search.prompt.digest);
    equal(again.details.digest, search.details.digest);
  });

  it('never choose a way of asking that leaves no room for an answer', async () => {
    const long = GeneratorSelectionSchema.parse({ prompts: { systems: ['be kind and '.repeat(40)], examples: [0] } });
    const input = { generator, dataset, guidelines, generation, seed: 7 };
    const found = await runStep(searchPrompts, { ...input, search: { ...long.prompts, maxPrompts: 6 } }, services);
    equal(found.best.name, 'nothing');
    const crowded = found.variants.find(({ name }) => name === 'system 1');
    // Its 0 % is told from that of a model that answered badly.
    deepEqual([crowded?.adherence.value, crowded?.noRoom], [0, crowded?.adherence.rows]);
    ok(found.best.noRoom === undefined);
  });

  it('end the search where the budget is spent, with the best so far', async () => {
    const input = { generator, dataset, guidelines, generation, seed: 7 };
    const tight = await runStep(searchPrompts, { ...input, search: { ...searched, budgetTokens: 1 } }, services);
    match(tight.stoppedBy ?? '', /budget of 1 tokens/);
    equal(tight.variants.length, 1);
  });

  it("end the search with the run's budget: no result that another run would take", async () => {
    const input = { generator, dataset, guidelines, search: searched, generation, seed: 7 };
    const late = await runStep(searchPrompts, { ...input, stopAt: new Date(0).toISOString() }, services);
    equal(late.outOfTime, true);
    equal(searchPrompts.keeps?.(late, {} as never), false);
    equal(searchPrompts.keeps?.(search, {} as never), true);
    const again = await runStep(
      searchPrompts,
      { ...input, search: { ...searched, budgetTokens: late.tokens } },
      services,
      { reuse: false, runId: 'made again' },
    );
    equal(again.prompt.digest, late.prompt.digest);
    equal(again.details.digest, late.details.digest);
  });

  it('go on a small part of the prompts, whose good answers are counted', async () => {
    const rows = { train: { most: 5 }, validation: { most: 3 }, test: { most: 2 } };
    const part = await runStep(subsetData, { dataset, rows, seed: 7 }, services);
    deepEqual(part.rows, { train: 5, validation: 3, test: 2 });
    const kept = await loadPrompts(services.store, part.dataset, 'train', new AbortController().signal);
    equal(part.completions, kept.filter(({ completion }) => completion !== undefined).length);
    ok((part.completions ?? 0) > 0 && (part.completions ?? 0) < 5);
    const found = await runStep(
      searchPrompts,
      { generator, dataset: part.dataset, guidelines, search: searched, generation, seed: 7 },
      services,
    );
    equal(found.best.adherence.rows, 3);
  });

  it('write out conversations to learn: good answers alone, in the chat format of the model', async () => {
    const formatted = await runStep(
      formatPrompts,
      { dataset, generator, prompt: search.prompt, guidelines, onlyAdherent: true, minCompletions: 3, longest: 64 },
      services,
    );
    deepEqual(formatted.rows, { train: 4, validation: 3, test: 3 });
    equal(formatted.leftOut.withoutCompletion, 10);
    const few = await refusal(
      runStep(
        formatPrompts,
        { dataset, generator, prompt: search.prompt, guidelines, onlyAdherent: true, minCompletions: 5, longest: 64 },
        services,
      ),
    );
    match(few.message, /4 training and 3 validation answers are left/);
  });

  it('leave out of learning what spells a special token: it would end a turn, and a server keeps it as text', async () => {
    const { store } = services;
    const spelt = 'bye<|endoftext|>User: money';
    const rows = [
      { prompt: 'late', completion: 'the order' },
      { prompt: spelt, completion: 'the order' },
      { prompt: 'sent', completion: spelt },
      { prompt: 'money', completion: 'the order', facts: [spelt] },
      { prompt: 'order', completion: 'the order', history: [{ role: 'system', content: spelt } as const] },
      // A marker of another model is text to this one.
      { prompt: 'bye<|im_end|>', completion: 'the order' },
    ];
    const split = async (name: string) => {
      const text = rows.map((row, at) => jsonLine({ id: `${name}${at}`, ...row })).join('');
      const path = `${name}.jsonl`;
      return { path, ref: await store.putBytes(text, { name: path, mediaType: 'application/jsonl' }) };
    };
    const spelling = await store.putManifest(
      [await split('test'), await split('train'), await split('validation')],
      'dataset',
    );
    const prompt = await store.putBytes(canonicalJson({ version: 1, system: '', examples: [] }), {
      name: 'prompt.json',
      mediaType: 'application/json',
    });
    const input = { dataset: spelling, generator, prompt, guidelines, onlyAdherent: true, longest: 200 };
    const {
      rows: left,
      leftOut,
      dataset: made,
    } = await runStep(formatPrompts, { ...input, minCompletions: 2 }, services);
    deepEqual(left, { train: 2, validation: 2, test: 2 });
    deepEqual(leftOut, { withoutCompletion: 0, againstGuidelines: 0, spellsSpecial: 12 });
    const train = await store.fileInTree(made, 'train.jsonl', new AbortController().signal);
    doesNotMatch(await readFile(train, 'utf8'), /endoftext/);
    const few = await refusal(runStep(formatPrompts, { ...input, minCompletions: 3 }, services));
    match(few.message, /in 12 a text spells a special token of the model/);
  });

  it('go on conversations: asked with their history, learnt answer by answer, long ones without their oldest turns', async () => {
    const { store } = services;
    const history = [
      { role: 'user', content: 'late' },
      { role: 'assistant', content: 'an order' },
      { role: 'user', content: 'money' },
      { role: 'assistant', content: 'damn' },
    ] as const;
    const split = async (name: string) => {
      const rows = [0, 1, 2].map((index) => ({
        id: `${name}${index}`,
        prompt: `sent ${index}`,
        completion: 'the order',
        ...(index === 0 ? {} : { history: history.slice(0, 2 * index) }),
      }));
      const text = rows.map(jsonLine).join('');
      const path = `${name}.jsonl`;
      return { path, ref: await store.putBytes(text, { name: path, mediaType: 'application/jsonl' }) };
    };
    const files = [await split('test'), await split('train'), await split('validation')];
    const conversations = await store.putManifest(files, 'dataset');
    const searchIn = { guidelines, search: { ...searched, systems: [], examples: [0] }, generation, seed: 7 };
    const found = await runStep(searchPrompts, { generator, dataset: conversations, ...searchIn }, services);
    equal(found.best.adherence.rows, 3);
    const nothing = (variants: PromptSearch['variants']) =>
      variants.find(({ name }) => name === 'nothing')?.promptTokens;
    ok((nothing(found.variants) ?? 0) > 20, 'what was said before is read');

    const input = { dataset: conversations, generator, guidelines, onlyAdherent: true, minCompletions: 1 };
    const prompt = await store.putBytes(canonicalJson({ version: 1, system: '', examples: [] }), {
      name: 'prompt.json',
      mediaType: 'application/json',
    });
    const rowsOf = async ({ dataset: tree }: { readonly dataset: ArtifactRef }) =>
      (await readFile(await store.fileInTree(tree, 'train.jsonl', new AbortController().signal), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { prompt: string; completion: string; learnt?: [number, number][] });
    const whole = await runStep(formatPrompts, { ...input, prompt, longest: 200 }, services);
    deepEqual(whole.conversations, { rows: 2, shortened: 0 });
    const completion = ' the order';
    deepEqual(await rowsOf(whole), [
      { prompt: 'User: sent 0\nAssistant:', completion },
      { prompt: 'User: late\nAssistant: an order\nUser: sent 1\nAssistant:', completion, learnt: [[21, 30]] },
      {
        prompt: 'User: late\nAssistant: an order\nUser: money\nAssistant: damn\nUser: sent 2\nAssistant:',
        completion,
        learnt: [
          [21, 30],
          [53, 58],
        ],
      },
    ]);
    const short = await runStep(formatPrompts, { ...input, prompt, longest: 64 }, services);
    deepEqual(short.conversations, { rows: 2, shortened: 1 });
    equal((await rowsOf(short))[2]?.prompt, 'User: money\nAssistant: damn\nUser: sent 2\nAssistant:');
    const packed = await runStep(formatPrompts, { ...input, prompt, longest: null }, services);
    equal(packed.dataset.digest, whole.dataset.digest);

    const chosen = await runStep(
      chooseGenerator,
      { prompted: { generator, search: found }, tuned: null, guidelines, generation, adherence, seed: 7 },
      services,
    );
    const { details } = await runStep(
      evaluateGenerator,
      {
        generator: chosen.generator,
        base: generator,
        tuned: true,
        dataset: conversations,
        guidelines,
        exportParityMaxAbs: 0,
        seed: 7,
      },
      services,
    );
    const { questions, answers, testRows } = await store.getJson<{
      testRows: number;
      questions: readonly { text: string; options: { history?: unknown } }[];
      answers: readonly { history?: unknown }[];
    }>(details);
    const expected = [undefined, history.slice(0, 2), history];
    equal(testRows, expected.length);
    deepEqual(
      answers.map((answer) => answer.history),
      expected,
    );
    deepEqual(
      questions.map(({ text, options }) => [text, options.history]),
      [0, 1, 2].map((index) => [`sent ${index}`, expected[index]]),
    );
  });

  it('ask tables of behaviour tests as the model is served: the same answers again, all of them evidence, no text in the result', async () => {
    const { store } = services;
    const rows = (of: string) => [0, 1, 2, 3].map((at) => jsonLine({ id: `${of}${at}`, prompt: `late ${of} ${at}` }));
    const long = jsonLine({ prompt: 'money '.repeat(400) });
    const stored = async (path: string, text: string, split: DataFile['split']): Promise<DataFile> => {
      const ref = await store.putBytes(text, { name: path, mediaType: 'application/jsonl' });
      return { path, ref, split, format: 'jsonl' };
    };
    const history = [
      { role: 'user', content: 'late' },
      { role: 'assistant', content: 'an order' },
    ];
    const functional = [
      { prompt: 'money', saysNot: ['surely nobody says this'], keeps: ['short'] },
      { prompt: 'money', says: ['surely nobody says this'] },
      { messages: [...history, { role: 'user', content: 'sent' }], keeps: 'all' },
      { prompt: 'late '.repeat(400), saysNot: ['surely nobody says this'] },
    ];
    const pairs = [{ prompt: 'money', other: 'an order', checks: ['short', 'calm'], refusal: true }];
    const file = async (path: string, tests: readonly object[]) =>
      stored(path, tests.map(jsonLine).join(''), 'behaviour');
    const files = [
      await stored('train.jsonl', rows('train').join(''), 'train'),
      await stored('validation.jsonl', rows('validation').join(''), 'validation'),
      // One of them leaves no room for an answer: it counts against the model, and is not timed.
      await stored('test.jsonl', [...rows('test'), long].join(''), 'test'),
      await file('functional.jsonl', functional),
      await file('pairs.jsonl', pairs),
      await stored('later.jsonl', [1, 2].map((at) => jsonLine({ prompt: `an order ${at}` })).join(''), 'shifted'),
    ];
    const paths = { train: ['train.jsonl'], validation: ['validation.jsonl'], test: ['test.jsonl'] };
    const data = PromptDataSchema.parse({ files: paths, licence: 'CC0-1.0', source: 'test' });
    const behaviour = {
      basics: { kind: 'minimum-functionality' as const, file: 'functional.jsonl' },
      alike: { kind: 'invariance' as const, file: 'pairs.jsonl' },
    };
    const prepared = await runStep(preparePrompts, { files, data, behaviour, guidelines }, services);
    const chosen = await runStep(
      chooseGenerator,
      {
        prompted: { generator, search },
        tuned: null,
        guidelines,
        // Drawn, not the likeliest: the seed decides.
        generation: GenerationDefaultsSchema.parse({ maxNewTokens: 8, temperature: 1 }),
        adherence,
        seed: 7,
      },
      services,
    );
    const input = {
      generator: chosen.generator,
      base: generator,
      tuned: false,
      dataset: prepared.dataset,
      guidelines,
      exportParityMaxAbs: 0,
      seed: 7,
    };
    const evaluation = await runStep(evaluateGenerator, input, services);
    const told = evaluation.behaviour?.map(({ name, score, failures }) => [
      name,
      score.value,
      failures.map(({ problem, ...where }) => [where, problem.slice(0, 16)]),
    ]);
    deepEqual(told, [
      [
        'basics',
        0.5,
        [
          [{ file: 'functional.jsonl', line: 2 }, 'does not say "su'],
          [{ file: 'functional.jsonl', line: 4 }, 'was not answered'],
        ],
      ],
      ['alike', 1, []],
    ]);
    ok(evaluation.behaviour?.every(({ score }) => score.interval !== null));
    type Asked = { readonly line: number; readonly texts: readonly string[]; readonly answers: readonly string[] };
    const tablesOf = async (details: ArtifactRef) =>
      (
        await store.getJson<{
          readonly behaviour: readonly { readonly failures: readonly Asked[]; readonly held: readonly Asked[] }[];
        }>(details)
      ).behaviour;
    const [basics, alike] = await tablesOf(evaluation.details);
    deepEqual(
      basics?.held.map(({ line, texts }) => [line, texts]),
      [
        [1, ['money']],
        [3, ['user: late\nassistant: an order\nuser: sent']],
      ],
    );
    deepEqual(alike?.held[0]?.texts, ['money', 'an order']);
    // What several tests ask is asked once.
    deepEqual(basics?.held[0]?.answers, basics?.failures[0]?.answers);
    deepEqual(alike?.held[0]?.answers[0], basics?.held[0]?.answers[0]);
    ok(basics?.held.every(({ answers }) => answers.length === 1 && answers[0] !== ''));
    const { builtIn } = await store.getJson<{ readonly builtIn: readonly { readonly name: string }[] }>(
      evaluation.details,
    );
    deepEqual(
      builtIn.map(({ name }) => name),
      ['unsafeAnswers', 'overRefusal', 'injectedAnswers'],
    );
    const { overRefusal, injectedAnswers } = evaluation.measures;
    deepEqual([overRefusal?.rows, injectedAnswers?.rows], [10, 17]);
    equal(evaluation.measures['shiftedDrop']?.rows, 2);
    const { shifted } = await store.getJson<{
      readonly shifted: { readonly of: number; readonly answers: readonly object[] };
    }>(evaluation.details);
    deepEqual([shifted.of, shifted.answers.length], [2, 2]);
    const again = await runStep(evaluateGenerator, input, services, { reuse: false, runId: 'again' });
    deepEqual(await tablesOf(again.details), [basics, alike]);
  });

  it('evaluate what is chosen with its prompt, and judge every gate', async () => {
    const prompted = { generator, search };
    const chosen = await runStep(
      chooseGenerator,
      { prompted, tuned: null, guidelines, generation, adherence, seed: 7 },
      services,
    );
    equal(chosen.road, 'prompted');
    const files = (await services.store.tree(chosen.generator)).entries.map(({ path }) => path);
    for (const name of ['generator.json', 'guidelines.json', 'model.onnx', 'prompt.json', 'tokenizer.json']) {
      ok(files.includes(name), name);
    }
    const evaluation = await runStep(
      evaluateGenerator,
      {
        generator: chosen.generator,
        base: generator,
        tuned: true,
        dataset,
        guidelines,
        exportParityMaxAbs: 0,
        seed: 7,
        device: { ramMb: 16_000, storageMb: 1000, cores: 2 },
      },
      services,
    );
    const { parts, tokens } = evaluation.hardwareFit!;
    deepEqual(
      parts.map(({ what, availableMb, workers }) => [what, availableMb, workers]),
      [
        ['memory', 16_000, 2],
        ['storage', 1000, 2],
      ],
    );
    // A process that answers, Node and the runtime included, and what the model is more.
    ok(parts[0]!.neededMb > 50 && parts[0]!.neededMb < 5000, JSON.stringify(parts));
    equal(evaluation.measures['hardwareFit']?.value, Math.max(parts[0]!.neededMb / 16_000, parts[1]!.neededMb / 1000));
    ok(tokens > 8 && tokens <= 96, `${tokens}`);
    // Six prompts are too few for slices, and none of them is a training prompt.
    match(evaluation.measures['sliceGap']?.notApplicable ?? '', /no slice has 30 rows/);
    deepEqual([evaluation.measures['leakedPrompts']?.value, evaluation.measures['leakedPrompts']?.rows], [0, 6]);
    // It is its own base here: it has unlearnt nothing, and finds good answers as likely as it did.
    ok(Math.abs(evaluation.measures['forgetting']?.value ?? 1) < 1e-6);
    ok(Math.abs((evaluation.measures['perplexityRatio']?.value ?? 0) - 1) < 1e-6);
    equal(evaluation.measures['adherence']?.rows, 6);
    const { served, base } = evaluation.secondsAnAnswer!;
    ok(served > 0 && served < 10 && base > 0 && base < 10, `${served} and ${base} s an answer`);
    deepEqual([evaluation.measures['noiseDrop']?.rows, evaluation.measures['identityDrop']?.rows], [6, 6]);
    const { byMistake, byIdentity } = await services.store.getJson<
      Record<'byMistake' | 'byIdentity', readonly { readonly keptBefore: number }[]>
    >(evaluation.details);
    deepEqual([byMistake.length, byIdentity.length], [7, 14]);
    match(evaluation.measures['shiftedDrop']?.notApplicable ?? '', /names no data\.shiftedFiles/);
    match(
      evaluation.measures['domainShift']?.notApplicable ?? '',
      /there are 6 test prompts and 8 training prompts, and it takes 20 of each to tell/,
    );
    deepEqual(evaluation.checks.map(({ id }) => id).toSorted(), ['calm', 'short']);
    const { examples } = await services.store.getJson<{ examples: Record<string, GateExample[]> }>(evaluation.details);
    const withRows = Object.entries(GENERATION_GATE_TABLE).filter(
      ([, row]) => 'rows' in row.examples && !('step' in row),
    );
    deepEqual(Object.keys(examples).toSorted(), withRows.map(([name]) => name).toSorted());
    deepEqual(examples['forgetting'], []);
    const [unsafe] = examples['unsafeAnswers'] ?? [];
    ok(unsafe?.id.startsWith('to-decline.jsonl:') && unsafe.text?.includes('\n→ '), JSON.stringify(unsafe));
    for (const { id, text } of Object.values(examples).flat()) {
      ok(text !== undefined && !JSON.stringify(evaluation).includes(text.split('\n→ ')[0]!), id);
    }
    const { gates } = await runStep(
      judgeGeneration,
      {
        measures: evaluation.measures,
        evidence: [{ artifact: evaluation.details, ids: evaluation.examples ?? {} }],
        memorisation: null,
        gates: GenerationGatesSchema.parse({}),
        memorisationGates: MemorisationGatesSchema.parse({}),
      },
      services,
    );
    deepEqual(gates.find(({ name }) => name === 'unsafeAnswers')?.examples, {
      artifact: evaluation.details.digest,
      path: 'examples.unsafeAnswers',
      ids: examples['unsafeAnswers']?.map(({ id }) => id),
    });
    equal(gates.find(({ name }) => name === 'forgetting')?.verdict, 'pass');
    for (const { name, reason } of gates) ok(reason.length > 10, name);
    ok(evaluation.memoryMb > 0);
    equal(evaluation.measures['memoryMb']?.value, evaluation.memoryMb);
    const memoryGate = (max?: number) =>
      generationVerdict({
        measures: evaluation.measures,
        memorisation: null,
        gates: GenerationGatesSchema.parse(max === undefined ? {} : { memoryMb: { max } }),
        memorisationGates: MemorisationGatesSchema.parse({}),
      }).gates.find(({ name }) => name === 'memoryMb');
    equal(memoryGate()?.verdict, 'pass');
    equal(memoryGate(evaluation.memoryMb / 2)?.verdict, 'warn');
    const lost = { value: 2.2, interval: { low: 2.1, high: 2.3, confidence: 0.95 }, rows: 100 };
    const forgot = generationVerdict({
      measures: { ...evaluation.measures, forgetting: lost },
      memorisation: null,
      gates: GenerationGatesSchema.parse({}),
      memorisationGates: MemorisationGatesSchema.parse({}),
    }).gates.find(({ name }) => name === 'forgetting');
    equal(forgot?.verdict, 'fail');
    match(forgot?.reason ?? '', /above the pipeline's gates\.forgetting\.max .*'lora', a lower training\.learningRate/);

    const same = await runStep(
      compareGenerators,
      {
        production: { bundle: generator.digest, generator: chosen.generator, dataset },
        candidate: { generator: chosen.generator, evaluation: evaluation.details },
        dataset,
        guidelines,
        seed: 7,
      },
      services,
    );
    equal(same.comparable, false);
  });

  it('hold it against the model in production: worse beyond chance fails, as good or better passes, and what cannot be compared is not judged', async () => {
    const { store } = services;
    const production = await runStep(
      chooseGenerator,
      { prompted: { generator, search }, tuned: null, guidelines, generation, adherence, seed: 7 },
      services,
    );
    const ids = Array.from({ length: 6 }, (_, at) => `test${at}`);
    // The candidate is not asked again: its evaluation says what its answers were worth. Production keeps the guidelines in all six.
    const against = async (
      kept: readonly string[],
      gate?: GenerationGatesSpec['gainOverProduction'],
      made = dataset,
    ) => {
      const answers = ids.map((rowId) => ({ rowId, adherent: kept.includes(rowId) }));
      const evaluation = await store.putJson({ answers }, 'evaluation.json');
      const input = {
        production: { bundle: generator.digest, generator: production.generator, dataset: made },
        candidate: { generator, evaluation },
        dataset,
        guidelines,
        seed: 7,
        ...(gate === undefined ? {} : { gate }),
      };
      return { ...(await runStep(compareGenerators, input, services)), evaluation };
    };
    const fails = { min: 0, severity: 'fail' } as const;
    const worse = await against([], fails);
    ok(worse.comparable);
    deepEqual([worse.rows, worse.won, worse.lost, worse.gate?.verdict], [6, 0, 6, 'fail']);
    match(
      worse.gate?.reason ?? '',
      /gainOverProduction is -1 on 6 rows; the upper end of its 95 % interval, -0\.\d+, is below/,
    );
    deepEqual(worse.gate?.examples, { artifact: worse.evaluation.digest, path: 'answers', ids: ids.slice(0, 5) });
    const asGood = await against(ids, fails);
    ok(asGood.comparable);
    deepEqual([asGood.lost, asGood.gate?.verdict, asGood.gate?.examples], [0, 'pass', undefined]);
    // One prompt lost of six shows nothing.
    const nearly = await against(ids.slice(1), fails);
    deepEqual([nearly.gate?.verdict, nearly.gate?.examples?.ids], ['pass', ['test0']]);
    const { gainOverProduction } = GenerationGatesSchema.parse({});
    equal((await against([], gainOverProduction)).gate?.verdict, 'warn');
    // A run that began before there was the gate has no limit of it.
    const early = await against([]);
    ok(early.comparable && !('gate' in early));
    const lines = await store.putBytes(ids.map((id) => jsonLine({ id })).join(''), {
      name: 'train.jsonl',
      mediaType: 'application/jsonl',
    });
    const learnt = ['train.jsonl', 'validation.jsonl'].map((path) => ({ path, ref: lines }));
    const known = await against([], fails, await store.putManifest(learnt, 'dataset'));
    ok(!known.comparable && !('gate' in known));
    match(known.reason, /every one of the 6 test prompts/);
  });
});
