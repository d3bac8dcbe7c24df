/** Does the model server serve this bundle, and does it answer as the evaluation did? Asked over HTTP, as a client would. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { modelKindOf, type ChannelPointer, type ModelKind, type ReferenceStatistics } from '../../artifacts/bundle.ts';
import { ERROR_KINDS, EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { Deployment } from '../contract/deployment.ts';
import type { ActivityServices } from '../step.ts';
import { ANSWER_MS, askServer, unusable } from './ask-server.ts';
import { compareNeighbours, graphBuildingMs } from './check-neighbours.ts';
import type { DeployContext } from './deploy-model.ts';
import { servingQuestions, type ServingQuestion } from './serving-questions.ts';

const SERVING_TIMEOUT_MS = 60_000;
const POLL_MS = 250;
const ROWS = 16;
/** Of them, so many are the longest: what reads long texts otherwise (cut, or in windows) shows in no short one. */
const LONG_ROWS = 4;
/** Other batches pad otherwise and round otherwise: the last bits may differ, nothing a person would see. */
const TOLERANCE = 1e-3;

/**
 * null where the server follows another channel. Throws NetworkUnavailable (retryable) when it does not come to serve
 * it, ApprovalRefused when it refuses it for good, BadConfig when it refuses what it is asked then, and BadModel when it answers
 * otherwise than was evaluated.
 */
export async function checkServing(
  url: string,
  { model, channel, bundle, revision }: Pick<ChannelPointer, 'model' | 'channel' | 'bundle' | 'revision'>,
  services: ActivityServices,
  { signal, progress, servingTimeoutMs = SERVING_TIMEOUT_MS }: DeployContext,
): Promise<Deployment['serving']> {
  const base = url.replace(/\/+$/, '');
  const deadline = performance.now() + servingTimeoutMs + (await graphBuildingMs(services.store, bundle));
  for (let said = 'nothing'; ; await sleep(POLL_MS, undefined, { signal })) {
    progress({ phase: 'waiting for the model server', note: said });
    const look = await lookAt(base, { model, bundle: bundle.digest, revision }, signal);
    if (look.channel !== undefined && look.channel !== channel) return null;
    if (look.served) break;
    said = look.said;
    if (look.refused || performance.now() > deadline) {
      throw new EspalierError(
        look.refused ? 'ApprovalRefused' : 'NetworkUnavailable',
        `the model server at ${base} does not serve ${bundle.digest}: ${said}`,
        {
          where: `${base}/v2/models/${model}`,
          fix: 'see that the server runs, reads this store and follows this channel',
        },
      );
    }
  }
  progress({ phase: 'comparing with the evaluation' });
  // Asked by version: should a later release be served by now, its answers are not held against this one.
  const version = `${base}/v2/models/${model}/versions/${revision}`;
  const { entries } = await services.store.tree(bundle);
  const kind = modelKindOf(
    model,
    entries.map(({ path }) => path),
  );
  const [compared, path] = COMPARED[kind ?? 'classifier'];
  return { url: base, ...(await compared(`${version}/${path}`, bundle, services, signal)) };
}

type Compare = (
  url: string,
  bundle: ArtifactRef,
  services: Pick<ActivityServices, 'store'>,
  signal: AbortSignal,
) => Promise<{ readonly checkedRows: number; readonly agreement: number }>;

const COMPARED: Readonly<Record<ModelKind, readonly [compare: Compare, path: string]>> = {
  classifier: [compare, 'infer'],
  retriever: [compareNeighbours, 'infer'],
  generator: [compareAnswers, 'generate'],
};

interface Look {
  readonly served: boolean;
  /** For good: what can mend itself, such as a store out of reach, the server tries again by itself. */
  readonly refused: boolean;
  readonly said: string;
  readonly channel?: string | undefined;
}

async function lookAt(
  base: string,
  { model, bundle, revision }: { readonly model: string; readonly bundle: Digest; readonly revision: number },
  signal: AbortSignal,
): Promise<Look> {
  try {
    const { channel } = (await askServer(`${base}/v2`, signal)).body;
    const { status, body } = await askServer(`${base}/v2/models/${model}`, signal);
    const { bundle: served = 'nothing', refused, refused_kind: kind, refused_bundle: refusedBundle } = body.parameters;
    const refusedIt = refusedBundle === bundle;
    const retryable = Object.entries(ERROR_KINDS).some(([name, facts]) => name === kind && facts.retryable);
    return {
      served: served === bundle && body.versions.includes(String(revision)),
      refused: refusedIt && !retryable,
      said: refusedIt ? `it refused it (${refused})` : (body.error ?? `it answers ${status} and serves ${served}`),
      channel,
    };
  } catch (error) {
    signal.throwIfAborted();
    const cause = (error as { cause?: unknown }).cause;
    return { served: false, refused: false, said: `it gives no answer that can be used (${String(cause ?? error)})` };
  }
}

/** Sends test rows, the longest and the first, and compares with what the evaluation wrote down for them. */
async function compare(
  url: string,
  bundle: ArtifactRef,
  { store }: Pick<ActivityServices, 'store'>,
  signal: AbortSignal,
): Promise<{ readonly checkedRows: number; readonly agreement: number }> {
  const { entries } = await store.tree(bundle);
  const read = async (path: string) => {
    const entry = entries.find((file) => file.path === path);
    if (entry === undefined) throw new EspalierError('BadModel', `the bundle lacks ${path}`, { where: bundle.digest });
    return store.getBytes(entry.digest);
  };
  const reference = JSON.parse((await read('reference/reference.json')).toString('utf8')) as ReferenceStatistics;
  const probabilities = await read(`reference/${reference.probabilities}`);
  const { dataset } = JSON.parse((await read('provenance.json')).toString('utf8')) as { dataset: { digest: Digest } };
  const { places } = reference;
  const asking = { most: Math.min(ROWS, reference.rows), places, among: longest(reference.textLengths) };
  const questions = await servingQuestions(store, dataset.digest, asking, signal);
  const asked = questions.flatMap(({ rows }) => rows);
  if (asked.length === 0)
    throw new EspalierError('BadModel', 'the bundle has no test row to compare', { where: bundle.digest });
  const classes = reference.labels.length;
  const wrong: number[] = [];
  for (const question of questions) {
    const { served, decided } = await answersOf(url, question, reference, signal);
    const agrees = (row: number, place: number) =>
      Array.from({ length: classes }, (_, column) => column).every((column) => {
        const expected = probabilities.readFloatLE((row * classes + column) * 4);
        const threshold = reference.thresholds?.[column];
        // So near its threshold a label may come or go by the last bits.
        const open = threshold === undefined || Math.abs(expected - threshold) <= TOLERANCE;
        const label = reference.labels[column]!;
        return (
          Math.abs(Number(served[place * classes + column]) - expected) <= TOLERANCE &&
          (open || decided[place]?.has(label) === expected >= threshold)
        );
      });
    wrong.push(...question.rows.filter((row, place) => !agrees(row, place)));
  }
  if (wrong.length === 0) return { checkedRows: asked.length, agreement: 1 };
  throw new EspalierError(
    'BadModel',
    `the model server answers ${wrong.length} of ${asked.length} test rows otherwise than was evaluated: ` +
      `test rows ${wrong.map((row) => (places?.[row] ?? row) + 1).join(', ')} by more than ${TOLERANCE} in a class's probability${reference.thresholds === undefined ? '' : ', or in a label that applies'}`,
    { where: url, fix: "run the server on the release's own runtime version, or evaluate on the hardware that serves" },
  );
}

/** Rows of the longest texts; none of pictures, which have no length. */
function longest(lengths: readonly number[]): readonly number[] {
  return [...lengths.keys()]
    .filter((row) => lengths[row]! > 0)
    .toSorted((one, other) => lengths[other]! - lengths[one]!)
    .slice(0, LONG_ROWS);
}

interface Answers {
  /** Probabilities, row-major [rows, classes]. */
  readonly served: readonly unknown[];
  /** Of a model of several labels a row: those that it says apply. */
  readonly decided: readonly ReadonlySet<unknown>[];
}

/** What the server says to a question, row by row. Throws NetworkUnavailable where it is no answer, BadConfig where it refuses the question. */
async function answersOf(
  url: string,
  { rows, inputs }: ServingQuestion,
  { labels: classes, thresholds }: Pick<ReferenceStatistics, 'labels' | 'thresholds'>,
  signal: AbortSignal,
): Promise<Answers> {
  const several = thresholds !== undefined;
  const outputs = [{ name: 'probabilities' }, ...(several ? [{ name: 'labels' }] : [])];
  // Our own question is no traffic: it must not count as a prediction in the drift check.
  const body = { parameters: { espalier_record: false }, inputs, outputs };
  const answer = await askServer(url, signal, { method: 'POST', body: JSON.stringify(body) }, ANSWER_MS);
  const [served, labels] = answer.body.outputs.map(({ data }) => data);
  const decided = several ? labels?.map(labelList) : [];
  if (
    answer.status === 200 &&
    served?.length === rows.length * classes.length &&
    decided?.length === (several ? rows.length : 0)
  ) {
    return { served, decided };
  }
  const row = rows.length === 1 ? `test row ${(rows[0] ?? 0) + 1}` : `${rows.length} test rows`;
  const expected = several
    ? 'not one probability a class and one list of labels a text'
    : 'not one probability a class';
  throw unusable(url, row, answer, expected);
}

const LabelsSchema = z.array(z.string());

/** The JSON of a list of labels; what is none names no label. */
function labelList(text: unknown): ReadonlySet<unknown> {
  try {
    return new Set(LabelsSchema.parse(JSON.parse(String(text))));
  } catch {
    return new Set();
  }
}

/** Evaluations of another run's machine may round otherwise: one token more or less is enough for another answer. */
const LEAST_AGREEMENT = 0.75;
const PROMPTS = 4;

/** Asks the first test prompts again and compares with what the evaluation wrote down. */
async function compareAnswers(
  url: string,
  bundle: ArtifactRef,
  { store }: Pick<ActivityServices, 'store'>,
  signal: AbortSignal,
): Promise<{ readonly checkedRows: number; readonly agreement: number }> {
  const { entries } = await store.tree(bundle);
  const provenance = entries.find(({ path }) => path === 'provenance.json');
  if (provenance === undefined)
    throw new EspalierError('BadModel', 'the bundle lacks provenance.json', { where: bundle.digest });
  const { evaluation } = await store.getJson<{ evaluation: { details: Digest } }>(provenance.digest);
  const { questions } = await store.getJson<{ questions: readonly Question[] }>(evaluation.details);
  const asked = questions.slice(0, PROMPTS);
  let same = 0;
  for (const { text, answer, options } of asked) {
    // Our own question is no traffic: it must not count in the drift check.
    const body = { text_input: text, parameters: { ...options, espalier_record: false } };
    const response = await askServer(url, signal, { method: 'POST', body: JSON.stringify(body) }, ANSWER_MS);
    if (response.status !== 200 || response.body.text_output === undefined)
      throw unusable(url, 'a prompt', response, 'no text');
    if (response.body.text_output === answer) same += 1;
  }
  const agreement = asked.length === 0 ? 1 : same / asked.length;
  if (agreement >= LEAST_AGREEMENT) return { checkedRows: asked.length, agreement };
  throw new EspalierError(
    'BadModel',
    `the model server answers ${asked.length - same} of ${asked.length} test prompts otherwise than was evaluated`,
    { where: url, fix: "run the server on the release's own runtime version, or evaluate on the hardware that serves" },
  );
}

/** A test prompt as it was asked in the evaluation, in the words of the generate extension. */
interface Question {
  readonly text: string;
  readonly answer: string;
  readonly options: Readonly<Record<string, unknown>>;
}
