/**
 * Products of float64 matrices by onnxruntime's own kernels: some forty times as fast as a loop in JavaScript, which has no
 * vector instructions. One thread, so the same machine gives the same bytes; machines of other kinds may differ in the last bit,
 * as they do in the embeddings that come in here.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Rows of MLAS's double kernels, MLAS_DGEMM_STRIDEK, times the most that it is stretched by for matrices of few columns. */
export const STRIDE = 512;

/** Row-major [rows, columns]. */
export interface Matrix {
  readonly values: Float64Array;
  readonly rows: number;
  readonly columns: number;
}

/** The two products that fitting a linear model is made of. Release it: the sessions are native. */
export class MatrixProducts {
  readonly #outer: InferenceSession;
  readonly #inner: InferenceSession;

  private constructor(outer: InferenceSession, inner: InferenceSession) {
    this.#outer = outer;
    this.#inner = inner;
  }

  static async load(): Promise<MatrixProducts> {
    return new MatrixProducts(await session('transB'), await session('transA'));
  }

  /** left · rightᵀ, of [m, k] and [n, k]: [m, n]. */
  async timesTransposed(left: Matrix, right: Matrix): Promise<Float64Array> {
    return run(this.#outer, left, right);
  }

  /**
   * `onto` (zeros when left out) + leftᵀ · right, of [k, m] and [k, n]: [m, n]. The kernel sums STRIDE rows at a time onto what there
   * is: parts of a multiple of STRIDE rows, each put onto the one before, give the bits of the product of all.
   */
  async transposedTimes(
    left: Matrix,
    right: Matrix,
    onto: Float64Array = new Float64Array(left.columns * right.columns),
  ): Promise<Float64Array> {
    return run(this.#inner, left, right, onto);
  }

  async release(): Promise<void> {
    await Promise.all([this.#outer.release(), this.#inner.release()]);
  }
}

async function run(session: InferenceSession, left: Matrix, right: Matrix, onto?: Float64Array): Promise<Float64Array> {
  const added = onto && { S: tensor({ values: onto, rows: left.columns, columns: right.columns }) };
  const { C: product } = await session.run({ A: tensor(left), B: tensor(right), ...added });
  return product?.data as Float64Array;
}

function tensor({ values, rows, columns }: Matrix): Tensor {
  return new Tensor('float64', values, [rows, columns]);
}

function session(transposed: 'transA' | 'transB'): Promise<InferenceSession> {
  return InferenceSession.create(gemmGraph(transposed), {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
}

/** A model of one Gemm over matrices A and B of any size, onto S where A is transposed, in the protobuf of ONNX (onnx.proto: the field numbers are its). */
function gemmGraph(transposed: 'transA' | 'transB'): Uint8Array {
  const DOUBLE = 11;
  const INT = 2;
  const attribute = [...text(1, transposed), ...varint(3, 1), ...varint(20, INT)];
  const given = transposed === 'transA' ? ['A', 'B', 'S'] : ['A', 'B'];
  const node = [
    ...given.flatMap((name) => text(1, name)),
    ...text(2, 'C'),
    ...text(4, 'Gemm'),
    ...message(5, attribute),
  ];
  const matrix = (name: string): number[] => {
    const shape = ['rows', 'columns'].flatMap((edge) => message(1, text(2, `${name} ${edge}`)));
    return [...text(1, name), ...message(2, message(1, [...varint(1, DOUBLE), ...message(2, shape)]))];
  };
  const inputs = given.flatMap((name) => message(11, matrix(name)));
  const graph = [...message(1, node), ...text(2, 'product'), ...inputs, ...message(12, matrix('C'))];
  const operators = [...text(1, ''), ...varint(2, 13)];
  return Uint8Array.from([...varint(1, 8), ...message(7, graph), ...message(8, operators)]);
}

function varint(field: number, value: number): number[] {
  return [...digits(field << 3), ...digits(value)];
}

function message(field: number, bytes: readonly number[]): number[] {
  return [...digits((field << 3) | 2), ...digits(bytes.length), ...bytes];
}

function text(field: number, value: string): number[] {
  return message(field, [...Buffer.from(value)]);
}

function digits(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...digits(value >>> 7)];
}
