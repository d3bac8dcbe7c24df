/**
 * Too slow, too large and with too much memory: how often the limits of generators (`firstTokenP95Ms`, `tokenMs`, `sizeMb`, `memoryMb`,
 * `hardwareFit`) catch a model beyond them, and accuse one within. Within is a story teller of 260 thousand parameters; beyond is the
 * same graph with more to compute or more to hold (bench/gates/heavier_graph.py). Prompts are openings of real stories, others every
 * draw.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-limits-generators.ts [draws = 20]
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UNPROMPTED } from '../activities/generation/answers.ts';
import { generatorFit } from '../activities/generation/generator-fit.ts';
import { timeGenerator } from '../activities/generation/profile-generator.ts';
import { servedMemory } from '../activities/generation/served-memory.ts';
import { timeScore } from '../activities/selection/busy-machine.ts';
import { sizeMb } from '../activities/validation/model-folder.ts';
import { sampleIndices, seededRandom } from '../activities/validation/random.ts';
import { plainScore } from '../activities/validation/scores.ts';
import { readGeneratorConfig } from '../inference/generation/config.ts';
import { GENERATION_GATE_TABLE } from '../pipelines/gates/generation.ts';
import { exportedOnce } from '../test/support/tiny-generator.ts';
import { heavier } from './gates/heavier.ts';
import { limitRates, measureInTurn, SLOW_FROM, type HeldGate, type Scores } from './gates/limits.ts';
import { testData } from './gates/photographs.ts';
import { holdToGoals } from './gates/rates.ts';

const DRAWS = Number(process.argv[2] ?? 20);
const PROMPTS = 30;
/** Few, so that a busy machine writes answers enough to tell what one takes at least. */
const NEW_TOKENS = 8;
/** Products of matrices a step: with them a token took 15 ms, and 0.6 without. */
const SLOW = { products: 120 };
const PADDED = { megabytes: 64 };
/** A server has a worker a core. */
const DEVICE = { ramMb: 1e6, cores: 4 };
const { signal } = new AbortController();

const TELLER = 'stories260K';
const SLOWER = 'with slow nodes';
const LARGER = 'with a table of 64 MB';
const GENERATORS: readonly HeldGate[] = [
  { gate: 'firstTokenP95Ms', within: [TELLER, LARGER], beyond: [SLOWER], timesWithin: SLOW_FROM },
  { gate: 'tokenMs', within: [TELLER, LARGER], beyond: [SLOWER], timesWithin: SLOW_FROM },
  { gate: 'sizeMb', within: [TELLER, SLOWER], beyond: [LARGER] },
  { gate: 'memoryMb', within: [TELLER, SLOWER], beyond: [LARGER] },
  { gate: 'hardwareFit', within: [TELLER, SLOWER], beyond: [LARGER] },
].map((held) => ({ ...held, row: GENERATION_GATE_TABLE[held.gate as 'sizeMb'] }));

const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-limits-generators-'));
try {
  const stories = await readFile(join(testData(), 'datasets/tinystories-sample/tinystories_sample.txt'), 'utf8');
  const openings = [...new Set(stories.match(/[A-Z][^.!?\n<>]{20,120}[.!?]/g))];
  const teller = join(
    await exportedOnce(join(testData(), 'models/karpathy/tinyllamas-stories260K'), 'bench'),
    'generator',
  );
  const generators = {
    [TELLER]: teller,
    [SLOWER]: await heavier(teller, scratch, 'logits', SLOW),
    [LARGER]: await heavier(teller, scratch, 'logits', PADDED),
  };
  const measured = await measureInTurn(generators, DRAWS, (folder, draw) =>
    scoresOf(
      folder,
      sampleIndices(openings.length, PROMPTS, seededRandom(draw)).map((at) => openings[at]!),
    ),
  );
  holdToGoals(limitRates(measured, GENERATORS, 'generators'));
} finally {
  await rm(scratch, { recursive: true });
}

/** As `generation.evaluate` measures, but for `hardwareFit`, which is the memory that is asked of the device. */
async function scoresOf(folder: string, prompts: readonly string[]): Promise<Scores> {
  const conversations = prompts.map((content) => [{ role: 'user', content } as const]);
  const times = await timeGenerator({ folder, conversations, maxNewTokens: NEW_TOKENS }, signal);
  const { waitedShare, firstTokenMs, msPerToken, answers, leastMs } = times;
  const longest = prompts.reduce((a, b) => (b.length > a.length ? b : a));
  // No token is of less than a character: the longest prompt has no more tokens than these.
  const row = { id: 'longest', prompt: longest };
  const asked = [{ row, text: '', promptTokens: longest.length, tokens: 0, finish: 'length' as const }];
  const memory = await servedMemory({ folder, answers: asked, prompt: UNPROMPTED, maxNewTokens: NEW_TOKENS }, signal);
  const config = await readGeneratorConfig(folder);
  const graphMb = await sizeMb(folder);
  const footprint = { ...memory, config, filesMb: graphMb, graphMb, maxNewTokens: NEW_TOKENS };
  return {
    firstTokenP95Ms: timeScore(firstTokenMs.p95, answers, { waitedShare, leastMs: leastMs?.firstToken }),
    tokenMs: timeScore(msPerToken.p50, answers, { waitedShare, leastMs: leastMs?.token }),
    sizeMb: plainScore(graphMb, 0),
    memoryMb: plainScore(times.memoryMb, answers),
    hardwareFit: plainScore(generatorFit(DEVICE, footprint).fit!.parts[0]!.neededMb, 0),
  };
}
