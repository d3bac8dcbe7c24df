/**
 * The gate of a finder about harmless edits (`flipRate`): which share of pictures finds another label first under one of them, of frozen
 * SqueezeNet 1.1 as it came; how often it accuses such a model; and how often it catches one that rests on exact pixels, of which the
 * edited forms of four pictures in ten point the other way. CIFAR-10 photographs and clothes of Fashion-MNIST, galleries that
 * share nothing, blocks of 90 that ask.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-finder-flips.ts [blocks = 2] [galleries = 4]
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { galleryInMemory } from '../activities/retrieval/gallery.ts';
import { measureQueryFlips } from '../activities/retrieval/query-behaviour.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { frozenBackbone, photographs } from './gates/photographs.ts';
import { exactly } from './support.ts';

const [BLOCKS, GALLERIES] = [Number(process.argv[2] ?? 2), Number(process.argv[3] ?? 4)];
/** All 180 of the one test split, in halves. */
const BLOCK = 90;
const { signal } = new AbortController();
const limits = RetrievalGatesSchema.parse({});

const encoder = await frozenBackbone('squeezenet1.1');
const { dimension } = encoder.config;
/** What it says of the forms of a picture: each gallery is asked with the same. */
const known = new Map<string, Float32Array>();
async function embed(pixels: readonly Float32Array[]): Promise<Float32Array> {
  const key = createHash('sha256');
  for (const { buffer } of pixels) key.update(new Uint8Array(buffer));
  const name = key.digest('hex');
  const found = known.get(name) ?? (await encoder.runPixels(pixels)).embeddings;
  known.set(name, found);
  return found;
}

const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-flips-'));
for (const [dataset, gallerySize] of [
  ['cifar10-jpeg', 250],
  ['fashion-mnist-sprite', 180],
] as const) {
  const shown = await photographs('train', GALLERIES * gallerySize, dataset);
  const asking = await photographs('test', BLOCKS * BLOCK, dataset);
  const labels = [...new Set(shown.map(({ label }) => label))].toSorted();
  const tally = { clean: 0, planted: 0, draws: 0 };
  const shares: number[] = [];
  const byEdit = new Map<string, number>();
  for (let at = 0; at < GALLERIES; at++) {
    const gallery = shown.slice(at * gallerySize, (at + 1) * gallerySize);
    const index = galleryInMemory({
      labels,
      ids: gallery.map(({ id }) => id),
      classes: Int32Array.from(gallery, ({ label }) => labels.indexOf(label)),
      embeddings: (await encoder.runAll(gallery.map(({ bytes }) => bytes))).embeddings,
    });
    for (let block = 0; block < BLOCKS; block++) {
      const queries = asking.slice(block * BLOCK, (block + 1) * BLOCK);
      const files: string[] = [];
      for (const { id, bytes } of queries) {
        files.push(join(folder, id));
        await writeFile(files.at(-1)!, bytes);
      }
      for (const kind of ['clean', 'planted'] as const) {
        let asked = 0;
        const model = {
          config: encoder.config,
          // A picture with its edits at a time, the picture as it is first.
          async runPixels(pixels: readonly Float32Array[]) {
            const embeddings = (await embed(pixels)).slice();
            if (kind === 'planted' && asked++ % 10 < 4) {
              for (let i = dimension; i < embeddings.length; i++) embeddings[i] = -embeddings[i]!;
            }
            return { rows: pixels.length, embeddings };
          },
        };
        const { score, byEdit: edits } = await measureQueryFlips(model, index, files, { signal });
        const gate = judgeGate('flipRate', RETRIEVAL_GATE_TABLE.flipRate, score, limits.flipRate);
        if (gate.verdict !== 'pass') tally[kind]++;
        if (kind === 'planted') continue;
        tally.draws++;
        shares.push(score.value ?? Number.NaN);
        for (const { name, flipped } of edits) byEdit.set(name, (byEdit.get(name) ?? 0) + flipped);
      }
    }
  }
  const shownShares = shares.toSorted((a, b) => a - b).map((share) => share.toFixed(2));
  console.log(
    `${dataset}: planted caught ${exactly(tally.planted, tally.draws)}; clean accused ${exactly(tally.clean, tally.draws)}; shares of ${BLOCK} that change: ${shownShares.join(' ')}`,
  );
  for (const [name, flipped] of byEdit) {
    console.log(`  ${name}: ${((100 * flipped) / (tally.draws * BLOCK)).toFixed(1)} %`);
  }
}
await rm(folder, { recursive: true });
await encoder.release();
