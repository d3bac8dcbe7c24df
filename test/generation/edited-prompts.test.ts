import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { AskedLess } from '../../activities/contract/prompting.ts';
import { jsonLine } from '../../activities/data/prompts.ts';
import { askAgain } from '../../activities/generation/asked-again.ts';
import { withStore } from '../support/store.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { UNPROMPTED, type Answering } from '../../activities/generation/answers.ts';
import type { Asking, PlainAnswer } from '../../activities/generation/edited/ask-edited.ts';
import { SWAP_LOOKS } from '../../activities/generation/edited/by-swaps.ts';
import { WRITER_LOOKS } from '../../activities/generation/edited/by-sentences.ts';
import { identityDrop } from '../../activities/generation/edited/identity-drop.ts';
import { mistakes, noiseDrop, NOISE_LOOKS } from '../../activities/generation/edited/noise-drop.ts';
import { judgeBy } from '../../activities/generation/judge.ts';
import { generationVerdict } from '../../activities/generation/judge-generation.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { GenerationGatesSchema } from '../../pipelines/definition/generation-gates.ts';
import { GenerationDefaultsSchema } from '../../pipelines/definition/generation.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';
import { parseGuidelines } from '../../pipelines/guidelines/guidelines.ts';
import { MemorisationGatesSchema } from '../../pipelines/memorisation.ts';

const GUIDELINES = `version: 1
checks:
  - { id: calm, kind: banned-phrases, phrases: [damn] }
  - { id: sorry, kind: required-phrases, phrases: [sorry], when: { promptMatches: 'parcel' } }
  - { id: given, kind: citations, facts: [number], smallNumbers: 0 }
`;
const judge = judgeBy(parseGuidelines(GUIDELINES, 'g.yaml'));
const GOOD = 'I am sorry.';
const BAD = 'Damn, I am sorry.';

/** A model that says what it is told to say of a prompt, and what it was asked. */
function model(says: (prompt: string) => string) {
  const questions: { readonly prompt: string; readonly seed: number | undefined }[] = [];
  const generator: Answering = {
    complete: (messages, { seed }) => {
      const prompt = typeof messages === 'string' ? messages : messages.at(-1)!.content;
      questions.push({ prompt, seed });
      return Promise.resolve({ text: says(prompt), promptTokens: 1, tokens: 1, finish: 'end' });
    },
  };
  const signal = new AbortController().signal;
  const options = { generation: GenerationDefaultsSchema.parse({}), seed: 7, signal };
  const asking: Asking = { generator, prompt: UNPROMPTED, judge, options };
  return { asking, questions };
}
const plainOf = (prompts: readonly string[], adherent = true): readonly PlainAnswer[] =>
  prompts.map((prompt, at) => ({
    answer: { row: { id: `row ${at}`, prompt }, text: GOOD, promptTokens: 1, tokens: 1, finish: 'end' },
    adherent,
  }));
const orders = (count: number, who = '') =>
  Array.from({ length: count }, (_, at) => `Where is parcel ${at} of last week please?${who}`);
const verdict = (name: 'noiseDrop' | 'identityDrop', score: Parameters<typeof judgeGate>[2]) => {
  const gate = GENERATION_GATE_TABLE[name];
  return judgeGate(name, gate, score, { max: gate.threshold, severity: gate.severity });
};

describe('prompts with a small mistake', () => {
  it('are asked once each with the next mistake that changes them, forty at first, with the draws of the prompt itself', async () => {
    const { asking, questions } = model(() => GOOD);
    const prompts = orders(300);
    const found = await noiseDrop(plainOf(prompts), asking);
    equal(questions.length, NOISE_LOOKS.first);
    ok(questions.every(({ prompt }) => !prompts.includes(prompt)));
    equal(new Set(questions.map(({ seed }) => seed)).size, NOISE_LOOKS.first);
    deepEqual(
      found.byMistake.map(({ name }) => name),
      mistakes().map(({ name }) => name),
    );
    for (const { name, asked, kept, keptBefore } of found.byMistake) {
      ok(asked >= 5 && asked <= 6 && kept === asked && keptBefore === asked, `${name}: ${asked}`);
    }
    deepEqual([found.score.value, found.score.rows, found.examples], [0, NOISE_LOOKS.first, []]);
    const twice = model(() => GOOD);
    await noiseDrop(plainOf(prompts), twice.asking);
    deepEqual(twice.questions, questions);
  });

  it('are two hundred where the first forty look worse, the forty among them, and not for one of them', async () => {
    const says = (prompt: string) => (prompt.includes('🙂') ? BAD : GOOD);
    const { asking, questions } = model(says);
    const found = await noiseDrop(plainOf(orders(300)), asking);
    deepEqual([questions.length, found.score.rows], [NOISE_LOOKS.all, NOISE_LOOKS.all]);
    equal(new Set(questions.map(({ prompt }) => prompt)).size, NOISE_LOOKS.all);
    const first = model(() => GOOD);
    await noiseDrop(plainOf(orders(300)), first.asking);
    deepEqual(questions.slice(0, NOISE_LOOKS.first), first.questions);
    const one = model((prompt) => (prompt === first.questions[0]?.prompt ? BAD : GOOD));
    equal((await noiseDrop(plainOf(orders(300)), one.asking)).score.rows, NOISE_LOOKS.first);
  });

  it('are asked with several mistakes, each another, where there are fewer than two hundred, and count once each', async () => {
    const twice = model((prompt) => (prompt === prompt.toUpperCase() ? BAD : GOOD));
    const prompts = orders(100);
    const found = await noiseDrop(plainOf(prompts), twice.asking);
    deepEqual([twice.questions.length, found.score.rows], [NOISE_LOOKS.all, 100]);
    equal(new Set(twice.questions.map(({ prompt }) => prompt)).size, NOISE_LOOKS.all);
    const ofEach = new Map(prompts.map((prompt) => [/\d+/.exec(prompt)![0], 0]));
    for (const { prompt } of twice.questions) {
      const [number = ''] = /\d+/.exec(prompt) ?? [];
      ofEach.set(number, ofEach.get(number)! + 1);
    }
    deepEqual(new Set(ofEach.values()), new Set([2]));
    // Two in seven prompts have capitals as one of their two mistakes: half of their answers are lost.
    const inCapitals = found.byMistake.find(({ name }) => name === 'upper case')!;
    equal(Math.round(found.score.value! * 100), inCapitals.asked / 2);
    equal(inCapitals.kept, 0);
    // A prompt is one observation: seven answers to each of twenty that lose all make no narrower an interval than twenty rows do.
    const few = await noiseDrop(plainOf(orders(20)), model(() => BAD).asking);
    deepEqual(
      [few.score.value, few.score.rows, few.byMistake.reduce((sum, { asked }) => sum + asked, 0)],
      [1, 20, 140],
    );
    ok(few.score.interval!.low < 0.75, JSON.stringify(few.score));
  });

  it('cost a model that answers mistakes badly its gate, by mistake and with what was asked', async () => {
    const { asking } = model((prompt) => (/[A-Z]{5}/.test(prompt) || prompt.includes('🙂') ? BAD : GOOD));
    const found = await noiseDrop(plainOf(orders(140)), asking);
    equal(found.score.value, 2 / 7);
    deepEqual(
      found.byMistake.filter(({ kept, asked }) => kept < asked).map(({ name, kept }) => [name, kept]),
      [
        ['an emoji at the end', 0],
        ['upper case', 0],
      ],
    );
    const { verdict: says, reason } = verdict('noiseDrop', found.score);
    equal(says, 'warn');
    match(reason, /noiseDrop is 0\.2857 on 140 rows; the lower end of its 95 % interval/);
    equal(found.examples.length, 5);
    const [first] = found.examples;
    equal(first?.note, 'no longer within the guidelines by: an emoji at the end');
    match(first?.text ?? '', /please\? 🙂\n→ Damn, I am sorry\.$/);
    match(first?.unedited ?? '', /please\?\n→ Damn, I am sorry\.$/);
  });

  it('are judged as the prompts that they were: by the same guidelines, and with what the mistake says given', async () => {
    // In capitals, or with its letters swapped, no guideline would be about a parcel: the answer still has to say sorry.
    const unmoved = await noiseDrop(plainOf(orders(70)), model(() => 'It is on its way.').asking);
    equal(unmoved.score.value, 1);
    // The number stands in the prompt, whatever case it is in; the one that nobody gave is invented.
    const echo = model((prompt) => `Sorry about ${/\d+/.exec(prompt)?.[0]}.`);
    equal((await noiseDrop(plainOf(orders(70)), echo.asking)).score.value, 0);
    const invents = model(() => 'Sorry about 4711.');
    equal((await noiseDrop(plainOf(orders(70)), invents.asking)).score.value, 1);
  });

  it('are left out where they leave no room for an answer, and where no mistake changes the prompt', async () => {
    const { asking } = model((prompt) => {
      if (prompt !== prompt.toUpperCase()) return GOOD;
      throw new EspalierError('BadRequest', 'no room', { where: 'messages', fix: 'ask less' });
    });
    const found = await noiseDrop(plainOf(orders(70)), asking);
    ok(found.score.value === 0 && found.score.rows < NOISE_LOOKS.first);
    equal(found.byMistake.find(({ name }) => name === 'upper case')?.asked, 0);
    const none = await noiseDrop([], model(() => GOOD).asking);
    match(verdict('noiseDrop', none.score).reason, /not measured: no test prompt can be asked with a mistake/);
    equal(verdict('noiseDrop', none.score).verdict, 'off');
  });

  it('stop being asked where the run is cancelled, and tell how far they are', async () => {
    const { asking } = model(() => GOOD);
    const stop = new AbortController();
    const told: (readonly number[])[] = [];
    const onProgress = (done: number, total: number): void => {
      told.push([done, total]);
      if (done === 3) stop.abort(new Error('cancelled'));
    };
    const options = { ...asking.options, signal: stop.signal, onProgress };
    await rejects(noiseDrop(plainOf(orders(50)), { ...asking, options }), /cancelled/);
    deepEqual(told.at(-1), [3, NOISE_LOOKS.first]);
  });
});

/** Thirty training prompts, and fifty from elsewhere. */
async function promptsIn(store: ArtifactStore): Promise<ArtifactRef> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-'));
  const lines = (count: number, what: string) =>
    Array.from({ length: count }, (_, at) =>
      jsonLine({ id: `${what} ${at}`, prompt: `When does ${what} ${at} open?` }),
    );
  await writeFile(join(folder, 'train.jsonl'), lines(30, 'shop').join(''));
  await writeFile(join(folder, 'shifted.jsonl'), lines(50, 'museum').join(''));
  const tree = await store.putTree(folder, 'dataset', { signal: new AbortController().signal });
  await rm(folder, { recursive: true });
  return tree;
}

describe('what is asked again', () => {
  it('is nothing for gates that are off, and of each kind no more prompts than are given', async () => {
    const opened = await withStore();
    try {
      const dataset = await promptsIn(opened.store);
      const plain = plainOf(orders(100, ' he is at home.'));
      const ask = async (askedLess?: AskedLess) => {
        const { asking, questions } = model(() => GOOD);
        const { signal } = asking.options;
        const of = { store: opened.store, signal, dataset, seed: 7, askedLess };
        const judged = plain.map(() => ({ adherent: true, weighted: 1, broken: [], details: [], applied: [] }));
        const found = await askAgain(
          plain.map(({ answer }) => answer),
          judged,
          () => asking,
          of,
        );
        return { ...found, asked: questions.length };
      };
      const few = await ask({ not: ['identityDrop'], most: 20 });
      equal(few.asked, 20 + 20);
      deepEqual([few.measures.noiseDrop.rows, few.measures.shiftedDrop.rows], [20, 20]);
      match(few.measures.identityDrop.notApplicable ?? '', /the gate is off, and no answers were made for it/);
      equal(verdict('identityDrop', few.measures.identityDrop).verdict, 'off');
      const late = (severity: 'off' | 'fail') =>
        generationVerdict({
          measures: few.measures,
          gates: GenerationGatesSchema.parse({ identityDrop: { severity } }),
          memorisation: null,
          memorisationGates: MemorisationGatesSchema.parse({}),
        }).gates.find(({ name }) => name === 'identityDrop');
      equal(late('off')?.verdict, 'off');
      equal(late('fail')?.verdict, 'fail', 'turned on after it was not asked for');
      match(late('fail')?.reason ?? '', /was off when the evaluation was made.*start another run/);
      const people = await ask({ not: ['noiseDrop', 'shiftedDrop'], most: 20 });
      // Words are swapped in as many as ever: they are spread over the identities of their group.
      equal(people.asked, 16 * 18 + 16 * 3);
      equal((await ask({ not: ['noiseDrop', 'identityDrop', 'shiftedDrop'] })).asked, 0);
      equal((await ask()).asked, 40 + 16 * 18 + 16 * 3 + 50);
    } finally {
      opened.close();
    }
  });
});

describe('prompts of other people', () => {
  it('are asked with every sentence that says who writes, and what is the same question once', async () => {
    const { asking, questions } = model(() => GOOD);
    const found = await identityDrop(plainOf(orders(100)), asking);
    deepEqual([found.score.value, found.score.rows, found.examples], [0, WRITER_LOOKS.first, []]);
    equal(found.identities.length, 14);
    // Fourteen sentences, two neutral ones and two neutral names besides Emily's, who is held against both.
    equal(questions.length, WRITER_LOOKS.first * 18);
    equal(new Set(questions.map(({ prompt }) => prompt)).size, questions.length);
    equal(new Set(questions.map(({ seed }) => seed)).size, WRITER_LOOKS.first);
    deepEqual(new Set(found.withWords.map(({ prompts }) => prompts)), new Set([0]));
  });

  it('show a model that serves one of them worse, and not one that minds any sentence', async () => {
    const biased = model((prompt) => (prompt.endsWith('I am Muslim.') ? BAD : GOOD));
    const found = await identityDrop(plainOf(orders(100)), biased.asking);
    equal(found.score.value, 1);
    const { verdict: says, reason } = verdict('identityDrop', found.score);
    equal(says, 'warn');
    match(reason, /the sentence "I am Muslim\." after the prompt/);
    equal(found.examples.length, 5);
    match(found.examples[0]?.text ?? '', /I am Muslim\.\n→ Damn/);
    const touchy = model((prompt) => (prompt.endsWith('?') ? GOOD : BAD));
    equal((await identityDrop(plainOf(orders(100)), touchy.asking)).score.value, 0);
    // Any first name: those of one identity are among what it is held against.
    const names = model((prompt) => (prompt.includes('My name is') ? BAD : GOOD));
    equal(verdict('identityDrop', (await identityDrop(plainOf(orders(100)), names.asking)).score).verdict, 'pass');
  });

  it('are asked sixty of an identity that looks worse in the first sixteen, beside its neutral ones, and of nobody else', async () => {
    const { asking, questions } = model((prompt) => (prompt.endsWith('I am Jewish.') ? BAD : GOOD));
    const { identities, score } = await identityDrop(plainOf(orders(100)), asking);
    equal(score.rows, WRITER_LOOKS.all);
    for (const { name, prompts } of identities) {
      equal(prompts, name.includes('Jewish') ? WRITER_LOOKS.all : WRITER_LOOKS.first, name);
    }
    equal(questions.length, WRITER_LOOKS.first * 18 + (WRITER_LOOKS.all - WRITER_LOOKS.first) * 3);
    // Worse in two of the sixteen is no reason to go on.
    const first = model(() => GOOD);
    await identityDrop(plainOf(orders(100)), first.asking);
    const two = first.questions.filter(({ prompt }) => prompt.endsWith('I am Jewish.')).slice(0, 2);
    const seldom = model((prompt) => (two.some((one) => one.prompt === prompt) ? BAD : GOOD));
    await identityDrop(plainOf(orders(100)), seldom.asking);
    equal(seldom.questions.length, WRITER_LOOKS.first * 18);
  });

  it('are held against the mean of what the neutral sentences get, and against one where the other leaves no room', async () => {
    const answer = (prompt: string): string => (/phone|laptop|kitchen|garden|Muslim/.test(prompt) ? BAD : GOOD);
    const { identities } = await identityDrop(plainOf(orders(100)), model(answer).asking);
    const muslim = identities.find(({ name }) => name.includes('Muslim'));
    // Two in three prompts have one of these four among their two neutral sentences.
    deepEqual([muslim?.prompts, muslim?.keptBefore, muslim?.kept], [60, 40, 0]);
    const cramped = model((prompt) => {
      if (!/laptop|phone/.test(prompt)) return GOOD;
      throw new EspalierError('BadRequest', 'no room', { where: 'messages', fix: 'ask less' });
    });
    const found = await identityDrop(plainOf(orders(100)), cramped.asking);
    ok(found.identities.every(({ prompts, keptBefore }) => prompts === WRITER_LOOKS.first && keptBefore === prompts));
  });

  it('are never held against themselves: Emily, a neutral name of the others, shows as anybody does', async () => {
    const biased = model((prompt) => (prompt.endsWith('My name is Emily.') ? BAD : GOOD));
    const { score, identities } = await identityDrop(plainOf(orders(100)), biased.asking);
    equal(score.value, 1);
    equal(score.of, 'the sentence "My name is Emily." after the prompt');
    const emily = identities.find(({ name }) => name === score.of);
    deepEqual([emily?.keptBefore, emily?.kept], [WRITER_LOOKS.all, 0]);
  });

  it('show it by the words in the prompts, whoever they are about, and only where there are twenty', async () => {
    const unfair = (prompt: string): string =>
      /\b(she|woman)\b/.test(prompt.replace('I am a woman', '')) ? BAD : GOOD;
    const about = (who: string, count: number) => orders(count, ` ${who} is at home.`);
    for (const prompts of [about('he', 60), about('she', 60), [...about('he', 30), ...about('she', 30)]]) {
      const { score, withWords, examples } = await identityDrop(plainOf(prompts), model(unfair).asking);
      equal(score.value, 1);
      equal(score.of, 'words of gender in the prompt, as "she is"');
      deepEqual(
        withWords.find(({ group }) => group === 'gender'),
        { group: 'gender', prompts: 60 },
      );
      match(examples[0]?.text ?? '', /(she is|that woman is) at home\.\n→ Damn/);
    }
    // A fair model is asked sixteen prompts, each about him, about her and about nobody; an unfair one sixty.
    const judged: string[][] = [];
    for (const [says, asked] of [
      [() => GOOD, SWAP_LOOKS.first],
      [unfair, SWAP_LOOKS.all],
    ] as const) {
      const { asking, questions } = model(says);
      const { withWords, identities } = await identityDrop(plainOf(about('he', 100)), asking);
      judged.push(identities.map(({ name }) => name));
      equal(withWords[0]?.prompts, SWAP_LOOKS.all);
      equal(questions.filter(({ prompt }) => prompt.endsWith('at home.')).length, 3 * asked);
      const hers = identities.find(({ name }) => name.includes('"she is"'));
      deepEqual([hers?.prompts, hers?.keptBefore], [asked, asked]);
    }
    // How many are judged at once, and so how wide their intervals are, does not hang on the answers.
    deepEqual(judged[0], judged[1]);
    ok(judged[0]?.includes('words of gender in the prompt, as "she is"'));
    const few = model(unfair);
    const found = await identityDrop(plainOf(about('he', 19)), few.asking);
    deepEqual([found.score.value, found.withWords[0]], [0, { group: 'gender', prompts: 19 }]);
    ok(few.questions.every(({ prompt }) => prompt.includes('he is at home')));
  });
});
