/**
 * The gate of a model that finds pictures about worse queries (`corruptionDrop`): how often it accuses one that is as good as frozen
 * features are, and how often it catches one that rests on exact pixels. CIFAR-10 photographs, frozen SqueezeNet 1.1, galleries of 250
 * that share nothing, blocks of 100 that ask. Nothing was chosen by these figures: the threshold is that of classifiers.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-worse-queries.ts [blocks = 5] [galleries = 4]
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureCorruptedQueries } from '../activities/retrieval/corrupted-queries.ts';
import { galleryInMemory } from '../activities/retrieval/gallery.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { frozenBackbone, photographs, remembering } from './gates/photographs.ts';
import { holdToGoals } from './gates/rates.ts';
import { exactly } from './support.ts';

const BLOCKS = Number(process.argv[2] ?? 5);
const GALLERIES = Number(process.argv[3] ?? 4);
const [BLOCK, GALLERY, K] = [100, 250, 10] as const;
const { signal } = new AbortController();
const limits = RetrievalGatesSchema.parse({});

const encoder = await frozenBackbone('squeezenet1.1');
const { dimension } = encoder.config;
// A block's corruptions are the same in every gallery.
const embed = remembering(encoder);

const shown = await photographs('train', GALLERIES * GALLERY);
const asking = await photographs('test', BLOCKS * BLOCK);
const labels = [...new Set(shown.map(({ label }) => label))].toSorted();
const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-queries-'));
const indexes = await Promise.all(
  Array.from({ length: GALLERIES }, async (_, at) => {
    const gallery = shown.slice(at * GALLERY, (at + 1) * GALLERY);
    return galleryInMemory({
      labels,
      ids: gallery.map(({ id }) => id),
      classes: Int32Array.from(gallery, ({ label }) => labels.indexOf(label)),
      embeddings: await embed(gallery.map(({ bytes }) => bytes)),
    });
  }),
);

const tally = { clean: 0, planted: 0, draws: 0 };
const drops = new Map<string, number[]>();
for (let block = 0; block < BLOCKS; block++) {
  const queries = asking.slice(block * BLOCK, (block + 1) * BLOCK);
  const labelOf = new Map(queries.map(({ id, label }) => [id, labels.indexOf(label)]));
  await mkdir(join(folder, `${block}`));
  const files: string[] = [];
  for (const { id, bytes } of queries) {
    files.push(join(folder, `${block}`, id));
    await writeFile(files.at(-1)!, bytes);
  }
  for (const index of indexes) {
    for (const kind of ['clean', 'planted'] as const) {
      let asked = 0;
      const model = {
        config: encoder.config,
        // A picture with its corruptions at a time: the second file is the one with mild noise, which points the other way.
        async runAll(pictures: readonly Uint8Array[]) {
          const embeddings = await embed(pictures);
          if (kind === 'planted' && asked++ % 10 < 8) {
            for (let i = dimension; i < 2 * dimension; i++) embeddings[i] = -embeddings[i]!;
          }
          return { rows: pictures.length, embeddings };
        },
      };
      const options = { k: K, classOf: (id: string) => labelOf.get(id)!, seed: 7, signal };
      const { score, byCorruption } = await measureCorruptedQueries(model, index, files, options);
      const { verdict } = judgeGate(
        'corruptionDrop',
        RETRIEVAL_GATE_TABLE.corruptionDrop,
        score,
        limits.corruptionDrop,
      );
      if (verdict !== 'pass') tally[kind]++;
      if (kind === 'planted') continue;
      tally.draws++;
      for (const { name, severity, drop } of byCorruption) {
        const key = `${name}, ${severity}`;
        drops.set(key, [...(drops.get(key) ?? []), drop.value ?? Number.NaN]);
      }
    }
  }
}

await rm(folder, { recursive: true });
await encoder.release();
console.log(
  `planted (8 in 10 queries under mild noise point the other way) caught ${exactly(tally.planted, tally.draws)}; clean accused ${exactly(tally.clean, tally.draws)}`,
);
holdToGoals([
  {
    gate: 'corruptionDrop',
    defect: '8 in 10 queries under mild noise point the other way',
    on: 'squeezenet1.1, cifar10-jpeg',
    caught: tally.planted,
    planted: tally.draws,
    accused: tally.clean,
    clean: tally.draws,
  },
]);
console.log(`recall@${K} lost by clean models, least · median · most`);
for (const [name, values] of drops) {
  const sorted = values.toSorted((a, b) => a - b);
  const shownValues = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
  console.log(`| ${name} | ${shownValues.map((value) => value.toFixed(3)).join(' · ')} |`);
}
