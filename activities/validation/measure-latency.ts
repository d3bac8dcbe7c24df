/** Latency of one text at a time, measured by the selection's profiling program: in a process of its own, one thread. */
import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Latency } from '../contract.ts';
import type { ProfileAnswer, ProfileTask } from '../selection/profile-encoder.ts';

/**
 * Times the model in `folder` on `texts`, in turn. The process that asks is busy with heartbeats and its own memory; the
 * one that measures is not. Throws what the measuring process threw, and Internal when it ended without an answer.
 */
export async function measureLatency(folder: string, texts: readonly string[], signal: AbortSignal): Promise<Latency> {
  const program = fileURLToPath(new URL(`../selection/profile-child${extname(import.meta.url)}`, import.meta.url));
  const { PATH, HOME, TMPDIR, LD_LIBRARY_PATH } = process.env;
  const child = fork(program, {
    execArgv: process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
    env: { PATH, HOME, TMPDIR, LD_LIBRARY_PATH }, // no credential reaches it
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    signal,
    killSignal: 'SIGKILL',
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-2000)));
  const answer = await new Promise<ProfileAnswer>((resolve, reject) => {
    child.once('message', (message) => resolve(message as ProfileAnswer));
    child.once('error', reject);
    child.once('close', (code, killedBy) => {
      const message = `the measuring process ended (${killedBy ?? code}) without an answer: ${errors.trim().slice(-300)}`;
      reject(new EspalierError('Internal', message, { fix: 'see whether the worker is short of memory' }));
    });
    child.send({ folder, texts } satisfies ProfileTask, (error) => error !== null && reject(error));
  });
  if ('latency' in answer) return answer.latency;
  const { kind, message, where, fix } = answer.error;
  throw new EspalierError(kind, message, {
    ...(where === undefined ? {} : { where }),
    ...(fix === undefined ? {} : { fix }),
  });
}
