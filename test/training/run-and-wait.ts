/** A parent to be killed: runs the job of argument 1 in the folder of argument 2 and prints the events. */
import type { TrainerJob } from '../../activities/training/job.ts';
import { runTrainingProcess } from '../../activities/training/process.ts';
import { pythonForTests } from '../support/python.ts';

const [job, workDir] = process.argv.slice(2);
await runTrainingProcess({
  job: JSON.parse(job ?? '') as TrainerJob,
  python: pythonForTests(),
  workDir: workDir ?? '',
  signal: new AbortController().signal,
  onEvent: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
});
