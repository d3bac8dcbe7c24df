/**
 * A generator that goes in circles: how often the gate `degeneration` catches one, and how often it accuses one whose answers
 * end where they should. A small story teller, sampled; every draw has other prompts, all of them openings of real stories. Planted:
 * the same answers, some of them stuck in their first words.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-generators.ts [draws = 20] [answers a draw = 60]
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Completion } from '../inference/generation/options.ts';
import { degenerationScore } from '../activities/generation/metrics/degeneration.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { Generator } from '../inference/generation/generator.ts';
import { GENERATION_GATE_TABLE } from '../pipelines/generation-gate-table.ts';
import { exportedOnce } from '../test/support/tiny-generator.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 20);
const ANSWERS = Number(process.argv[3] ?? 60);
const NEW_TOKENS = 60;
const gate = GENERATION_GATE_TABLE.degeneration;

const stories = await readFile(join(root, 'datasets/tinystories-sample/tinystories_sample.txt'), 'utf8');
const openings = [...new Set(stories.match(/[A-Z][^.!?\n<>]{20,120}[.!?]/g))];
const folder = join(await exportedOnce(join(root, 'models/karpathy/tinyllamas-stories260K'), 'bench'), 'generator');
const generator = await Generator.load(folder, { threads: 1 });

/** Stuck after its first six words, as likelihood decoding gets. */
function stuck({ text, ...rest }: Completion): Completion {
  const words = text.trim().split(/\s+/).slice(0, 6);
  return { ...rest, text: Array(5).fill(words.join(' ')).join(' ') };
}

const alarms = { clean: 0, 'three in ten stuck': 0, 'all stuck': 0 };
let degenerate = 0;
for (let draw = 0; draw < DRAWS; draw++) {
  const answers: Completion[] = [];
  for (let at = 0; at < ANSWERS; at++) {
    const prompt = openings[(draw * ANSWERS + at) % openings.length]!;
    answers.push(
      await generator.complete(prompt, {
        maxNewTokens: NEW_TOKENS,
        temperature: 0.8,
        topP: 0.95,
        seed: draw * 1000 + at,
      }),
    );
  }
  const kinds = {
    clean: answers,
    'three in ten stuck': answers.map((answer, at) => (at % 10 < 3 ? stuck(answer) : answer)),
    'all stuck': answers.map(stuck),
  };
  for (const kind of ['clean', 'three in ten stuck', 'all stuck'] as const) {
    const { score } = degenerationScore(kinds[kind]);
    if (kind === 'clean') degenerate += Math.round((score.value ?? 0) * ANSWERS);
    const { verdict } = judgeGate('degeneration', gate, score, { max: gate.threshold, severity: gate.severity });
    if (verdict !== 'pass') alarms[kind]++;
  }
}
await generator.release();
console.log(`${openings.length} openings; of ${DRAWS * ANSWERS} sampled answers ${degenerate} go in circles`);
for (const [kind, count] of Object.entries(alarms)) {
  const { low, high } = wilsonInterval(count, DRAWS);
  console.log(
    `${kind}: alarm in ${count} of ${DRAWS} draws (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %)`,
  );
}
