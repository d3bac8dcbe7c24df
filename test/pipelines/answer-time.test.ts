import { deepEqual, equal, ok } from 'node:assert/strict';
import { answerTime, servedTimes, timesBasis, type TimedLength } from '../../pipelines/answer-time.ts';

const NEW_TOKENS = 32;
const READ_AT_ONCE = 128;

/** A machine that takes as long for a step as its tokens, what stands before them, and their pairs, say. */
const machine = ({ step, token, before, pair }: Record<'step' | 'token' | 'before' | 'pair', number>) => {
  const read = (tokens: number, past: number): number =>
    step + tokens * token + (past + tokens) * before + tokens * (past + tokens / 2) * pair;
  const firstMs = (prompt: number): number => {
    let ms = 0;
    for (let at = 0; at < prompt; at += READ_AT_ONCE) ms += read(Math.min(READ_AT_ONCE, prompt - at), at);
    return ms;
  };
  const wholeMs = (prompt: number, written: number): number => {
    let ms = firstMs(prompt);
    for (let at = 1; at < written; at++) ms += read(1, prompt + at);
    return ms;
  };
  const tokenMs = (prompt: number, written: number): number =>
    (wholeMs(prompt, written) - firstMs(prompt)) / (written - 1);
  const timed = (promptTokens: number): TimedLength => ({
    promptTokens,
    firstMs: firstMs(promptTokens),
    tokens: NEW_TOKENS,
    tokenMs: tokenMs(promptTokens, NEW_TOKENS),
  });
  const profiled = (promptTokens: number, longer: readonly number[]) => ({
    firstTokenMs: { p50: firstMs(promptTokens), p95: 1.5 * firstMs(promptTokens) },
    msPerToken: { p50: tokenMs(promptTokens, NEW_TOKENS), p95: 2 * tokenMs(promptTokens, NEW_TOKENS) },
    answer: {
      meanMs: wholeMs(promptTokens, NEW_TOKENS),
      meanTokens: NEW_TOKENS,
      firstMs: firstMs(promptTokens),
      promptTokens,
      longer: longer.map(timed),
    },
  });
  return { firstMs, wholeMs, tokenMs, profiled };
};

describe('the time of an answer as it is served', () => {
  // As of the Llama that bench/answer-time.ts times, about: 5 ms a step, a quarter of one for a token more, a copy of the cache.
  const machines = [
    machine({ step: 5, token: 0.25, before: 0.007, pair: 0.0002 }),
    machine({ step: 20, token: 3, before: 0, pair: 0 }),
    machine({ step: 1, token: 0.02, before: 0.02, pair: 0.001 }),
  ];

  it('is within a tenth of what longer prompts and answers take, of machines on which what stands before costs much or nothing', () => {
    for (const { profiled, wholeMs } of machines) {
      const profile = profiled(43, [210, 1041]);
      for (const [promptTokens, answerTokens] of [
        [43, 128],
        [326, 32],
        [326, 128],
        [687, 256],
        [1300, 200],
      ] as const) {
        const { ms, of } = answerTime(profile, { promptTokens, answerTokens })!;
        equal(of, 'best-prompt');
        const error = ms / wholeMs(promptTokens, answerTokens) - 1;
        ok(Math.abs(error) < 0.1, `${promptTokens} read, ${answerTokens} written: ${(100 * error).toFixed(1)} %`);
      }
    }
  });

  it('is far too little from short questions alone, where what stands before costs much', () => {
    const { profiled, wholeMs } = machines[0]!;
    const { ms } = answerTime(profiled(43, []), { promptTokens: 687, answerTokens: 256 })!;
    ok(ms < 0.7 * wholeMs(687, 256));
  });

  it('is never shorter for more that is read or written, whatever noise was in what was timed', () => {
    const { answer, ...profile } = machines[0]!.profiled(43, [210, 1041]);
    const noisy = [
      answer.longer.map((one) => ({ ...one, firstMs: one.firstMs / 20, tokenMs: 0.5 })),
      answer.longer.map((one, at) => ({ ...one, firstMs: at === 0 ? one.firstMs * 9 : one.firstMs })),
    ];
    for (const longer of noisy) {
      let last = 0;
      for (const promptTokens of [1, 43, 100, 500, 2000]) {
        const { ms } = answerTime({ ...profile, answer: { ...answer, longer } }, { promptTokens, answerTokens: 50 })!;
        ok(ms >= last, `${promptTokens} tokens: ${ms} ms after ${last}`);
        last = ms;
      }
    }
  });

  it('to the first token and of each is what questions alone took and what the prompt adds, at both quantiles', () => {
    const { profiled, firstMs, tokenMs } = machines[0]!;
    const served = servedTimes(profiled(43, [210, 1041]), { promptTokens: 600, answerTokens: 100 });
    equal(served.of, 'best-prompt');
    ok(Math.abs(served.firstTokenMs.p50 / firstMs(600) - 1) < 0.1, String(served.firstTokenMs.p50));
    ok(Math.abs(served.firstTokenMs.p95 - served.firstTokenMs.p50 - 0.5 * firstMs(43)) < 1e-6);
    ok(Math.abs(served.msPerToken.p50 / tokenMs(600, 100) - 1) < 0.1, String(served.msPerToken.p50));
  });

  it('is as it was timed in a record without longer prompts, and says so', () => {
    const { answer, firstTokenMs, msPerToken } = machines[0]!.profiled(43, []);
    const { longer: _, ...old } = answer;
    const asked = { promptTokens: 600, answerTokens: 100 };
    deepEqual(servedTimes({ firstTokenMs, msPerToken, answer: old }, asked), { firstTokenMs, msPerToken, of: 'timed' });
    equal(servedTimes({ firstTokenMs, msPerToken, answer }, { promptTokens: 600 }).of, 'timed');
    equal(servedTimes({ firstTokenMs, msPerToken }, asked).of, 'timed');
  });

  it('is as it was timed where one length alone was: what stands before would cost nothing', () => {
    const asked = { promptTokens: 600, answerTokens: 100 };
    equal(servedTimes(machines[0]!.profiled(43, []), asked).of, 'timed');
    const { answer, ...profile } = machines[0]!.profiled(43, [1041]);
    const silent = answer.longer.map(({ promptTokens, firstMs, tokens }) => ({ promptTokens, firstMs, tokens }));
    equal(servedTimes({ ...profile, answer: { ...answer, longer: silent } }, asked).of, 'timed', 'none wrote on');
  });

  it('is reckoned as well from a shorter prompt where a longer one has no room', () => {
    const { profiled, tokenMs, firstMs } = machines[0]!;
    const { firstTokenMs, msPerToken, of } = servedTimes(profiled(520, [130]), {
      promptTokens: 760,
      answerTokens: 100,
    });
    equal(of, 'best-prompt');
    ok(Math.abs(msPerToken.p50 / tokenMs(760, 100) - 1) < 0.1, String(msPerToken.p50));
    ok(Math.abs(firstTokenMs.p50 / firstMs(760) - 1) < 0.1, String(firstTokenMs.p50));
  });

  it('is of one kind for all that are held against one another: as timed where one of them that was measured cannot be reckoned', () => {
    const best = { promptTokens: 600, answerTokens: 100 };
    const told = { generator: { profile: machines[0]!.profiled(43, [1041]), search: { best } } };
    const old = { generator: { profile: machines[0]!.profiled(43, []), search: { best } } };
    equal(timesBasis([told, told]), 'best-prompt');
    equal(timesBasis([told, old]), 'timed');
    equal(timesBasis([told, {}, { ...old, error: {} }]), 'best-prompt', 'who dropped out is held against nobody');
    equal(servedTimes(told.generator.profile, best, 'timed').of, 'timed');
  });
});
