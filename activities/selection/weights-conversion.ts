/**
 * Runs `python -m espalier_convert` on one file of another library's weights: a child without network or credentials. It
 * opens a torch file only after modelaudit-picklescan called it clean, and then with PyTorch's reader restricted to
 * weights; TensorFlow's (tf_model.h5) only while every part of it is what Keras writes, and lies in the file itself.
 */
import { spawn } from 'node:child_process';
import { access, constants, mkdir, rename, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { digestFile } from '../../artifacts/digest.ts';
import { ERROR_KINDS, EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import type { ConvertedWeights } from '../contract/selection.ts';
import type { ActivityServices } from '../step.ts';
import { isolatedEnvironment, networkNamespace } from '../training/launchers/local.ts';
import { WEIGHTS } from './allow-list.ts';
import type { ForeignWeights } from './foreign-weights.ts';

export interface ConversionOptions {
  readonly python: ActivityServices['python'];
  /** Folders of the child's are made in it. */
  readonly workDir: string;
  readonly signal: AbortSignal;
}

type Made = NonNullable<Extract<z.infer<typeof AnswerSchema>, { result: unknown }>['result']>;

/** What the child says: it read a stranger's file, so its words are checked like one. */
const AnswerSchema = z.union([
  z.object({
    result: z.union([
      z.object({
        scanner: z.object({ name: z.string(), version: z.string(), verdict: z.literal('clean') }),
        torch: z.string(),
      }),
      z.object({ h5py: z.string(), leftOut: z.array(z.string().max(400)).max(8_000) }),
    ]),
  }),
  z.object({
    error: z.object({ kind: z.string(), message: z.string().max(10_000), fix: z.string().nullable() }),
  }),
]);

/**
 * Writes the tensors of the file, which lies in a folder of its own, into the model's `folder` as model.safetensors. The
 * scanner of torch files is looked for in the folder that ESPALIER_PICKLESCAN names, else in the trainer's Python;
 * TensorFlow's weights are those that the folder's config.json asks for. Throws UnsafeModel when file or scanner give any
 * reason, BadModel when there is more than tensors in it or not what the config says, MissingTool without the scanner.
 */
export async function convertWeights(
  { of, path: source }: ForeignWeights,
  model: string,
  { python, workDir, signal }: ConversionOptions,
): Promise<ConvertedWeights> {
  const sha256 = (await digestFile(source, signal)).replace(/^sha256:/, '');
  const bytes = (await stat(source)).size;
  const folder = join(workDir, 'converted');
  await mkdir(join(folder, 'home'), { recursive: true });
  const written = join(folder, WEIGHTS);
  const more = of === 'torch' ? { scanner: scannerFolder() } : { config: join(model, 'config.json') };
  const request = JSON.stringify({ of, source, target: written, ...more });
  const made = await runChild(request, { python, workDir: folder, signal });
  await rename(written, join(model, WEIGHTS));
  return { from: { path: basename(source), sha256, bytes }, ...made };
}

function scannerFolder(): string | null {
  const folder = process.env['ESPALIER_PICKLESCAN'] || null;
  return folder === null ? null : resolve(folder);
}

async function runChild(request: string, { python, workDir, signal }: ConversionOptions): Promise<Made> {
  await access(python.executable, constants.X_OK).catch((error: unknown) => {
    throw new EspalierError('MissingTool', `there is no Python at ${python.executable}`, {
      fix: 'run `npm start` or `node infra/setup.mjs`, which makes it',
      cause: error,
    });
  });
  // -P: nothing is imported from the folder it runs in.
  const argv = [...(await networkNamespace()), python.executable, '-P', '-m', 'espalier_convert', request];
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
    return judge(said, `${end}: ${errors.trim().split('\n').at(-1) ?? ''}`);
  } finally {
    signal.removeEventListener('abort', stop);
    child.stdin?.end();
  }
}

/** How a process ends whose memory a file has upset. */
const CRASH = /^SIG(SEGV|BUS|ABRT|FPE|ILL|XCPU)\b/;

function judge(said: string, end: string): Made {
  const answer = AnswerSchema.safeParse(jsonOf(said));
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
    throw new EspalierError('Internal', `the conversion of the weights gave no answer, ${end.slice(0, 500)}`);
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
