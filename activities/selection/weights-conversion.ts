/**
 * Runs `python -m espalier_convert` on another library's weights: a child without network or credentials. It opens a
 * torch file only after modelaudit-picklescan called it clean (of the form before PyTorch 1.6: after our own reading found
 * a state dict and nothing else), and then with PyTorch's reader restricted to weights;
 * TensorFlow's only while every part is what Keras, or TensorFlow's own Saver, writes, and lies in the files themselves.
 */
import { spawn } from 'node:child_process';
import { access, constants, mkdir, rename, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { digestFile } from '../../artifacts/digest.ts';
import { ERROR_KINDS, EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import type { ConvertedFile, ConvertedWeights } from '../contract/selection.ts';
import type { ActivityServices } from '../step.ts';
import { isolatedEnvironment, networkNamespace } from '../training/launchers/local.ts';
import { WEIGHTS } from './allow-list.ts';
import type { ForeignWeights, WeightsForm } from './foreign-weights.ts';
import { joinSafetensors } from './split-safetensors.ts';

export interface ConversionOptions {
  readonly python: ActivityServices['python'];
  /** Folders of the child's are made in it. */
  readonly workDir: string;
  readonly signal: AbortSignal;
}

/** As long as the child lets a name be (object_graph.py has the longest). */
const MAX_NAME_CHARACTERS = 500;
const LeftOutSchema = z.array(z.string().max(MAX_NAME_CHARACTERS)).max(20_000);

/** What the child says of what it was asked for: it read a stranger's file, so its words are checked like one. */
const RESULTS = {
  torch: z.strictObject({
    of: z.literal('torch'),
    scanner: z.strictObject({ name: z.string(), version: z.string(), verdict: z.literal('clean') }).nullable(),
    torch: z.string(),
  }),
  keras: z.strictObject({ of: z.literal('keras'), h5py: z.string(), leftOut: LeftOutSchema }),
  checkpoint: z.strictObject({ of: z.literal('checkpoint'), leftOut: LeftOutSchema }),
} as const satisfies Record<ForChild, z.ZodType>;
/** What the child reads: parts of safetensors hold no code, and are put together here. */
type ForChild = Exclude<WeightsForm, 'safetensors'>;
type Made = z.infer<(typeof RESULTS)[ForChild]>;

const ErrorSchema = z.strictObject({
  error: z.strictObject({ kind: z.string(), message: z.string().max(10_000), fix: z.string().nullable() }),
});

/**
 * Writes the tensors of the files, which lie in a folder of their own, into the folder `model` as model.safetensors. The
 * scanner of torch files is looked for in the folder that ESPALIER_PICKLESCAN names, else in the trainer's Python;
 * TensorFlow's weights are those that the folder's config.json asks for. Throws UnsafeModel when file or scanner give any
 * reason, BadModel when there is more than tensors in it or not what the config says, MissingTool without the scanner where it is needed.
 */
export async function convertWeights(
  { form, name, parts, folder: aside }: ForeignWeights,
  model: string,
  { python, workDir, signal }: ConversionOptions,
): Promise<ConvertedWeights> {
  const from = await factsOf(aside, name, signal);
  const factsOfParts: ConvertedFile[] = [];
  for (const part of parts) factsOfParts.push(await factsOf(aside, part, signal));
  const facts = { from, ...(parts.length === 0 ? {} : { parts: factsOfParts }) };
  if (form === 'safetensors') {
    await joinSafetensors({ folder: aside, name, parts }, join(model, WEIGHTS), signal);
    return { ...facts, of: form };
  }
  const folder = join(workDir, 'converted');
  await mkdir(join(folder, 'home'), { recursive: true });
  const written = join(folder, WEIGHTS);
  const more = form === 'torch' ? { scanner: scannerFolder() } : { config: join(model, 'config.json') };
  const paths = parts.map((part) => join(aside, part));
  const request: ConversionRequest = { of: form, source: join(aside, name), parts: paths, target: written, ...more };
  const made = await runChild(request, { python, workDir: folder, signal });
  await rename(written, join(model, WEIGHTS));
  return { ...facts, ...made };
}

/** As `python -m espalier_convert` takes it. */
interface ConversionRequest {
  readonly of: ForChild;
  readonly source: string;
  readonly parts: readonly string[];
  readonly target: string;
  readonly scanner?: string | null;
  readonly config?: string;
}

async function factsOf(folder: string, path: string, signal: AbortSignal): Promise<ConvertedFile> {
  const file = join(folder, path);
  const sha256 = (await digestFile(file, signal)).replace(/^sha256:/, '');
  return { path, sha256, bytes: (await stat(file)).size };
}

function scannerFolder(): string | null {
  const folder = process.env['ESPALIER_PICKLESCAN'] || null;
  return folder === null ? null : resolve(folder);
}

async function runChild(request: ConversionRequest, { python, workDir, signal }: ConversionOptions): Promise<Made> {
  await access(python.executable, constants.X_OK).catch((error: unknown) => {
    throw new EspalierError('MissingTool', `there is no Python at ${python.executable}`, {
      fix: 'run `npm start` or `node infra/setup.mjs`, which makes it',
      cause: error,
    });
  });
  // -P: nothing is imported from the folder it runs in.
  const argv = [
    ...(await networkNamespace()),
    python.executable,
    '-P',
    '-m',
    'espalier_convert',
    JSON.stringify(request),
  ];
  signal.throwIfAborted();
  // The open standard input is the leash: its end tells the process that we are gone.
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    cwd: workDir,
    env: isolatedEnvironment(process.env, { python, workDir, threads: 1 }),
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  });
  child.stdin?.on('error', () => undefined); // the leash of a process that is already gone
  const stop = (): boolean => child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => (errors = (errors + part).slice(-4000)));
  const ended = new Promise<string>((resolveEnd, reject) => {
    child.once('error', reject);
    child.once('close', (code, by) => resolveEnd(by ?? `code ${code}`));
  });
  try {
    const [said, end] = await Promise.all([text(child.stdio[3] as Readable), ended]);
    signal.throwIfAborted();
    return judge(request.of, said, `${end}: ${errors.trim().split('\n').at(-1) ?? ''}`);
  } finally {
    signal.removeEventListener('abort', stop);
    child.stdin?.end();
  }
}

/** How a process ends whose memory a file has upset. */
const CRASH = /^SIG(SEGV|BUS|ABRT|FPE|ILL|XCPU)\b/;

function judge(asked: ForChild, said: string, end: string): Made {
  const schema = z.union([z.strictObject({ result: RESULTS[asked] }), ErrorSchema]);
  const answer = schema.safeParse(jsonOf(said));
  if (!answer.success && CRASH.test(end)) {
    throw new EspalierError(
      'UnsafeModel',
      `the file made the process that reads it crash or never end, ${end.slice(0, 500)}`,
      {
        where: 'candidates.convert',
        fix: 'take a model that has model.safetensors',
      },
    );
  }
  if (!answer.success)
    throw new EspalierError(
      'Internal',
      `the conversion of the weights gave no answer to what was asked, ${end.slice(0, 500)}`,
    );
  if ('result' in answer.data) return answer.data.result;
  const { kind, message, fix } = answer.data.error;
  const known: ErrorKind = Object.hasOwn(ERROR_KINDS, kind) ? (kind as ErrorKind) : 'Internal';
  throw new EspalierError(known, message, { where: 'candidates.convert', ...(fix === null ? {} : { fix }) });
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
