/** An infer request: read, computed, recorded and answered, by what the model gives: labels, or neighbours in its index. */
import type { Buffer } from 'node:buffer';
import { EspalierError } from '../artifacts/errors.ts';
import { labelsAbove } from '../inference/labels-above.ts';
import { readBody } from './body.ts';
import { find, type Answer, type Call } from './call.ts';
import { labelShares, neighbourTensors } from './neighbours.ts';
import {
  formatAnswer,
  labelTensors,
  parseInferRequest,
  requireTexts,
  type AskedRequest,
  type OutputTensor,
  type Predictions,
} from './oip.ts';
import { parseNeighbourRequest, parsePictureRequest } from './picture-request.ts';
import type { PoolOutput } from './pool.ts';
import type { ModelRow } from './pool-messages.ts';
import { ProtocolError } from './protocol-error.ts';
import { keptPicture, keptText, predictionRecords, type KeptInput } from './recorder.ts';
import type { ServedClassifier, ServedModel, ServedRetriever } from './served-model.ts';

/** What a model said to a request. */
interface Inferred {
  readonly asked: AskedRequest;
  readonly tensors: Readonly<Record<string, OutputTensor>>;
  /** For the prediction log, with what it keeps of each row. */
  readonly logged: PoolOutput & Pick<Predictions, 'labels'>;
  readonly kept: () => readonly KeptInput[];
}

export async function infer(call: Call): Promise<Answer> {
  const { services, request, requestId } = call;
  const startedAt = performance.now();
  inferring(find(call).served);
  const body = await readBody(request, services.maxBodyBytes);
  // The version is taken and used in one go: a switch before this line or after it drops nothing.
  const served = inferring(find(call).served);
  const { release } = served;
  const headerLength = request.headers['inference-header-content-length'] as string | undefined;
  const { asked, tensors, logged, kept } =
    served.kind === 'retriever'
      ? await findNeighbours(served, body, headerLength)
      : await classify(served, body, headerLength);
  if (asked.record) {
    const asRecords = { id: requestId, kept: kept() };
    const records = predictionRecords(new Date().toISOString(), asRecords, release.bundle, logged);
    services.recorder.record(release.model, release.bundle, records);
  }
  const { headers, body: bytes } = formatAnswer(asked, release, tensors);
  services.metrics.seconds.observe({ model: call.model }, (performance.now() - startedAt) / 1000);
  return { status: 200, headers, body: bytes };
}

/** Throws ProtocolError 400 for another kind of model. */
function inferring(served: ServedModel): ServedClassifier | ServedRetriever {
  if (served.kind !== 'generator') return served;
  const { model } = served.release;
  throw new ProtocolError(
    400,
    `model '${model}' generates text: use /v2/models/${model}/generate or /v1/chat/completions`,
  );
}

async function classify(served: ServedClassifier, body: Buffer, headerLength: string | undefined): Promise<Inferred> {
  const { rows, kept, ...asked } = readInputs(served, body, headerLength);
  const output = await computed(served.pool.run(rows));
  const predictions = label(served, output);
  return { asked, tensors: labelTensors(predictions), logged: { ...output, labels: predictions.labels }, kept };
}

interface AskedRows extends AskedRequest {
  readonly rows: readonly ModelRow[];
  readonly kept: () => readonly KeptInput[];
}

/** The request's rows as the model takes them: texts, or pictures. Throws ProtocolError 400. */
function readInputs({ config, release }: ServedClassifier, body: Buffer, headerLength: string | undefined): AskedRows {
  if (config.input === 'image') {
    const { pictures, ...asked } = parsePictureRequest(body, headerLength);
    return { ...asked, rows: pictures, kept: () => pictures.map(keptPicture) };
  }
  const { texts, ...asked } = parseInferRequest(body, headerLength, config.thresholds !== undefined);
  requireTexts(texts, 'pairs' in config);
  return { ...asked, rows: texts, kept: () => texts.map((text) => keptText(text, release.recordText)) };
}

/**
 * The most probable label a row; where it may have several, those that reach their threshold. Throws when a probability is not a
 * number: better no answer than a made-up one.
 */
function label({ config }: ServedClassifier, { probabilities }: PoolOutput): Predictions {
  const classes = config.labels.length;
  const thresholds = config.input === 'image' ? undefined : config.thresholds;
  const labels: string[] = [];
  for (let start = 0; start < probabilities.length; start += classes) {
    const row = probabilities.subarray(start, start + classes);
    if (!row.every(Number.isFinite))
      throw new EspalierError('Internal', 'the model gave a probability that is no number');
    labels.push(
      thresholds === undefined
        ? (config.labels[row.indexOf(Math.max(...row))] ?? '')
        : JSON.stringify(labelsAbove(row, thresholds).map((at) => config.labels[at])),
    );
  }
  return { labels, probabilities, classes, several: thresholds !== undefined };
}

async function findNeighbours(
  { pool, neighbours }: ServedRetriever,
  body: Buffer,
  headerLength: string | undefined,
): Promise<Inferred> {
  const { pictures, k = neighbours, ...asked } = parseNeighbourRequest(body, headerLength);
  // The log counts the same number of them whatever a request asks for: else they could not be compared.
  const { embeddings, matches } = await computed(pool.find(pictures, Math.max(k, neighbours)));
  return {
    asked,
    tensors: neighbourTensors(matches, k),
    logged: { embeddings, ...labelShares(matches, neighbours, pool.header.labels) },
    kept: () => pictures.map(keptPicture),
  };
}

/** Throws ProtocolError: 503 overloaded, 400 for a picture that cannot be decoded. */
async function computed<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof EspalierError && error.kind === 'Conflict') {
      throw new ProtocolError(503, `the server is overloaded: ${error.message}`, { 'retry-after': '1' });
    }
    if (error instanceof EspalierError && error.kind === 'BadData') throw new ProtocolError(400, error.message);
    throw error;
  }
}
