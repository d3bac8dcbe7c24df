/** Asks a program for one measurement in a process of its own: its memory and its time are then the model's alone. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EspalierError, type ErrorRecord } from '../../artifacts/errors.ts';

/** Throws what the program answers as its error, and Internal where it ends without an answer. */
export async function askChild<Answer>(program: URL, task: object, signal: AbortSignal): Promise<Answer> {
  const { PATH, HOME, TMPDIR, LD_LIBRARY_PATH } = process.env;
  const child = fork(fileURLToPath(program), {
    // A debugger's port is taken by this process.
    execArgv: process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
    env: { PATH, HOME, TMPDIR, LD_LIBRARY_PATH },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    signal,
    killSignal: 'SIGKILL',
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-2000)));
  const answer = await new Promise<ChildAnswer<Answer>>((resolve, reject) => {
    child.once('message', (message) => resolve(message as ChildAnswer<Answer>));
    child.once('error', reject);
    child.once('close', (code, killedBy) => {
      const how = killedBy === null ? `with ${code}` : `by ${killedBy}`;
      const message = `the measuring process ended ${how} and no answer: ${errors.trim().slice(-300)}`;
      const fix = 'if the worker is short of memory, use a smaller candidate';
      reject(new EspalierError('Internal', message, { fix }));
    });
    child.send(task, (error) => error !== null && reject(error));
  });
  if (!('error' in answer)) return answer.measured;
  const { kind, message, where, fix } = answer.error;
  throw new EspalierError(kind, message, {
    ...(where === undefined ? {} : { where }),
    ...(fix === undefined ? {} : { fix }),
  });
}

export type ChildAnswer<Answer> = { readonly measured: Answer } | { readonly error: ErrorRecord };

/** The program's side: takes one task, sends one answer, and ends. */
export function answerOnce<Task, Answer>(measure: (task: Task) => Promise<Answer>): void {
  process.once('message', (task: Task) => {
    measure(task)
      .then((measured): ChildAnswer<Answer> => ({ measured }))
      .catch((error: unknown): ChildAnswer<Answer> => {
        const known = error instanceof EspalierError ? error : new EspalierError('Internal', String(error));
        return { error: known.toRecord() };
      })
      .then((answer) => process.send?.(answer, () => process.disconnect()))
      .catch(() => process.exit(1));
  });
}
