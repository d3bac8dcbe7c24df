/**
 * Texts longer than a model reads, taken as overlapping windows. The trainer does the same (espalier_trainer/windows.py): the
 * two are held to the same ids, window by window. Pure.
 */
import type { ClassifierConfig, EncoderConfig } from './config.ts';
import type { ModelOutput } from './graph-model.ts';

export interface Windows {
  /** The least share of a window's own tokens that the next one has too, 0–0.5. */
  readonly overlap: number;
  /** Of a text. What they do not reach is not read. */
  readonly most: number;
}

/** What the graph is given as one line: ids and type ids, special tokens included. */
export interface Line {
  readonly ids: readonly number[];
  readonly types: readonly number[];
}

/** A text as it was encoded, whole; `parts`: of each token the text that it is of (0, 1), null for special tokens. */
export interface WholeLine extends Line {
  readonly parts: readonly (number | null | undefined)[];
}

/**
 * Where the windows of so many tokens begin and end. All are full, and as far apart as each other, so that the last is no
 * scrap that counts as much as the rest.
 */
export function spans(
  tokens: number,
  room: number,
  { overlap, most }: Windows,
): readonly (readonly [number, number])[] {
  if (tokens <= room) return [[0, tokens]];
  const stride = room - Math.floor(overlap * room);
  const count = Math.min(most, Math.ceil((tokens - room) / stride) + 1);
  const last = Math.min(tokens, mostTokens(room, { overlap, most: count })) - room;
  return Array.from({ length: count }, (_, index) => {
    const start = Math.floor((index * last) / (count - 1));
    return [start, start + room] as const;
  });
}

/** Of its own tokens, how many a text may have so that its windows reach all of them. */
export function mostTokens(room: number, { overlap, most }: Windows): number {
  return room + (most - 1) * (room - Math.floor(overlap * room));
}

/** Of two texts of so many tokens, how many of the first every window has where both do not fit into `room`. */
export function keptOfFirst(first: number, second: number, room: number): number {
  return Math.min(first, Math.max(room - second, Math.floor(room / 2)));
}

/**
 * The windows of a text, each with the special tokens around it. Of two texts the second is taken in windows, and every
 * window has the first, as much of it as half of what fits.
 */
export function cutIntoWindows(whole: WholeLine, maxLength: number, windows: Windows): readonly Line[] {
  if (whole.ids.length <= maxLength) return [whole];
  const [first, second] = [placeOf(whole.parts, 0), placeOf(whole.parts, 1)];
  const room = maxLength - whole.parts.filter((part) => part === null || part === undefined).length;
  const pairs = second.end > second.start;
  const kept = pairs ? keptOfFirst(first.end - first.start, second.end - second.start, room) : 0;
  const read = pairs ? second : first;
  const line = (of: readonly number[], start: number, end: number): number[] => [
    ...of.slice(0, pairs ? first.start + kept : first.start),
    ...(pairs ? of.slice(first.end, second.start) : []),
    ...of.slice(read.start + start, read.start + end),
    ...of.slice(read.end),
  ];
  return spans(read.end - read.start, room - kept, windows).map(([start, end]) => ({
    ids: line(whole.ids, start, end),
    types: line(whole.types, start, end),
  }));
}

function placeOf(parts: WholeLine['parts'], part: number): { readonly start: number; readonly end: number } {
  const start = parts.indexOf(part);
  return start === -1 ? { start: 0, end: 0 } : { start, end: parts.lastIndexOf(part) + 1 };
}

/** What a model says of some texts, from what it says of their windows. */
export class WindowMeans {
  readonly #config: EncoderConfig | ClassifierConfig;
  readonly #all: ModelOutput;
  /** A row may have several labels: each is asked about by itself. */
  readonly #each: boolean;
  readonly #counts: readonly number[];
  readonly #embeddings: Float64Array;
  readonly #logits: Float64Array;

  /** `counts`: how many windows each text has; `empty`: an output of as many rows. */
  constructor(config: EncoderConfig | ClassifierConfig, counts: readonly number[], empty: ModelOutput) {
    this.#config = config;
    this.#each = 'thresholds' in config && config.thresholds !== undefined;
    this.#counts = counts;
    this.#all = empty;
    this.#embeddings = new Float64Array(empty.embeddings.length);
    this.#logits = new Float64Array(empty.probabilities?.length ?? 0);
  }

  /** `owners`: of each line of the output, the text. What is said of a text's only window is taken as it is. */
  add(owners: readonly number[], output: ModelOutput): void {
    const { dimension } = this.#config;
    const labels = output.rows === 0 ? 0 : (output.probabilities?.length ?? 0) / output.rows;
    for (const [line, owner] of owners.entries()) {
      const embedding = output.embeddings.subarray(line * dimension, (line + 1) * dimension);
      if (this.#counts[owner] === 1) {
        this.#all.embeddings.set(embedding, owner * dimension);
        const said = output.probabilities?.subarray(line * labels, (line + 1) * labels);
        if (said !== undefined) this.#all.probabilities?.set(said, owner * labels);
        continue;
      }
      embedding.forEach((value, at) => (this.#embeddings[owner * dimension + at]! += value));
      const logits = output.logits?.subarray(line * labels, (line + 1) * labels);
      logits?.forEach((value, at) => (this.#logits[owner * labels + at]! += value));
    }
  }

  /**
   * The mean embedding, and the probabilities of the mean logits: the head is linear, so they are what it says of that
   * embedding, and what the training taught (Sun et al. 2019, arXiv:1905.05583, section 4.1).
   */
  output(): ModelOutput {
    const { dimension } = this.#config;
    const { probabilities } = this.#all;
    const labels = (probabilities?.length ?? 0) / Math.max(1, this.#counts.length);
    for (const [row, count] of this.#counts.entries()) {
      if (count === 1) continue;
      const mean = (value: number) => value / count;
      this.#all.embeddings.set(
        this.#embeddings.subarray(row * dimension, (row + 1) * dimension).map(mean),
        row * dimension,
      );
      const logits = this.#logits.subarray(row * labels, (row + 1) * labels).map(mean);
      probabilities?.set(this.#each ? logits.map(sigmoid) : softmax(logits), row * labels);
    }
    return this.#all;
  }
}

const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));

function softmax(logits: Float64Array): Float64Array {
  const highest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const powers = logits.map((value) => Math.exp(value - highest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}
