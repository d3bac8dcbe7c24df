/**
 * What corruptions cost a model of pictures, how often the gate `corruptionDrop` accuses one that is as good as frozen
 * features are, and how often it catches one that rests on exact pixels. CIFAR-10 photographs (32 × 32, JPEG), a linear head on
 * a frozen ONNX backbone. Four blocks of 100 test photographs are to choose a threshold by, others to report (the other test
 * photographs, then training ones that no head learns from); a block is judged with several heads, each learnt from other photographs.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-pictures.ts [squeezenet1.1 | resnet50v2-trunk-stage3] [blocks to report = 4] [heads = 5] [report]
 */
import { judgeGate } from '../activities/validation/gates.ts';
import { measureCorruption } from '../activities/validation/picture-robustness.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { linearHead } from './gates/draw.ts';
import { frozenBackbone, photographs, remembering, type Photograph } from './gates/photographs.ts';
import { holdToGoals, type Rate } from './gates/rates.ts';
import { exactly } from './support.ts';

const backbone = process.argv[2] ?? 'squeezenet1.1';
const BLOCKS = Number(process.argv[3] ?? 4);
const HEADS = Number(process.argv[4] ?? 5);
const HALVES = process.argv[5] === 'report' ? (['to report'] as const) : (['to choose by', 'to report'] as const);
const [BLOCK, CHOSEN_BY, TRAIN, VALIDATION] = [100, 4, 1000, 200] as const;
const limit = GatesSchema.parse({}).corruptionDrop;

const encoder = await frozenBackbone(backbone);
const { dimension } = encoder.config;

const known = await photographs('train', 4000);
const train = known.slice(0, TRAIN + VALIDATION);
const test = [...(await photographs('test', 1000)), ...known.slice(TRAIN + VALIDATION)];
if ((CHOSEN_BY + BLOCKS) * BLOCK > test.length) throw new Error(`there are no ${BLOCKS} blocks to report by`);
const labels = [...new Set(train.map(({ label }) => label))].toSorted();
const classesOf = (photos: readonly Photograph[]) => Int32Array.from(photos, ({ label }) => labels.indexOf(label));

// A block's corruptions are the same for every head.
const embed = remembering(encoder);

const began = performance.now();
const learnt = { embeddings: await embed(train.map(({ bytes }) => bytes)), classes: classesOf(train) };
const rowsOf = (rows: readonly number[]) => ({
  embeddings: Float32Array.from(
    rows.flatMap((row) => [...learnt.embeddings.subarray(row * dimension, (row + 1) * dimension)]),
  ),
  classes: Int32Array.from(rows, (row) => learnt.classes[row]!),
});
const spread = (numbers: readonly number[]): string => {
  const sorted = numbers.toSorted((a, b) => a - b);
  return [0.05, 0.5, 0.95]
    .map((share) => (sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN).toFixed(3))
    .join(' · ');
};
const drops = new Map<string, number[]>();
const rates: Rate[] = [];
for (const half of HALVES) {
  const tally = { clean: 0, planted: 0, draws: 0 };
  const judged = { clean: [] as number[], planted: [] as number[] };
  const [from, to] = half === 'to report' ? [CHOSEN_BY, CHOSEN_BY + BLOCKS] : [0, CHOSEN_BY];
  for (let block = from; block < to; block++) {
    const photos = test.slice(block * BLOCK, (block + 1) * BLOCK);
    const classes = classesOf(photos);
    const pictures = photos.map(({ bytes }, at) => ({
      id: String(at),
      read: () => Promise.resolve(bytes),
      expected: classes[at]!,
    }));
    for (let fit = 0; fit < HEADS; fit++) {
      const order = train.map((_, at) => at);
      shuffleStart(order, order.length, seededRandom(fit, 78));
      const [known600, held] = [rowsOf(order.slice(0, 600)), rowsOf(order.slice(TRAIN))];
      const head = await linearHead(known600, held, labels.length, dimension, 0.01);
      for (const kind of ['clean', 'planted'] as const) {
        let asked = 0;
        const model = {
          config: encoder.config,
          // One picture with its corruptions at a time: the second file is the one with mild noise.
          async runAll(files: readonly Uint8Array[]) {
            const embeddings = await embed(files);
            const probabilities = head([], embeddings);
            if (kind === 'planted' && asked++ % 10 < 8)
              probabilities.subarray(labels.length, 2 * labels.length).reverse();
            return { rows: files.length, embeddings, probabilities };
          },
        };
        const { score, byCorruption } = await measureCorruption(model, pictures, labels.length, { seed: 7 });
        const { verdict, measured } = judgeGate('corruptionDrop', GATE_TABLE.corruptionDrop, score, limit);
        judged[kind].push(measured ?? Number.NaN);
        if (verdict !== 'pass') tally[kind]++;
        if (kind === 'planted') continue;
        tally.draws++;
        for (const { name, severity, drop } of byCorruption) {
          const key = `${name}, ${severity}`;
          drops.set(key, [...(drops.get(key) ?? []), drop.value ?? Number.NaN]);
        }
      }
    }
    console.error(`block ${block} after ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  console.log(
    `${backbone}, ${half}: planted (8 in 10 answers under mild noise turned) caught ${exactly(tally.planted, tally.draws)}; clean accused ${exactly(tally.clean, tally.draws)}; judged number, 5 · 50 · 95 %: clean ${spread(judged.clean)}, planted ${spread(judged.planted)}`,
  );
  if (half === 'to report') {
    rates.push({
      gate: 'corruptionDrop',
      defect: '8 in 10 answers under mild noise turned',
      on: `${backbone}, cifar10-jpeg`,
      caught: tally.planted,
      planted: tally.draws,
      accused: tally.clean,
      clean: tally.draws,
    });
  }
}
holdToGoals(rates);
console.log('accuracy lost by clean models, 5 · 50 · 95 %');
for (const [name, values] of drops) console.log(`| ${name} | ${spread(values)} |`);
await encoder.release();
