/** A gallery that is asked for what is near: ids, labels and vectors in memory, searched exactly or by a graph. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Digest } from '../../artifacts/reference.ts';
import { NeighbourGraph, type GraphSettings } from './graph.ts';
import {
  encodeIndex,
  encodeIndexHeader,
  parseIndex,
  parseIndexHeader,
  readIndexFiles,
  requireRoom,
  requireUnitLength,
  writeIndexFiles,
  type IndexFiles,
  type IndexHeader,
  type ParsedIndex,
} from './index-files.ts';
import { nearestRows, similarityOf, toUnitLength, type Neighbour } from './nearest.ts';

interface AboutGallery {
  /** Of the `model.onnx` that made the embeddings. */
  readonly model: Digest;
  readonly dimension: number;
  readonly labels: readonly string[];
}

/** Some of its rows, or all. */
export interface GalleryBlock {
  readonly ids: readonly string[];
  /** Index into the labels, by row. */
  readonly classes: ArrayLike<number>;
  /** Row-major [rows, dimension], of any length. */
  readonly embeddings: Float32Array;
}

export interface Gallery extends AboutGallery, GalleryBlock {}

export interface Match {
  readonly id: string;
  readonly label: string;
  /** Cosine, −1 … 1. */
  readonly similarity: number;
}

export interface SearchOptions {
  readonly k: number;
  /** An id that is no answer: of the picture that is asked about. */
  readonly except?: string;
  readonly signal?: AbortSignal;
}

export class EmbeddingIndex {
  readonly header: IndexHeader;
  readonly #vectors: Float32Array;
  readonly #graph: NeighbourGraph | null;
  readonly #rowOf: ReadonlyMap<string, number>;

  private constructor(header: IndexHeader, vectors: Float32Array, graph: NeighbourGraph | null) {
    this.header = header;
    this.#vectors = vectors;
    this.#graph = graph;
    this.#rowOf = new Map(header.ids.map((id, row) => [id, row]));
  }

  /**
   * In the order of ids, whatever the gallery's: the same entries are the same index. Throws BadData for an id that stands twice,
   * BadModel for an embedding that is not finite.
   */
  static async of(gallery: Gallery, graph: GraphSettings | null, signal?: AbortSignal): Promise<EmbeddingIndex> {
    const exact = await EmbeddingIndex.gather({ ...gallery, rows: gallery.ids.length }, [gallery]);
    return graph === null ? exact : exact.withGraph(graph, signal);
  }

  /**
   * The same of `rows` rows that come some at a time: in memory are their vectors, once, and a block. What it makes is, to the bit,
   * what is loaded of its files later. Throws as `of`, and RangeError where there are other than `rows`.
   */
  static async gather(
    { model, dimension, labels, rows }: AboutGallery & { readonly rows: number },
    blocks: Iterable<GalleryBlock> | AsyncIterable<GalleryBlock>,
  ): Promise<EmbeddingIndex> {
    requireRoom(rows, dimension, 'gallery');
    const vectors = new Float32Array(rows * dimension);
    const [ids, classes]: [string[], number[]] = [[], []];
    for await (const block of blocks) {
      const wrong = block.embeddings.findIndex((value) => !Number.isFinite(value));
      if (wrong !== -1) throw notFinite(`of the gallery's picture ${block.ids[Math.floor(wrong / dimension)]}`);
      vectors.set(toUnitLength(block.embeddings, dimension), ids.length * dimension);
      for (const [row, id] of block.ids.entries()) {
        ids.push(id);
        classes.push(block.classes[row]!);
      }
    }
    if (ids.length !== rows) throw new RangeError(`a gallery of ${rows} rows gave ${ids.length}`);
    const order = Uint32Array.from(ids.keys()).sort((one, other) => compareIds(ids[one]!, ids[other]!));
    const twice = order.findIndex((row, place) => place > 0 && ids[order[place - 1]!] === ids[row]);
    if (twice !== -1) {
      throw new EspalierError('BadData', `the gallery has the picture ${ids[order[twice]!]} twice`, {
        where: 'gallery',
        fix: 'prepare the data again: the same picture is kept once',
      });
    }
    reorderRows(vectors, order, dimension);
    requireUnitLength(vectors, dimension, 'gallery');
    const header: IndexHeader = {
      kind: 'embedding-index',
      version: 1,
      metric: 'cosine',
      model,
      dimension,
      graph: null,
      labels: [...labels],
      ids: Array.from(order, (row) => ids[row]!),
      classes: Array.from(order, (row) => classes[row]!),
    };
    return new EmbeddingIndex(parseIndexHeader(encodeIndexHeader(header), 'gallery'), vectors, null);
  }

  /** The same entries, searched by a graph that has a copy of the vectors; this index has the same ones. */
  async withGraph(graph: GraphSettings, signal?: AbortSignal): Promise<EmbeddingIndex> {
    return EmbeddingIndex.ofParsed({ header: { ...this.header, graph }, vectors: this.#vectors }, signal);
  }

  /** Of files in memory. Throws BadModel. */
  static async from(files: IndexFiles, signal?: AbortSignal): Promise<EmbeddingIndex> {
    return EmbeddingIndex.ofParsed(parseIndex(files), signal);
  }

  /** Of what `parseIndex` made: the vectors are neither checked again nor copied, but for a graph, which has its own. */
  static async ofParsed({ header, vectors }: ParsedIndex, signal?: AbortSignal): Promise<EmbeddingIndex> {
    const { graph, dimension } = header;
    return new EmbeddingIndex(
      header,
      vectors,
      graph === null ? null : await NeighbourGraph.build(vectors, dimension, graph, signal),
    );
  }

  /** Of the folder that `files` were written to. Throws BadModel. */
  static async load(folder: string, signal?: AbortSignal): Promise<EmbeddingIndex> {
    return EmbeddingIndex.from(await readIndexFiles(folder), signal);
  }

  files(): Omit<IndexFiles, 'where'> {
    return encodeIndex(this.header, this.#vectors);
  }

  /** Writes them into a folder, some vectors at a time; how many bytes they are. */
  async writeTo(folder: string, signal?: AbortSignal): Promise<number> {
    return writeIndexFiles(folder, this.header, this.#vectors, signal);
  }

  /** The k nearest entries, the nearest first, equally near ones by id. Throws BadModel for an embedding that does not fit. */
  async search(embedding: Float32Array, { k, except, signal }: SearchOptions): Promise<Match[]> {
    const query = this.#queryOf(embedding);
    const row = except === undefined ? undefined : this.#rowOf.get(except);
    const asked = { k, ...(row === undefined ? {} : { except: row }) };
    const { dimension, ids } = this.header;
    const whole = Math.min(k, row === undefined ? ids.length : ids.length - 1);
    const near = this.#graph?.search(query, asked) ?? [];
    // A graph may lead to fewer than are there: who asks for k of them is given k.
    const found =
      near.length === whole
        ? near
        : await nearestRows(this.#vectors, query, {
            ...asked,
            dimension,
            ...(signal === undefined ? {} : { signal }),
          });
    return found.map((neighbour) => this.#match(neighbour));
  }

  /** The similarity of every entry, in the order of `header.ids`. */
  similarities(embedding: Float32Array): Float64Array {
    const query = this.#queryOf(embedding);
    return Float64Array.from(this.header.ids, (_, row) => similarityOf(this.#vectors, row, query));
  }

  #queryOf(embedding: Float32Array): Float32Array {
    const { dimension } = this.header;
    if (embedding.length !== dimension) {
      throw new EspalierError(
        'BadModel',
        `the index has vectors of ${dimension}, the query one of ${embedding.length}`,
        {
          where: 'index.json',
          fix: 'ask with the model that the index was built with',
        },
      );
    }
    if (!embedding.every(Number.isFinite)) throw notFinite('of the query');
    return toUnitLength(embedding, dimension);
  }

  #match({ row, similarity }: Neighbour): Match {
    const { ids, labels, classes } = this.header;
    return { id: ids[row]!, label: labels[classes[row]!]!, similarity };
  }
}

function compareIds(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** In place: the row `order[n]` becomes the n-th. Round by round, so that one row is held beside them. */
function reorderRows(vectors: Float32Array, order: Uint32Array, dimension: number): void {
  const done = new Uint8Array(order.length);
  for (const start of order.keys()) {
    if (done[start] === 1) continue;
    const held = vectors.slice(start * dimension, (start + 1) * dimension);
    let place = start;
    for (let from = order[place]!; from !== start; from = order[place]!) {
      vectors.copyWithin(place * dimension, from * dimension, (from + 1) * dimension);
      done[place] = 1;
      place = from;
    }
    vectors.set(held, place * dimension);
    done[place] = 1;
  }
}

function notFinite(whose: string): EspalierError {
  return new EspalierError('BadModel', `the embedding ${whose} is not finite`, {
    where: 'model.onnx',
    fix: 'the weights hold NaN or infinite numbers, or overflow in this precision: use another candidate',
  });
}
