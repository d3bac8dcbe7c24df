/** A gallery that is asked for what is near: ids, labels and vectors in memory, searched exactly or by a graph. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Digest } from '../../artifacts/reference.ts';
import { NeighbourGraph, type GraphSettings } from './graph.ts';
import {
  encodeIndex,
  orderedHeader,
  parseIndex,
  readIndexFiles,
  requireUnitLength,
  type IndexFiles,
  type IndexHeader,
  type ParsedIndex,
} from './index-files.ts';
import { nearestRows, similarityOf, toUnitLength, type Neighbour } from './nearest.ts';

export interface AboutGallery {
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
   * BadModel for an embedding that is not finite, or more than an index holds.
   */
  static async of(gallery: Gallery, graph: GraphSettings | null, signal?: AbortSignal): Promise<EmbeddingIndex> {
    const { ids, dimension, embeddings } = gallery;
    const wrong = embeddings.findIndex((value) => !Number.isFinite(value));
    if (wrong !== -1) throw notFinite(`of the gallery's picture ${ids[Math.floor(wrong / dimension)]}`);
    const { header, order } = orderedHeader(gallery, ids, gallery.classes);
    const unordered = toUnitLength(embeddings, dimension);
    const vectors = new Float32Array(unordered.length);
    for (const [place, row] of order.entries()) {
      vectors.set(unordered.subarray(row * dimension, (row + 1) * dimension), place * dimension);
    }
    requireUnitLength(vectors, dimension, 'gallery');
    return EmbeddingIndex.ofParsed({ header: { ...header, graph }, vectors }, signal);
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

function notFinite(whose: string): EspalierError {
  return new EspalierError('BadModel', `the embedding ${whose} is not finite`, {
    where: 'model.onnx',
    fix: 'the weights hold NaN or infinite numbers, or overflow in this precision: use another candidate',
  });
}
