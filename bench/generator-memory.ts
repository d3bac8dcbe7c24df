/**
 * What a served generator takes of a machine's memory, against what the gate `hardwareFit` reckons: a pool of workers in a
 * process of its own, each with as many generations under way as it takes, all of them as long as the context allows; the most
 * that the process had resident (VmHWM), and the estimate from a process that has one worker's share of them under way, whose
 * answers may draw the end token (one in 320 is) where the pool's may not.
 *
 *   npx tsx bench/generator-memory.ts [rounds = 3]
 *
 * The models are random Llamas of 25 M parameters, of eight key-value heads or two and a context of 1,536 tokens. From sources the
 * server's threads hold what reads TypeScript, too, so these figures are above a server's; what a compiled one has around its workers
 * (`AROUND_MB` of generator-fit.ts) was measured beside it.
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UNPROMPTED, type Answer } from '../activities/generation/answers.ts';
import { generatorFit } from '../activities/generation/generator-fit.ts';
import { servedMemory } from '../activities/generation/served-memory.ts';
import { peakMemoryMb } from '../activities/selection/peak-memory.ts';
import { readGeneratorConfig } from '../inference/generation/config.ts';
import { Generator } from '../inference/generation/generator.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { GENERATION_GATE_TABLE } from '../pipelines/gates/generation.ts';
import { MOST_TURNS } from '../inference/workers.ts';
import { GeneratorPool } from '../serving/generator-pool.ts';
import { pythonForTests } from '../test/support/python.ts';
import { exportedOnce } from '../test/support/tiny-generator.ts';
import { tinyGpt } from '../test/support/tiny-gpt.ts';

const CONTEXT = 1536;
const NEW_TOKENS = 256;
/** Devices of so many times the memory that the server had: too small for it, and as large as is asked for. */
const DEVICES = [0.7, 0.8, 1.5] as const;
const stopped = new Map<number, boolean[]>();
/** The tiny GPT's tokenizer makes a few tokens a word; a prompt that leaves room for the answer, and no more. */
const WORDS = 'the order is late and the money was sent ';

interface Served {
  readonly folder: string;
  readonly workers: number;
  readonly prompt: string;
}

/** The most, and what it had as soon as all workers had loaded: beyond the workers and the graph's file, what stands around them. */
interface Had {
  readonly loadedMb: number;
  readonly peakMb: number;
}

/** In the process that serves: all at once, as many rounds as it takes for what is thrown away to be let go of. */
async function serve({ folder, workers, prompt }: Served): Promise<Had> {
  const pool = await GeneratorPool.start(
    {
      take: async () => ({
        where: folder,
        'generator.json': await readFile(join(folder, 'generator.json')),
        'tokenizer.json': await readFile(join(folder, 'tokenizer.json')),
        'model.onnx': await readFile(join(folder, 'model.onnx')),
      }),
    },
    { workers },
  );
  const loadedMb = process.memoryUsage.rss() / 1e6;
  const one = async (seed: number): Promise<void> => {
    const { signal } = new AbortController();
    const pieces = pool.generate(
      { prompt: [{ role: 'user', content: prompt }], options: { maxNewTokens: NEW_TOKENS, temperature: 1, seed } },
      signal,
    );
    while ((await pieces.next()).done !== true);
  };
  await Promise.all(Array.from({ length: workers * MOST_TURNS }, (_, seed) => one(seed)));
  await pool.drain();
  return { loadedMb, peakMb: peakMemoryMb() };
}

async function compareAll(rounds: number): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-generator-memory-'));
  try {
    for (const keyValueHeads of [2, 8]) {
      const model = join(scratch, `llama-${keyValueHeads}`);
      const make = `
import sys, torch, transformers
torch.manual_seed(1)
config = transformers.LlamaConfig(vocab_size=320, hidden_size=512, intermediate_size=1376, num_hidden_layers=8, num_attention_heads=8,
    num_key_value_heads=${keyValueHeads}, max_position_embeddings=${CONTEXT}, bos_token_id=0, eos_token_id=0, pad_token_id=0)
transformers.LlamaForCausalLM(config).save_pretrained(sys.argv[1])`;
      await promisify(execFile)(pythonForTests().executable, ['-c', make, model]);
      for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
        await copyFile(join((await tinyGpt()).model, name), join(model, name));
      }
      const folder = join(await exportedOnce(model, `memory-${keyValueHeads}`), 'generator');
      await compare(folder, keyValueHeads, rounds);
    }
    for (const [times, of] of stopped) {
      console.log(
        `a device of ${times} times what the server had: stopped ${of.filter(Boolean).length} of ${of.length}`,
      );
    }
  } finally {
    await rm(scratch, { recursive: true });
  }
}

function judge(reckonedMb: number, peakMb: number, times: number): void {
  const score = { value: reckonedMb / (peakMb * times), interval: null, rows: 0 };
  const { threshold, severity } = GENERATION_GATE_TABLE.hardwareFit;
  const { verdict } = judgeGate('hardwareFit', GENERATION_GATE_TABLE.hardwareFit, score, { max: threshold, severity });
  stopped.set(times, [...(stopped.get(times) ?? []), verdict === 'fail']);
}

async function compare(folder: string, keyValueHeads: number, rounds: number): Promise<void> {
  const config = await readGeneratorConfig(folder);
  const graphMb = (await stat(join(folder, 'model.onnx'))).size / 1e6;
  const endless = await withoutEnd(folder);
  const prompt = await longestPrompt(folder);
  console.log(`${keyValueHeads} key-value heads, model.onnx of ${graphMb.toFixed(0)} MB`);
  const row = { id: 'longest', prompt: prompt.text };
  const answers: Answer[] = [{ row, text: '', promptTokens: prompt.tokens, tokens: 0, finish: 'length' }];
  const { signal } = new AbortController();
  const memory = await servedMemory({ folder, answers, prompt: UNPROMPTED, maxNewTokens: NEW_TOKENS }, signal);
  for (const workers of [1, 2, 4]) {
    const device = { ramMb: 1e6, cores: workers };
    const { fit } = generatorFit(device, { ...memory, config, filesMb: graphMb, graphMb, maxNewTokens: NEW_TOKENS });
    const peaks: number[] = [];
    const loaded: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const child = fork(fileURLToPath(import.meta.url), { execArgv: process.execArgv });
      child.send({ folder: endless, workers, prompt: prompt.text } satisfies Served);
      const [{ peakMb, loadedMb }] = (await once(child, 'message')) as [Had];
      peaks.push(peakMb);
      loaded.push(loadedMb);
    }
    const reckoned = fit!.parts[0]!.neededMb;
    for (const peak of peaks) for (const times of DEVICES) judge(reckoned, peak, times);
    console.log(
      `  ${workers} workers, ${workers * MOST_TURNS} generations of ${fit!.tokens} tokens (cache ${fit!.cacheMb.toFixed(0)} MB each): ` +
        `had ${peaks.map((mb) => mb.toFixed(0)).join(', ')} MB (${loaded.map((mb) => mb.toFixed(0)).join(', ')} when loaded), reckoned ${reckoned.toFixed(0)} MB ` +
        `(process ${memory.processMb.toFixed(0)}, a worker ${memory.workerMb.toFixed(0)}, ${memory.newTokens} tokens of each answer)`,
    );
  }
}

/** The same generator, whose answers end where the context or the most that may be written does. */
async function withoutEnd(folder: string): Promise<string> {
  const endless = `${folder}-endless`;
  await cp(folder, endless, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, 'generator.json'), 'utf8')) as object;
  await writeFile(join(endless, 'generator.json'), JSON.stringify({ ...config, endTokens: [] }));
  return endless;
}

/** As many tokens as leave room for the answer. */
async function longestPrompt(folder: string): Promise<{ readonly text: string; readonly tokens: number }> {
  const generator = await Generator.load(folder, { threads: 1 });
  try {
    for (let words = Math.floor(CONTEXT / 8); ; words--) {
      const text = WORDS.repeat(words);
      const asked = [{ role: 'user', content: text } as const];
      const done = await generator.complete(asked, { maxNewTokens: 1 }).catch(() => undefined);
      if (done !== undefined && done.promptTokens + NEW_TOKENS <= CONTEXT) return { text, tokens: done.promptTokens };
    }
  } finally {
    await generator.release();
  }
}

if (process.send !== undefined) {
  process.once('message', (served: Served) => {
    void serve(served).then((had) => process.send?.(had, () => process.disconnect()));
  });
} else await compareAll(Number(process.argv[2] ?? 3));
