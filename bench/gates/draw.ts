/** A draw: rows of a real data set, a linear head on a frozen encoder, and its answers. */
import { sketch, findNearTwins } from '../../activities/data/near-duplicates.ts';
import type { LabelledEmbeddings } from '../../activities/selection/knn.ts';
import {
  fitLinearProbe,
  linearScores,
  trainLinearProbe,
  type LinearProbe,
} from '../../activities/selection/linear-probe.ts';
import { argmaxRows } from '../../activities/validation/metrics.ts';
import { seededRandom, shuffleStart } from '../../activities/validation/random.ts';
import type { ModelOutput } from '../../inference/graph-model.ts';
import type { TextModel } from '../../inference/text-model.ts';
import type { GatesSpec } from '../../pipelines/definition.ts';

export interface Row {
  readonly text: string;
  readonly label: string;
}
export interface Part {
  readonly texts: readonly string[];
  readonly classes: Int32Array;
  readonly embeddings: Float32Array;
}
/** Texts to probabilities, whatever stands behind it. */
export type Head = (texts: readonly string[], embeddings: Float32Array) => Float32Array;
export interface Draw {
  readonly classes: number;
  readonly seed: number;
  /** The penalty that cross-validation chose. */
  readonly l2: number;
  readonly train: Part;
  readonly validation: Part;
  readonly test: Part;
  readonly model: Pick<TextModel, 'runAll'>;
  readonly head: Head;
  /** The model in production, where it is compared with one. */
  readonly production?: Head;
  /** In place of the defaults. */
  readonly limits?: Partial<GatesSpec>;
}

/** Numbers of texts, or of what stands for them. */
export interface Embeds {
  embed(texts: readonly string[]): Promise<Float32Array>;
  readonly dimension: number;
}

/** Every text once. */
export class Embedder implements Embeds {
  readonly #model: TextModel;
  readonly #known = new Map<string, Float32Array>();
  readonly dimension: number;
  constructor(model: TextModel) {
    this.#model = model;
    this.dimension = model.config.dimension;
  }
  async embed(texts: readonly string[]): Promise<Float32Array> {
    const fresh = [...new Set(texts)].filter((text) => !this.#known.has(text));
    const { embeddings } = await this.#model.runAll(fresh);
    for (const [at, text] of fresh.entries()) {
      this.#known.set(text, embeddings.slice(at * this.dimension, (at + 1) * this.dimension));
    }
    const all = new Float32Array(texts.length * this.dimension);
    for (const [at, text] of texts.entries()) all.set(this.#known.get(text)!, at * this.dimension);
    return all;
  }
  release(): Promise<void> {
    return this.#model.release();
  }
}

const LABELS = 10;
const ROWS = { train: 700, validation: 300, test: 400 };

/** Deterministic in the seed; of fewer rows than are asked for, half train. `penalty`: where it was chosen before. */
export async function cleanDraw(
  embedder: Embeds,
  rows: readonly Row[],
  seed: number,
  sizes: Readonly<typeof ROWS> = ROWS,
  penalty?: number,
): Promise<Draw> {
  const random = seededRandom(seed, 99);
  const names = [...new Set(rows.map(({ label }) => label))].sort();
  shuffleStart(names as unknown as number[], names.length, random);
  const chosen = names.slice(0, LABELS);
  const pool = [...new Map(rows.filter(({ label }) => chosen.includes(label)).map((row) => [row.text, row])).values()];
  const order = pool.map((_, at) => at);
  shuffleStart(order, order.length, random);
  const most = Math.floor(
    order.length / (sizes.train + sizes.validation + sizes.test) >= 1 ? sizes.train : order.length / 2,
  );
  const train = order.slice(0, most);
  const sketched = await sketch(order.slice(most).map((at) => pool[at]!.text));
  const twins = await findNearTwins(sketched, await sketch(train.map((at) => pool[at]!.text)), 0.8);
  const rest = order.slice(most).filter((_, place) => twins[place] === -1);
  const part = (places: readonly number[]): Promise<Part> =>
    partOf(
      embedder,
      places.map((at) => pool[at]!.text),
      Int32Array.from(places, (at) => chosen.indexOf(pool[at]!.label)),
    );
  const draw = {
    classes: chosen.length,
    seed,
    train: await part(train),
    validation: await part(rest.slice(0, sizes.validation)),
    test: await part(rest.slice(sizes.validation, sizes.validation + sizes.test)),
  };
  const l2 =
    penalty ?? (await trainLinearProbe(draw.train, { dimension: embedder.dimension, classes: draw.classes, seed })).l2;
  const head = await linearHead(draw.train, draw.validation, draw.classes, embedder.dimension, l2);
  return withHead(embedder, { ...draw, l2 }, head);
}

export async function partOf(embedder: Embeds, texts: readonly string[], classes: Int32Array): Promise<Part> {
  return { texts, classes, embeddings: await embedder.embed(texts) };
}

export function withHead(embedder: Embeds, draw: Omit<Draw, 'model' | 'head'>, head: Head): Draw {
  const runAll = async (texts: readonly string[]): Promise<ModelOutput> => {
    const embeddings = await embedder.embed(texts);
    return { rows: texts.length, embeddings, probabilities: head(texts, embeddings) };
  };
  return { ...draw, head, model: { runAll } };
}

/** A head with its temperature fitted on validation, as the export step does. */
export async function linearHead(
  train: LabelledEmbeddings,
  validation: LabelledEmbeddings,
  classes: number,
  dimension: number,
  l2: number,
): Promise<Head> {
  const probe = await fitLinearProbe(train, l2, { dimension, classes, limits: { tolerance: 1e-3, maxIterations: 60 } });
  return headOf(probe, temperatureOf(probe, validation, classes));
}

export function headOf(probe: LinearProbe, temperature: number): Head {
  return (_, embeddings) => {
    const classes = probe.bias.length;
    const scores = linearScores(probe, embeddings);
    const chances = new Float32Array(scores.length);
    for (let start = 0; start < scores.length; start += classes) {
      const highest = Math.max(...scores.subarray(start, start + classes));
      let total = 0;
      for (let at = start; at < start + classes; at++) {
        total += chances[at] = Math.exp((scores[at]! - highest) / temperature);
      }
      for (let at = start; at < start + classes; at++) chances[at]! /= total;
    }
    return chances;
  };
}

function temperatureOf(probe: LinearProbe, { embeddings, classes }: LabelledEmbeddings, count: number): number {
  const loss = (temperature: number): number => {
    const chances = headOf(probe, temperature)([], embeddings);
    return classes.reduce((sum, label, row) => sum - Math.log(Math.max(chances[row * count + label]!, 1e-30)), 0);
  };
  const grid = Array.from({ length: 60 }, (_, at) => 0.25 * 1.07 ** at);
  return grid.reduce((best, temperature) => (loss(temperature) < loss(best) ? temperature : best));
}

export function predictedOf(draw: Draw, part: Part): Int32Array {
  return argmaxRows(draw.head(part.texts, part.embeddings), draw.classes);
}
