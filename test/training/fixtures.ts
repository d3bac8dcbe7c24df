/** Small things that every training test needs: a learnable toy data set, a spec, a job, a runner. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrainModelInput } from '../../activities/contract/training.ts';
import { stepIdentity, stepKey } from '../../activities/step.ts';
import { checkpointKey, type CheckpointPointer } from '../../activities/training/checkpoints.ts';
import type { TrainerEvent, TextTask, TrainerJob } from '../../activities/training/job.ts';
import { runTrainingProcess, type RunTrainingProcess } from '../../activities/training/process.ts';
import { trainModel } from '../../activities/training/train-model.ts';
import type { Pointers } from '../../artifacts/pointers.ts';
import type { Digest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { processIdentity } from '../../infra/lock.mjs';
import { TrainingSchema } from '../../pipelines/definition/training.ts';
import type { TrainingSpec } from '../../pipelines/definition.ts';
import { pythonForTests } from '../support/python.ts';
import { testFolder } from '../support/store.ts';
import { tinyModel } from '../support/tiny-model.ts';

export const LABELS = ['refund', 'delivery', 'account'];
const WORDS: Record<string, readonly string[]> = {
  refund: ['refund', 'money', 'charged', 'payment', 'bill'],
  delivery: ['parcel', 'order', 'late', 'delivery', 'package'],
  account: ['login', 'password', 'account', 'code', 'email'],
};
const FILLERS = ['please', 'help', 'my', 'is', 'not', 'when', 'why', 'the', 'again', 'still'];

/** Rows that a linear model could learn: two words of the label among fillers; the same for the same arguments. */
export function toyRows(rows: number, seed: number): { id: string; text: string; label: string }[] {
  let state = seed;
  const next = (below: number) => (state = (state * 48271 + 11) % 2147483647) % below;
  return Array.from({ length: rows }, (_, index) => {
    const label = LABELS[index % LABELS.length] ?? '';
    const own = WORDS[label] ?? [];
    const words = Array.from({ length: 3 + next(8) }, () => FILLERS[next(FILLERS.length)]);
    words.splice(next(words.length), 0, own[next(own.length)], own[next(own.length)]);
    return { id: `${seed}-${index}`, text: words.join(' '), label };
  });
}

export async function toyDataset(folder: string, trainRows = 96): Promise<string> {
  for (const [split, rows, seed] of [
    ['train', trainRows, 1],
    ['validation', 30, 2],
    ['test', 30, 3],
  ] as const) {
    await writeFile(
      join(folder, `${split}.jsonl`),
      toyRows(rows, seed)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    );
  }
  await writeFile(join(folder, 'labels.json'), JSON.stringify(LABELS));
  return folder;
}

export function trainingSpec(overrides: Partial<TrainingSpec> = {}): TrainingSpec {
  const named = {
    epochs: 3,
    batchSize: 8,
    learningRate: 1e-3,
    headLearningRate: 1e-2,
    weightDecay: 0.01,
    warmupFraction: 0.1,
  };
  return { ...TrainingSchema.parse(named), ...named, ...overrides };
}

/** What the training step reads, in the store: a tiny encoder and the toy data. */
export async function trainingInput(store: ArtifactStore, training = trainingSpec()): Promise<TrainModelInput> {
  return {
    weights: await store.putTree(await tinyModel(), 'tiny'),
    dataset: await store.putTree(await toyDataset(await temporaryFolder()), 'toy'),
    labels: LABELS,
    pooling: 'mean',
    maxLength: 32,
    training,
  };
}

export function trainingKey(input: TrainModelInput): Digest {
  return stepKey(trainModel.type, trainModel.version, stepIdentity(trainModel, input), null);
}

/** Where the checkpoints of this training are recorded; of one that must not reuse anything, by its run. */
export function pointerKey(input: TrainModelInput, ownRun?: string): string {
  return checkpointKey(trainingKey(input), ownRun);
}

export async function readPointer(
  pointers: Pointers,
  input: TrainModelInput,
  ownRun?: string,
): Promise<CheckpointPointer> {
  const found = await pointers.read<CheckpointPointer>(pointerKey(input, ownRun));
  assert.ok(found !== undefined, 'there is a checkpoint pointer');
  return found.value;
}

/** Removed when the process ends. */
export const temporaryFolder = (): Promise<string> => mkdtemp(join(testFolder(), 'training-'));

export async function trainTask(
  folder: string,
  spec: Partial<TrainingSpec> = {},
  overrides: Partial<TextTask> = {},
): Promise<TextTask> {
  const data = await toyDataset(await temporaryFolder());
  const { checkpoints: _, processes: __, ...training } = trainingSpec(spec);
  return {
    verb: 'train',
    model: await tinyModel(),
    train: join(data, 'train.jsonl'),
    validation: join(data, 'validation.jsonl'),
    labels: LABELS,
    pooling: 'mean',
    maxLength: 32,
    training,
    device: 'cpu',
    checkpoints: join(folder, 'checkpoints'),
    out: join(folder, 'out'),
    ...overrides,
  };
}

/**
 * A trainer of the test's own that speaks (or breaks) the contract. `write(type, **fields)` writes an event; for train
 * jobs there are `task`, `began` (the step of the checkpoint it goes on from, or 0), `ready()`, `step(n)`,
 * `evaluated(loss)`, `checkpoint(n)`, `fail(code, message, **fields)` and `finish(**fields)`. `wait_for(path)` returns once
 * there is such a file: see `gates`.
 */
export async function fakeTrainer(body: string): Promise<{ executable: string; packages: string }> {
  const packages = await temporaryFolder();
  await mkdir(join(packages, 'espalier_trainer'));
  await writeFile(join(packages, 'espalier_trainer', '__main__.py'), `${FAKE_TRAINER}${body}\n`);
  return { executable: pythonForTests().executable, packages };
}

/**
 * What a fake trainer waits for, in the place of a sleep that would have to be long enough: its `wait_for(path)` goes on
 * once the test has opened the gate of that path.
 */
export async function gates(): Promise<{ at(name: string | number): string; open(name: string | number): void }> {
  const folder = await temporaryFolder();
  const at = (name: string | number): string => join(folder, String(name));
  return { at, open: (name) => writeFileSync(at(name), '') };
}

const FAKE_TRAINER = `import json, os, signal, sys, time
TOTAL = 10
sequence = 0
def write(type, **fields):
    global sequence
    sequence += 1
    os.write(3, json.dumps({"v": 1, "seq": sequence, "t": 0, "type": type, **fields}).encode() + b"\\n")
task = (json.load(open(sys.argv[-1]))["tasks"] or [{}])[0]
began = json.load(open(os.path.join(task["resumeFrom"], "state.json")))["step"] if task.get("resumeFrom") else 0
def ready():
    write("starting", pid=os.getpid())
    write("ready", device="cpu", threads=1, step=began)
def step(n, **fields):
    write("step", step=n, total=TOTAL, epoch=1, loss=1 / n, lr=0.5, gradNorm=1, samplesPerSecond=8, **fields)
def evaluated(loss):
    write("eval", split="validation", epoch=1, step=0, loss=loss)
def checkpoint(n):
    folder = os.path.join(task["checkpoints"], f"step-{n:08d}")
    os.makedirs(folder, exist_ok=True)
    json.dump({"step": n}, open(os.path.join(folder, "state.json"), "w"))
    write("checkpoint", path=folder, step=n, bytes=1, manifestSha256="0")
def wait_for(path):
    while not os.path.exists(path): time.sleep(0.005)
def fail(code, message, **fields):
    write("error", code=code, message=message, **fields)
    os._exit(code)
def finish(**fields):
    os.makedirs(os.path.join(task["out"], "model"))
    open(os.path.join(task["out"], "model", "model.safetensors"), "w").write("weights")
    open(os.path.join(task["out"], "history.json"), "w").write("{}")
    result = {"verb": "train", "model": os.path.join(task["out"], "model"), "history": os.path.join(task["out"], "history.json"),
        "steps": TOTAL, "total": TOTAL, "bestEpoch": 1, "trainLoss": 0.5, "trainAccuracy": 1, "validationLoss": 0.5, "validationAccuracy": 1,
        "environment": {"device": "cpu", "threads": 1, "versions": {}}, **fields}
    write("done", results=[result])
    os._exit(0)
`;

/** Runs tasks in a folder of their own, recording the events. */
export async function runTasks(
  tasks: TrainerJob['tasks'],
  options: Partial<Pick<RunTrainingProcess, 'signal' | 'onEvent' | 'workDir'>> = {},
) {
  const events: TrainerEvent[] = [];
  const outcome = runTrainingProcess({
    job: { version: 1, id: 'test', tasks },
    python: pythonForTests(),
    workDir: options.workDir ?? (await temporaryFolder()),
    signal: options.signal ?? new AbortController().signal,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  return { events, outcome: await outcome };
}

/** SHA-256 by file name of a flat folder. */
export async function digests(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).toSorted();
  const entries = names.map(async (name) => [
    name,
    createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex'),
  ]);
  return Object.fromEntries((await Promise.all(entries)) as [string, string][]);
}

/** Whether the libraries that a training imports are in the memory of this process (Linux: they are found in /proc). */
export async function hasImported(pid: number): Promise<boolean> {
  const mapped = await readFile(`/proc/${pid}/maps`, 'utf8');
  return ['libtorch_cpu', '_safetensors_rust', 'tokenizers'].every((library) => mapped.includes(library));
}

/** One that has ended and that nobody has asked for its exit code yet is dead, too. */
export function isAlive(pid: number): boolean {
  return processIdentity(pid) !== undefined;
}
