/** onnxruntime-node behind the two calls this room needs, with its settings and their reasons. */
import { access } from 'node:fs/promises';
import { InferenceSession, type Tensor } from 'onnxruntime-node';
import { EspalierError } from '../artifacts/errors.ts';

export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly session: InferenceSession;
  release(): Promise<void>;
}

/**
 * Opens an ONNX file and checks that it has the inputs and outputs its config promises. With `bytes` they are loaded and
 * `file` only says where they are from; the runtime copies them. Throws BadModel, OutOfMemory where memory did not suffice.
 */
export async function openSession(
  file: string,
  options: {
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly threads: number;
    readonly bytes?: Uint8Array | undefined;
  },
): Promise<Session> {
  const session = await open(file, options);
  const missing = [
    ...unlike(options.inputs, session.inputNames).map((name) => `input '${name}'`),
    ...options.outputs.filter((name) => !session.outputNames.includes(name)).map((name) => `output '${name}'`),
  ];
  if (missing.length > 0) {
    await session.release();
    throw new EspalierError(
      'BadModel',
      `the graph does not fit its config in ${missing.join(', ')}: it takes ${session.inputNames.join(', ')} and gives ${session.outputNames.join(', ')}`,
      { where: file, fix: 'export the model again with its config' },
    );
  }
  return { inputs: options.inputs, outputs: options.outputs, session, release: () => session.release() };
}

/** What a graph is given, a tensor a name; `what` it is, for messages. */
export interface Feeds {
  readonly rows: number;
  readonly what: string;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Runs one batch; each output as a flat Float32Array by name. Throws BadModel where the graph refuses the batch. */
export async function runSession(
  session: Session,
  batch: Feeds,
  file: string,
): Promise<ReadonlyMap<string, Float32Array>> {
  const feeds = Object.fromEntries(
    session.inputs.flatMap((name) => {
      const tensor = batch.tensors[name];
      return tensor === undefined ? [] : [[name, tensor] as const];
    }),
  );
  try {
    const results = await session.session.run(feeds, [...session.outputs]);
    return new Map(
      Object.entries(results).flatMap(([name, tensor]) =>
        tensor.data instanceof Float32Array ? [[name, tensor.data] as const] : [],
      ),
    );
  } catch (error) {
    throw new EspalierError('BadModel', `the graph fails on ${batch.what}: ${(error as Error).message}`, {
      where: file,
      cause: error,
    });
  }
}

async function open(
  file: string,
  { threads, bytes }: { readonly threads: number; readonly bytes?: Uint8Array | undefined },
): Promise<InferenceSession> {
  try {
    if (bytes === undefined) await access(file);
    const settings: InferenceSession.SessionOptions = {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // Spinning threads on shared cores cost 15–30 ms of CPU a request (measured): they sleep instead.
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
      logSeverityLevel: 3,
    };
    return await (bytes === undefined
      ? InferenceSession.create(file, settings)
      : InferenceSession.create(bytes, settings));
  } catch (error) {
    const { message } = error as Error;
    // Of the machine, not of the model: it may pass.
    const short = /bad.?alloc|failed to allocate memory|out of memory/i.test(message);
    throw new EspalierError(short ? 'OutOfMemory' : 'BadModel', `model.onnx cannot be loaded: ${message}`, {
      where: file,
      fix: short ? 'give the process more memory' : 'export the model again',
      cause: error,
    });
  }
}

function unlike(expected: readonly string[], found: readonly string[]): string[] {
  return [...expected.filter((name) => !found.includes(name)), ...found.filter((name) => !expected.includes(name))];
}
