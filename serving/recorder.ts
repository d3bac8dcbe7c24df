/**
 * Keeps predictions for drift monitoring: buffered, written in batches, never in a request's way. What cannot be kept
 * (the buffer is full, the store stays away) is dropped and counted, so that monitoring can say how much it saw.
 */
import type { GenerationRecord, PredictionRecord } from '../artifacts/bundle.ts';
import { digestBytes } from '../artifacts/digest.ts';
import { codePoints, textsOf, type TextInput } from '../inference/texts.ts';
import type { Digest } from '../artifacts/reference.ts';
import type { Log } from './log.ts';

export type LoggedRecord = PredictionRecord | GenerationRecord;

/** Writes one batch of one bundle's records; rejects when the store did not take them. */
export type WriteBatch = (
  target: { readonly model: string; readonly bundle: Digest },
  records: readonly [LoggedRecord, ...LoggedRecord[]],
) => Promise<unknown>;

export interface RecorderOptions {
  readonly write: WriteBatch;
  readonly log: Log;
  readonly onRecorded: (model: string, rows: number) => void;
  readonly onDropped: (model: string, rows: number) => void;
  /** Rows that make a log object worth writing before its time is up. */
  readonly batchRows?: number;
  /** Longest time that a row waits. */
  readonly flushMs?: number;
  /** Rows in memory, written or waiting; more are dropped. */
  readonly maxRows?: number;
}

interface Buffered {
  readonly model: string;
  readonly bundle: Digest;
  records: LoggedRecord[];
}

export class Recorder {
  readonly #options: Required<RecorderOptions>;
  readonly #buffers = new Map<string, Buffered>();
  readonly #writes = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #rows = 0;

  constructor(options: RecorderOptions) {
    this.#options = { batchRows: 500, flushMs: 5000, maxRows: 20_000, ...options };
    this.#timer = setInterval(() => this.#writeAll(), this.#options.flushMs).unref();
  }

  record(model: string, bundle: Digest, records: readonly LoggedRecord[]): void {
    const room = Math.max(0, this.#options.maxRows - this.#rows);
    const kept = records.slice(0, room);
    if (kept.length < records.length) this.#options.onDropped(model, records.length - kept.length);
    if (kept.length === 0) return;
    const key = `${model} ${bundle}`;
    const buffered = this.#buffers.get(key) ?? { model, bundle, records: [] };
    this.#buffers.set(key, buffered);
    buffered.records.push(...kept);
    this.#rows += kept.length;
    if (buffered.records.length >= this.#options.batchRows) this.#write(key, buffered);
  }

  /** Writes what is buffered and waits for it. */
  async flush(): Promise<void> {
    this.#writeAll();
    await Promise.all(this.#writes);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  #writeAll(): void {
    for (const [key, buffered] of this.#buffers) this.#write(key, buffered);
  }

  #write(key: string, { model, bundle, records }: Buffered): void {
    const [first, ...rest] = records;
    this.#buffers.delete(key);
    if (first === undefined) return;
    const { write, log, onRecorded, onDropped } = this.#options;
    const writing = write({ model, bundle }, [first, ...rest])
      .then(
        () => onRecorded(model, records.length),
        (error: unknown) => {
          onDropped(model, records.length);
          log('error', 'predictions-not-recorded', { model, rows: records.length, reason: String(error) });
        },
      )
      .finally(() => {
        this.#rows -= records.length;
        this.#writes.delete(writing);
      });
    this.#writes.add(writing);
  }
}

/** What is kept of an input: of a text what the release allows, of a picture which one it was, whatever the release allows. */
export type KeptInput = Pick<PredictionRecord, 'textLength' | 'text' | 'pair' | 'picture'>;

export function keptText(input: TextInput, recordText: boolean): KeptInput {
  const [text, pair] = textsOf(input);
  // Code points, as the reference statistics count them.
  const textLength = codePoints(input);
  return { textLength, ...(recordText ? { text, ...(pair === undefined ? {} : { pair }) } : {}) };
}

export function keptPicture(file: Uint8Array): KeptInput {
  return { textLength: 0, picture: digestBytes(file) };
}

/** One request's predictions as records: embedding and output, and what is kept of the inputs. */
export function predictionRecords(
  at: string,
  request: { readonly id: string; readonly kept: readonly KeptInput[] },
  bundle: Digest,
  output: {
    readonly labels: readonly string[];
    readonly embeddings: Float32Array;
    readonly probabilities: Float32Array;
  },
): PredictionRecord[] {
  const rows = request.kept.length;
  const dimension = output.embeddings.length / rows;
  const classes = output.probabilities.length / rows;
  return request.kept.map((input, row) => {
    const embedding = new DataView(new ArrayBuffer(dimension * 4));
    for (let column = 0; column < dimension; column++) {
      embedding.setFloat32(column * 4, output.embeddings[row * dimension + column] ?? 0, true);
    }
    return {
      id: rows === 1 ? request.id : `${request.id}/${row}`,
      at,
      bundle,
      label: output.labels[row] ?? '',
      probabilities: Array.from(output.probabilities.subarray(row * classes, (row + 1) * classes)),
      embedding: Buffer.from(embedding.buffer).toString('base64'),
      ...input,
    };
  });
}
