/** Predictions by the Open Inference Protocol: of texts, of pairs of them, or of pictures; and what pictures find. */
import { readFile, stat } from 'node:fs/promises';
import { EspalierError } from '../artifacts/errors.ts';

export interface Answer {
  /** Of a model of several labels those that apply, parted by commas. */
  readonly label: string;
  /** Of the label; of several that of the least probable one, and of none 0. */
  readonly probability: number;
  /** Of a model of several labels: those whose probability reaches their threshold. */
  readonly labels?: readonly string[];
  readonly probabilities: Readonly<Record<string, number>>;
}
export interface Prediction extends Answer {
  readonly text: string;
  readonly pair?: string;
}
export interface PicturePrediction extends Answer {
  readonly file: string;
}
export interface Neighbour {
  readonly id: string;
  readonly label: string;
  /** Cosine, −1 … 1. */
  readonly similarity: number;
}
/** What a picture finds, the nearest first. */
export interface PictureNeighbours {
  readonly file: string;
  readonly neighbours: readonly Neighbour[];
}

/** No server takes more; it says itself when it takes less. */
const MAX_FILE_BYTES = 32 * 2 ** 20;

interface Metadata {
  readonly inputs?: readonly { readonly name: string }[];
  readonly outputs?: readonly { readonly name: string }[];
  readonly parameters?: { readonly labels?: string };
}
interface InferResponse {
  readonly outputs: readonly { readonly name: string; readonly data: readonly (string | number)[] }[];
}

/**
 * `pairs`: for a model of pairs, the second text of each.
 * @throws EspalierError BadConfig where they are not as many, or the model takes pictures; NotFound / NetworkUnavailable
 * with the server's own words
 */
export async function predict(
  serverUrl: string,
  model: string,
  texts: readonly string[],
  pairs?: readonly string[],
): Promise<Prediction[]> {
  if (pairs !== undefined && pairs.length !== texts.length) {
    throw new EspalierError('BadConfig', `${texts.length} texts and ${pairs.length} second texts make no pairs`, {
      where: '--pair',
      fix: 'give one --pair for each text, in their order',
    });
  }
  const labels = await labelsOf(serverUrl, model, 'text');
  const inputs = [tensor('text', texts), ...(pairs === undefined ? [] : [tensor('pair', pairs)])];
  const answers = await infer(serverUrl, model, labels, inputs);
  return texts.map((text, row) => {
    const pair = pairs?.[row];
    return { text, ...(pair === undefined ? {} : { pair }), ...answerAt(answers, row) };
  });
}

/**
 * One picture after the other: which of them is refused is plain.
 * @throws EspalierError BadConfig for what is no file, or the model takes texts, or with the server's reason against a picture;
 * NotFound, NetworkUnavailable
 */
export async function predictPictures(
  serverUrl: string,
  model: string,
  files: readonly string[],
): Promise<PicturePrediction[]> {
  for (const file of files) await requireFile(file);
  const labels = await labelsOf(serverUrl, model, 'image');
  const predictions: PicturePrediction[] = [];
  for (const file of files) {
    const bytes = await readFile(file);
    const inputs = [tensor('image', [bytes.toString('base64')])];
    predictions.push({ file, ...answerAt(await infer(serverUrl, model, labels, inputs, file), 0) });
  }
  return predictions;
}

/** Whether it finds pictures instead of telling labels apart. Throws as `predictPictures`. */
export async function findsPictures(serverUrl: string, model: string): Promise<boolean> {
  const { outputs = [] } = await call<Metadata>(serverUrl, model, '');
  return finds(outputs);
}

function finds(outputs: NonNullable<Metadata['outputs']>): boolean {
  return outputs.some(({ name }) => name === 'similarity');
}

/**
 * What each picture finds in the model's index: `k` of them, or as many as the model gives by itself. One after the other.
 * @throws EspalierError as `predictPictures`
 */
export async function findNeighbours(
  serverUrl: string,
  model: string,
  files: readonly string[],
  k?: number,
): Promise<PictureNeighbours[]> {
  for (const file of files) await requireFile(file);
  const parameters = k === undefined ? {} : { parameters: { k } };
  const found: PictureNeighbours[] = [];
  for (const file of files) {
    const bytes = await readFile(file);
    const body = { ...parameters, inputs: [tensor('image', [bytes.toString('base64')])] };
    const { outputs } = await ask(serverUrl, model, body, file);
    const output = (name: string) => outputs.find((one) => one.name === name)?.data ?? [];
    const [labels, similarities] = [output('label'), output('similarity')];
    const neighbours = output('id').map((id, place) => ({
      id: String(id),
      label: String(labels[place] ?? ''),
      similarity: Number(similarities[place]),
    }));
    found.push({ file, neighbours });
  }
  return found;
}

async function requireFile(file: string): Promise<void> {
  const wrong = (message: string, fix: string): EspalierError =>
    new EspalierError('BadConfig', message, { where: file, fix });
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw wrong(`the picture cannot be read: ${error.code ?? error.message}`, 'give the path of a picture');
  });
  if (found.isDirectory()) throw wrong('this is a folder, not a picture', 'give --file once for each picture in it');
  if (!found.isFile()) throw wrong('this is not a file', 'give the path of a picture');
  if (found.size > MAX_FILE_BYTES) {
    throw wrong(`the file has ${found.size} bytes, more than ${MAX_FILE_BYTES}`, 'give a smaller picture');
  }
}

function tensor(name: string, data: readonly string[]): object {
  return { name, datatype: 'BYTES', shape: [data.length], data };
}

function answerAt(answers: readonly Answer[], row: number): Answer {
  return answers[row] ?? { label: '', probability: 0, probabilities: {} };
}

/** The model's labels, where it takes what it is to be asked. */
async function labelsOf(serverUrl: string, model: string, takes: 'text' | 'image'): Promise<readonly string[]> {
  const { inputs = [], outputs = [], parameters } = await call<Metadata>(serverUrl, model, '');
  const ofPictures = inputs.some(({ name }) => name === 'image');
  if (ofPictures !== (takes === 'image')) {
    throw new EspalierError('BadConfig', `'${model}' takes ${ofPictures ? 'pictures' : 'texts'}`, {
      where: model,
      fix: ofPictures ? 'give each picture with --file' : 'give texts, without --file',
    });
  }
  if (finds(outputs)) {
    throw new EspalierError('BadConfig', `'${model}' finds pictures: it tells no labels apart`, {
      where: model,
      fix: 'ask for neighbours',
    });
  }
  return JSON.parse(parameters?.labels ?? '[]') as readonly string[];
}

/** `where`: what was asked, for messages. */
async function infer(
  serverUrl: string,
  model: string,
  labels: readonly string[],
  inputs: readonly object[],
  where?: string,
): Promise<Answer[]> {
  const { outputs } = await ask(serverUrl, model, { inputs }, where);
  const output = (name: string) => outputs.find((one) => one.name === name)?.data ?? [];
  const all = output('probabilities') as readonly number[];
  const probabilitiesAt = (row: number): Record<string, number> =>
    Object.fromEntries(labels.map((label, column) => [label, all[row * labels.length + column] ?? 0]));
  if (outputs.some(({ name }) => name === 'labels')) {
    return output('labels').map((given, row) => {
      const probabilities = probabilitiesAt(row);
      const own = JSON.parse(String(given)) as readonly string[];
      const probability = own.length === 0 ? 0 : Math.min(...own.map((label) => probabilities[label] ?? 0));
      return { label: own.join(', '), probability, labels: own, probabilities };
    });
  }
  return output('label').map((given, row) => {
    const probabilities = probabilitiesAt(row);
    const label = String(given);
    return { label, probability: probabilities[label] ?? 0, probabilities };
  });
}

function ask(serverUrl: string, model: string, body: object, where?: string): Promise<InferResponse> {
  const headers = { 'content-type': 'application/json' };
  return call(serverUrl, model, '/infer', { method: 'POST', headers, body: JSON.stringify(body) }, where);
}

async function call<T>(
  serverUrl: string,
  model: string,
  path: string,
  init: RequestInit = {},
  where?: string,
): Promise<T> {
  const url = `${serverUrl}/v2/models/${encodeURIComponent(model)}${path}`;
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(30_000) }).catch((error: unknown) => {
    throw new EspalierError('NetworkUnavailable', `no model server at ${serverUrl} (${(error as Error).message})`, {
      fix: 'start one with `npx espalier dev`, or pass --url',
    });
  });
  const body = (await response.json().catch(() => ({}))) as T & { error?: string };
  if (response.ok) return body;
  const kind = response.status === 404 ? 'NotFound' : response.status >= 500 ? 'NetworkUnavailable' : 'BadConfig';
  throw new EspalierError(kind, body.error ?? `HTTP ${response.status}`, { where: where ?? url });
}

/** Waits until the server has loaded the model; a server that has just started needs a few seconds. */
export async function untilServed(serverUrl: string, model: string, timeoutMs = 600_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  const url = `${serverUrl}/v2/models/${encodeURIComponent(model)}/ready`;
  while (
    !(await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (Date.now() > deadline) {
      throw new EspalierError('NetworkUnavailable', `the model server at ${serverUrl} does not serve '${model}'`, {
        where: url,
        fix: 'its log (.espalier/logs/model-server.log) says why',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
