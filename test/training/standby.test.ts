import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TrainerEvent, TrainerJob, TrainTask } from '../../activities/training/job.ts';
import { networkNamespace } from '../../activities/training/launchers/local.ts';
import { StandbyLauncher, type StandbyOptions } from '../../activities/training/launchers/standby.ts';
import { LOG_NAME, runTrainingProcess } from '../../activities/training/process.ts';
import { pythonForTests } from '../support/python.ts';
import { digests, hasImported, isAlive, runTasks, temporaryFolder, trainTask } from './fixtures.ts';

/** Waits as the trainer does, then says its process id and does what the job's id says. */
const FAKE = `import json, os, sys, threading, time
def write(type, **fields):
    os.write(3, json.dumps({"v": 1, "seq": 0, "t": 0, "type": type, **fields}).encode() + b"\\n")
def beat():
    while True:
        time.sleep(0.2)
        write("alive", phase="standby")
write("starting", pid=os.getpid())
threading.Thread(target=beat, daemon=True).start()
how = sys.argv[1]
if how == "standby":
    print("imported", *sys.argv[2:], flush=True)
    write("standby", pid=os.getpid())
    line = sys.stdin.readline()
    if not line: os._exit(76)
    job = json.load(open(line.strip()))
else:
    job = json.load(open(sys.argv[2]))
print(how, "does", job["id"], flush=True)
if job["id"] == "hang": time.sleep(60)
write("done", results=[{"how": how, "threads": os.environ["OMP_NUM_THREADS"]}])
os._exit(0)
`;

describe('a training process that stands by', function () {
  this.timeout(120_000);
  const launchers: StandbyLauncher[] = [];
  afterEach(() => launchers.splice(0).forEach((launcher) => launcher.end()));

  const fakePython = async () => {
    const packages = await temporaryFolder();
    await mkdir(join(packages, 'espalier_trainer'));
    await writeFile(join(packages, 'espalier_trainer', '__main__.py'), FAKE);
    return { executable: pythonForTests().executable, packages };
  };
  const begun = async (options: Partial<StandbyOptions> = {}) => {
    const python = options.python ?? (await fakePython());
    const folder = await temporaryFolder();
    const launcher = new StandbyLauncher({ python, folder, visibleDevices: '', ...options });
    launchers.push(launcher);
    await launcher.begin();
    return { launcher, python, folder };
  };
  const ready = async (launcher: StandbyLauncher): Promise<number> => {
    while (launcher.pid === undefined) await sleep(20);
    return launcher.pid;
  };
  type Options = Partial<Parameters<typeof runTrainingProcess>[0]>;
  const run = async ({ launcher, python }: Awaited<ReturnType<typeof begun>>, id: string, options: Options = {}) => {
    const events: TrainerEvent[] = [];
    const workDir = await temporaryFolder();
    const outcome = await runTrainingProcess({
      job: { version: 1, id, tasks: [] },
      python,
      workDir,
      launcher,
      visibleDevices: '',
      signal: new AbortController().signal,
      ...options,
      onEvent: (event) => {
        events.push(event);
        options.onEvent?.(event);
      },
    });
    const starting = events[0];
    const log = await readFile(join(options.workDir ?? workDir, LOG_NAME), 'utf8');
    return { outcome, events, log, pid: starting?.type === 'starting' ? starting.pid : undefined };
  };
  const how = ({ outcome }: Awaited<ReturnType<typeof run>>) =>
    outcome.kind === 'done' ? outcome.results[0]?.['how'] : undefined;

  it('ends with the same bytes as one that was started for its job, is stopped and goes on like one', async () => {
    const python = pythonForTests();
    const whole = await trainTask(await temporaryFolder(), { epochs: 2 });
    await runTasks([whole]);
    const standby = await begun({ python, pauseMs: 0 });
    const again: TrainTask = { ...whole, ...(await folders()) };
    const give = (task: TrainTask, options: Options = {}) =>
      run(standby, 'real', { job: { version: 1, id: 'real', tasks: [task] }, ...options });

    const waiting = await ready(standby.launcher);
    const cancel = new AbortController();
    const stopped = await give(again, {
      signal: cancel.signal,
      onEvent: (event) => {
        if (event.type === 'step' && event.step === 5) cancel.abort();
      },
    });
    assert.equal(stopped.pid, waiting);
    assert.ok(stopped.outcome.kind === 'stopped' && stopped.outcome.checkpoint !== null);

    const next = await ready(standby.launcher);
    assert.notEqual(next, waiting);
    if (process.platform === 'linux') assert.ok(await hasImported(next), 'its imports are done before it has a job');
    const done = await give({ ...again, resumeFrom: stopped.outcome.checkpoint });
    assert.deepEqual([done.outcome.kind, done.pid], ['done', next]);
    assert.deepEqual(await digests(join(again.out, 'model')), await digests(join(whole.out, 'model')));
    const waitingWords = done.events.filter(({ type }) => type !== 'alive').map(({ type }) => type);
    assert.deepEqual([waitingWords[0], waitingWords[1], waitingWords.at(-1)], ['starting', 'ready', 'done']);
  });

  it('is used once, and what it said before belongs to the log of its job', async () => {
    const standby = await begun({ pauseMs: 300 });
    const first = await ready(standby.launcher);
    const [one, two] = await Promise.all([run(standby, 'one'), run(standby, 'two')]);
    assert.deepEqual([one.pid, how(one), one.log], [first, 'standby', 'imported bert\nstandby does one\n']);
    assert.deepEqual([how(two), two.log], ['run', 'run does two\n']);
    const second = await ready(standby.launcher);
    assert.notEqual(second, first);
    const three = await run(standby, 'three');
    assert.deepEqual([three.pid, how(three)], [second, 'standby']);
    assert.ok(!isAlive(first) && !isAlive(second));
  });

  it('is passed over when it is dead, silent, or has another environment than its job wants', async () => {
    const standby = await begun();
    const killed = await ready(standby.launcher);
    process.kill(killed, 'SIGKILL');
    while (isAlive(killed)) await sleep(10);
    assert.equal(how(await run(standby, 'after a death')), 'run');

    const silent = await begun();
    const paused = await ready(silent.launcher);
    process.kill(paused, 'SIGSTOP');
    await sleep(3200);
    assert.equal(how(await run(silent, 'after a pause')), 'run');
    silent.launcher.end();
    while (isAlive(paused)) await sleep(10);

    const task = await trainTask(await temporaryFolder(), { threads: 2 });
    const job: TrainerJob = { version: 1, id: 'x', tasks: [task] };
    const other = await begun({ pauseMs: 0 });
    for (const options of [{ job }, { visibleDevices: '7' }]) {
      const before = await ready(other.launcher);
      assert.equal(how(await run(other, 'x', options)), 'run');
      // The next one is made for this sort.
      while (other.launcher.pid === undefined || other.launcher.pid === before) await sleep(20);
      assert.equal(how(await run(other, 'x', options)), 'standby');
    }
    await ready(other.launcher);
    const two = { ...job, tasks: [{ ...task, processes: 2 }] };
    assert.equal(how(await run(other, 'x', { job: two, visibleDevices: '7' })), 'run');
  });

  it('does not outlive a job that could not be given to it', async () => {
    const standby = await begun();
    const pid = await ready(standby.launcher);
    const workDir = join(await temporaryFolder(), 'missing');
    await assert.rejects(run(standby, 'x', { workDir }), { code: 'ENOENT' });
    while (isAlive(pid)) await sleep(10);
  });

  it('is killed like any other when it is paused at its job', async () => {
    const standby = await begun();
    const pid = await ready(standby.launcher);
    const cancel = new AbortController();
    const { outcome } = await run(standby, 'hang', {
      signal: cancel.signal,
      graceSeconds: 0.2,
      onEvent: () => {
        process.kill(pid, 'SIGSTOP');
        cancel.abort();
      },
    });
    assert.deepEqual([outcome.kind, isAlive(pid)], ['stopped', false]);
  });

  it('has no secret of ours and no network', async function () {
    if (process.platform !== 'linux') this.skip();
    process.env['AWS_SECRET_ACCESS_KEY'] ??= 'only-for-this-test';
    const { launcher, folder } = await begun();
    const pid = await ready(launcher);
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    assert.match(environment, new RegExp(`HOME=${folder}/standby-\\w+/home`));
    assert.match(environment, /OMP_NUM_THREADS=1/);
    assert.doesNotMatch(environment, /AWS_|HF_TOKEN|TEMPORAL_|only-for-this-test/i);
    if ((await networkNamespace()).length > 0) {
      assert.notEqual(await readlink(`/proc/${pid}/ns/net`), await readlink('/proc/self/ns/net'));
    }
  });

  it('is gone soon after its worker was killed', async () => {
    const script = fileURLToPath(new URL('./stand-by-and-wait.ts', import.meta.url));
    const parent = spawn(process.execPath, ['--import', 'tsx', script, await temporaryFolder()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let pid = 0;
    for await (const line of createInterface({ input: parent.stdout })) {
      pid = Number(line);
      break;
    }
    assert.ok(isAlive(pid));
    parent.kill('SIGKILL');
    const killedMs = Date.now();
    while (isAlive(pid) && Date.now() - killedMs < 90_000) await sleep(20);
    assert.ok(!isAlive(pid), 'it lives on');
  });

  it('is not begun where memory is short, gives way when it gets short, and leaves nothing behind', async () => {
    let free = 1.5 * 2 ** 30;
    const { launcher, folder } = await begun({ availableMemory: () => free });
    await sleep(1200);
    assert.deepEqual(readdirSync(folder), []);
    free = 3 * 2 ** 30;
    const pid = await ready(launcher);
    free = 1.5 * 2 ** 30;
    await sleep(1200);
    assert.ok(isAlive(pid), 'it stays while there is enough for everybody');
    free = 0.5 * 2 ** 30;
    while (isAlive(pid)) await sleep(20);
    assert.equal(launcher.pid, undefined);
    while (readdirSync(folder).length > 0) await sleep(20);
  });
});

async function folders(): Promise<Pick<TrainTask, 'checkpoints' | 'out'>> {
  const folder = await temporaryFolder();
  return { checkpoints: join(folder, 'checkpoints'), out: join(folder, 'out') };
}
