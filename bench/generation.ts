/**
 * What the generation loop costs: tokens a second and time to the first token of the Node loop (onnxruntime, key-value
 * cache, detokenisation), of `transformers.generate` on the same weights; both greedy, one thread, interleaved rounds,
 * medians, ratios of one run. Also what a JSON schema costs a token.
 *
 *   npx tsx bench/generation.ts [rounds] [new tokens]
 *
 * Models: the story teller of ESPALIER_TEST_DATA (0.26 M parameters) and a random Llama of 25 M.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Generator } from '../inference/generation/generator.ts';
import { JsonConstraint } from '../inference/generation/json/constraint.ts';
import { PromptTokenizer } from '../inference/generation/prompt-tokens.ts';
import { uniform } from '../inference/generation/random.ts';
import { pythonForTests } from '../test/support/python.ts';
import { exportedOnce } from '../test/support/tiny-generator.ts';
import { tinyGpt } from '../test/support/tiny-gpt.ts';
import { median } from './support.ts';

const rounds = Number(process.argv[2] ?? 7);
const newTokens = Number(process.argv[3] ?? 128);
const PROMPT = 'Once upon a time, there was a little girl who went to the park with her mother and saw a big red ball';
const RANDOM_LLAMA = `
import sys, torch, transformers
torch.manual_seed(1)
config = transformers.LlamaConfig(vocab_size=320, hidden_size=512, intermediate_size=1376, num_hidden_layers=8, num_attention_heads=8,
    num_key_value_heads=4, max_position_embeddings=512, bos_token_id=0, eos_token_id=0, pad_token_id=0)
transformers.LlamaForCausalLM(config).save_pretrained(sys.argv[1])
`;

const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-generation-'));
const python = pythonForTests();
try {
  const data = process.env['ESPALIER_TEST_DATA'];
  if (data !== undefined) await compare('stories260K', join(data, 'models/karpathy/tinyllamas-stories260K'));
  const llama = join(scratch, 'llama');
  await promisify(execFile)(python.executable, ['-c', RANDOM_LLAMA, llama]);
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    await copyFile(join((await tinyGpt()).model, name), join(llama, name));
  }
  await compare('random Llama of 25 M', llama);
  maskCost();
} finally {
  await rm(scratch, { recursive: true });
}

async function compare(title: string, model: string): Promise<void> {
  const folder = join(await exportedOnce(model, 'bench'), 'generator');
  const generator = await Generator.load(folder);
  const ids = await new PromptTokenizer(await readFile(join(folder, 'tokenizer.json'), 'utf8'), [], folder).ids(PROMPT);
  const torch = await startTorch(model);
  const samples = {
    nodeFirst: [] as number[],
    node: [] as number[],
    torchFirst: [] as number[],
    torch: [] as number[],
  };
  for (let round = -1; round < rounds; round++) {
    const node = await runNode(generator);
    const other = await torch.run(newTokens, ids);
    if (round < 0) continue;
    samples.nodeFirst.push(node.first);
    samples.node.push((node.all - node.first) / (node.tokens - 1));
    samples.torchFirst.push(other.first);
    samples.torch.push((other.all - other.first) / (newTokens - 1));
  }
  torch.stop();
  await generator.release();
  const [node, theirs] = [median(samples.node), median(samples.torch)];
  const [nodeFirst, theirsFirst] = [median(samples.nodeFirst), median(samples.torchFirst)];
  console.log(`${title}, ${ids.length} tokens of prompt, ${newTokens} written`);
  console.log(
    `  tokens a second     Node ${(1 / node).toFixed(0)}, torch ${(1 / theirs).toFixed(0)}: ${(theirs / node).toFixed(2)}x`,
  );
  console.log(
    `  first token, ms     Node ${(nodeFirst * 1000).toFixed(1)}, torch ${(theirsFirst * 1000).toFixed(1)}: ${(nodeFirst / theirsFirst).toFixed(2)}x`,
  );
}

/** Seconds; a generation that ends early counts the tokens that it wrote. */
async function runNode(generator: Generator): Promise<{ first: number; all: number; tokens: number }> {
  const started = performance.now();
  const first = await generator.complete(PROMPT, { maxNewTokens: 1 }).then(() => (performance.now() - started) / 1000);
  const again = performance.now();
  const { tokens } = await generator.complete(PROMPT, { maxNewTokens: newTokens });
  return { first, all: (performance.now() - again) / 1000, tokens };
}

async function startTorch(model: string) {
  const script = fileURLToPath(new URL('generation_torch.py', import.meta.url));
  const child = spawn(python.executable, [script, model], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  });
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  return {
    async run(count: number, ids: readonly number[]): Promise<{ first: number; all: number }> {
      child.stdin.write(`${count} ${ids.join(' ')}\n`);
      const [line] = (await once(lines, 'line')) as [string];
      return JSON.parse(line) as { first: number; all: number };
    },
    stop: () => child.stdin.end(),
  };
}

/** Milliseconds a token that the mask of a schema costs beside a vocabulary of the size of GPT-2's, of made-up words. */
function maskCost(): void {
  const letters = ' etaoinshrdlucmfwypvbgk"\\{}[]:,.0123456789';
  const words = Array.from({ length: 50_000 }, (_, token) =>
    Array.from(
      { length: 1 + Math.floor(uniform(token, 99) * 8) },
      (_, place) => letters[Math.floor(uniform(token, place) ** 2 * letters.length)],
    ).join(''),
  );
  const bytes = [
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...words.map((word) => Buffer.from(word)),
  ];
  const schema = {
    type: 'object',
    properties: {
      answer: { type: 'string' },
      sources: { type: 'array', items: { type: 'string' } },
      sure: { type: 'boolean' },
    },
    required: ['answer', 'sure'],
  };
  const started = performance.now();
  const constraint = new JsonConstraint(schema, { bytes, special: [] }, 400);
  const setUp = performance.now() - started;
  const each: number[] = [];
  for (let place = 0; place < 400 && !constraint.finished; place++) {
    const logits = Float32Array.from({ length: bytes.length }, (_, token) => uniform(place, token));
    const before = performance.now();
    constraint.mask(logits, new Set());
    each.push(performance.now() - before);
    constraint.take(logits.indexOf(logits.reduce((most, logit) => Math.max(most, logit), -Infinity)));
  }
  console.log(`a JSON schema, ${bytes.length} tokens in the vocabulary`);
  console.log(`  ms a token          ${median(each).toFixed(2)}, once for the vocabulary ${setUp.toFixed(0)}`);
}
