import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFile, readlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TrainerJob } from '../../activities/training/job.ts';
import { fetchEnvironment } from '../../activities/fetch-process.ts';
import { childEnvironment, localLauncher, networkNamespace } from '../../activities/training/launchers/local.ts';
import { runTrainingProcess, StallWatch } from '../../activities/training/process.ts';
import { pythonForTests } from '../support/python.ts';
import { tinyModel } from '../support/tiny-model.ts';
import { fakeTrainer, isAlive, runTasks, temporaryFolder, trainTask } from './fixtures.ts';

const python = pythonForTests();
const run = promisify(execFile);
const emptyJob: TrainerJob = { version: 1, id: 'test', tasks: [] };

const runOther = async (
  body: string,
  signal = new AbortController().signal,
  onEvent?: (event: { type: string }) => void,
) =>
  runTrainingProcess({
    job: emptyJob,
    python: await fakeTrainer(body),
    workDir: await temporaryFolder(),
    signal,
    ...(onEvent === undefined ? {} : { onEvent }),
  });

describe('the training process', function () {
  this.timeout(180_000); // each start imports for seconds
  it('is heard to its last word by whoever listens late: it may be over before anybody reads', async () => {
    const workDir = await temporaryFolder();
    const body = 'fail(65, "bad rows")';
    const options = { python: await fakeTrainer(body), workDir, log: join(workDir, 'process.log') };
    const { events, ended } = await localLauncher.start(emptyJob, options);
    assert.deepEqual(await ended, { code: 65, signal: null });
    const said: string[] = [];
    for await (const line of createInterface({ input: events })) said.push(line);
    assert.match(said.at(-1) ?? '', /"error".*bad rows/);
  });

  it('lists every mistake of a bad job before it loads anything', async () => {
    const task = await trainTask(await temporaryFolder());
    const bad = {
      ...task,
      model: '/nowhere',
      labels: ['a', 'a'],
      surprise: 1,
      training: {
        ...task.training,
        epochs: 0,
        method: 'magic',
        batchSize: '8',
        lora: { rank: 0, alpha: 16, dropout: 2 },
      },
    };
    await assert.rejects(runTasks([bad as never]), (error: Error) => {
      assert.equal(error.name, 'BadConfig');
      for (const part of [
        'tasks[0].surprise is not a field',
        'tasks[0].model is not a folder: /nowhere',
        'tasks[0].labels must not repeat',
        'training.epochs must be an integer from 1',
        'training.method must be one of "full", "lora", "head"',
        'training.batchSize must be an integer',
        'training.lora.rank must be',
        'training.lora.dropout must be at least 0 and at most 1',
      ]) {
        assert.ok(error.message.includes(part), `${part} is missing in ${error.message}`);
      }
      return true;
    });
  });

  it('never runs the code of a model: auto_map is refused', async () => {
    const model = await temporaryFolder();
    const config = JSON.parse(await readFile(join(await tinyModel(), 'config.json'), 'utf8')) as object;
    await writeFile(join(model, 'config.json'), JSON.stringify({ ...config, auto_map: { AutoModel: 'evil.Model' } }));
    await writeFile(join(model, 'evil.py'), 'raise SystemExit(0)');
    const task = await trainTask(await temporaryFolder(), {}, { model });
    await assert.rejects(runTasks([task]), { name: 'UnsafeModel', retryable: false, message: /auto_map.*never run/ });
  });

  it('sees none of our secrets and has a network of its own without an address', async function () {
    if (process.platform !== 'linux') this.skip();
    process.env['AWS_SECRET_ACCESS_KEY'] ??= 'only-for-this-test';
    process.env['HF_TOKEN'] ??= 'only-for-this-test';
    let environment = '';
    let namespace = '';
    const seen = new AbortController();
    await runOther('write("starting", pid=os.getpid())\ntime.sleep(60)', seen.signal, (event) => {
      const { pid } = event as unknown as { pid: number };
      const read = async (): Promise<void> => {
        environment = await readFile(`/proc/${pid}/environ`, 'utf8');
        namespace = await readlink(`/proc/${pid}/ns/net`);
      };
      void read().finally(() => seen.abort());
    });
    assert.match(environment, /HF_HUB_OFFLINE=1/);
    assert.doesNotMatch(environment, /AWS_|HF_TOKEN|TEMPORAL_|PROXY|only-for-this-test/i);
    if ((await networkNamespace()).length > 0) assert.notEqual(namespace, await readlink('/proc/self/ns/net'));
    assert.match(namespace, /^net:/);
  });

  it('cannot reach a server, not even by name or without a network namespace', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const script = `
import socket, sys, urllib.request
sys.path.insert(0, sys.argv[1])
port = int(sys.argv[2])
attempts = {
  "connect": lambda: socket.create_connection(("127.0.0.1", port), 2),
  "lookup": lambda: socket.getaddrinfo("localhost", port),
  "http": lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2),
  "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)),
  "raw": lambda: socket.socket().connect(("127.0.0.1", port)),
}
for guarded in (False, True):
    if guarded:
        from espalier_trainer.guard import NetworkRefused, forbid_network
        forbid_network()
    for name, attempt in attempts.items():
        try:
            attempt()
            print(guarded, name, "reached")
        except Exception as error:
            print(guarded, name, "refused" if "has no network" in str(error) else repr(error))
`;
    try {
      const { stdout } = await run(python.executable, ['-c', script, python.packages, String(port)]);
      const lines = stdout.trim().split('\n');
      assert.ok(
        lines.includes('False connect reached') && connections > 0,
        'the server can be reached without the guard',
      );
      assert.deepEqual(
        lines.filter((line) => line.startsWith('True')),
        ['connect', 'lookup', 'http', 'udp', 'raw'].map((name) => `True ${name} refused`),
      );
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('is gone soon after its parent was killed', async () => {
    const task = await trainTask(await temporaryFolder(), { epochs: 1000, earlyStoppingPatience: 0 });
    const job: TrainerJob = { version: 1, id: 'orphan', tasks: [task] };
    const script = fileURLToPath(new URL('./run-and-wait.ts', import.meta.url));
    const parent = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(job), await temporaryFolder()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let pid = 0;
    for await (const line of createInterface({ input: parent.stdout })) {
      const event = JSON.parse(line) as { type: string; pid?: number };
      pid = event.pid ?? pid;
      if (event.type === 'step') break;
    }
    assert.ok(isAlive(pid));
    parent.kill('SIGKILL');
    const killedMs = Date.now();
    while (isAlive(pid) && Date.now() - killedMs < 90_000) await sleep(20);
    assert.ok(!isAlive(pid), 'the trainer lives on');
  });

  it('is killed when it does not stop in time', async () => {
    const cancel = new AbortController();
    let beganMs = 0;
    const deaf = 'signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwrite("starting", pid=os.getpid())\ntime.sleep(600)';
    let pid = 0;
    const outcome = await runOther(deaf, cancel.signal, (event) => {
      pid = (event as unknown as { pid: number }).pid;
      beganMs = Date.now();
      cancel.abort();
    });
    assert.deepEqual([outcome.kind, isAlive(pid)], ['stopped', false]);
    const tookMs = Date.now() - beganMs;
    assert.ok(tookMs >= 2900 && tookMs < 100_000, `took ${tookMs} ms`); // it would sleep for 600 s
  });

  it('is killed in the same time when it is paused', async () => {
    const cancel = new AbortController();
    let pid = 0;
    const outcome = await runOther('write("starting", pid=os.getpid())\ntime.sleep(60)', cancel.signal, (event) => {
      pid = (event as unknown as { pid: number }).pid;
      process.kill(pid, 'SIGSTOP');
      cancel.abort();
    });
    assert.deepEqual([outcome.kind, isAlive(pid)], ['stopped', false]);
  });

  it('is not started at all for a cancelled step', async () => {
    const seen: string[] = [];
    const early = runOther('write("done", results=[])', AbortSignal.abort(new Error('too late')), (event) =>
      seen.push(event.type),
    );
    await assert.rejects(early, /too late/);
    assert.deepEqual(seen, []);
  });

  for (const [title, body, name, message] of [
    ['ends well only with a done event', 'write("starting", pid=1)', 'TrainerFailed', /exit code 0 without saying why/],
    [
      'has its log shown when it dies without a word',
      'print("the disk is on fire")\nos._exit(3)',
      'TrainerFailed',
      /exit code 3.*\n.*on fire/s,
    ],
    [
      'has no secret shown of its log',
      'print("with hf_abcdefghijklmnopqrstuv")\nos._exit(3)',
      'TrainerFailed',
      /with \[secret\]$/,
    ],
    [
      'fails when it writes something else than events',
      'os.write(3, b"hello\\n"); time.sleep(60)',
      'TrainerFailed',
      /no event: hello/,
    ],
    [
      'fails for good when its data are bad',
      'write("error", code=65, message="row 3"); os._exit(65)',
      'BadData',
      /row 3/,
    ],
    ['names a memory that ran out', 'fail(71, "2 GB", microBatch=8)', 'OutOfMemory', /2 GB/],
    ['names a disk that is full', 'fail(70, "no space", kind="DiskFull")', 'DiskFull', /no space/],
    ['is not believed a kind that its code cannot mean', 'fail(70, "x", kind="BadData")', 'TrainerFailed', /x/],
    [
      'is not believed when its words and its exit code differ',
      'write("error", code=65, message="no"); os._exit(1)',
      'TrainerFailed',
      /exit code 1/,
    ],
  ] as const) {
    it(title, () => assert.rejects(runOther(body), { name, message }));
  }

  it('may say more than this version knows', async () => {
    const { kind } = await runOther('write("telemetry", watts=3); write("done", results=[]); os._exit(0)');
    assert.equal(kind, 'done');
  });

  it('names what to do when Python is missing', async () => {
    const missing = runTrainingProcess({
      job: emptyJob,
      python: { executable: '/nowhere/python', packages: python.packages },
      workDir: await temporaryFolder(),
      signal: new AbortController().signal,
    });
    await assert.rejects(missing, { name: 'MissingTool', where: '/nowhere/python', fix: /npm start/ });
  });
});

describe('the environment of the fetching process', () => {
  it('has the settings of hub, index and proxy, and no other secret', () => {
    const needed = { PATH: '/bin', HF_TOKEN: 'h', PIP_INDEX_URL: 'p', https_proxy: 'q' };
    const secrets = {
      AWS_SECRET_ACCESS_KEY: 'x',
      ESPALIER_SIGNING_KEY: 'x',
      TEMPORAL_API_KEY: 'x',
      GITHUB_TOKEN: 'x',
      DB_PASSWORD: 'x',
      OPENAI_API_KEY: 'x',
      GOOGLE_APPLICATION_CREDENTIALS: 'x',
    };
    const theirs = fetchEnvironment({ ...needed, ...secrets }, '/packages');
    for (const [name, value] of Object.entries(needed)) assert.equal(theirs[name], value);
    for (const name of Object.keys(secrets)) assert.equal(theirs[name], undefined, name);
  });
});

describe('the environment of the training process', () => {
  it('holds what is allowed and nothing else', () => {
    const ours = {
      PATH: '/bin',
      CUDA_VISIBLE_DEVICES: '1',
      AWS_ACCESS_KEY_ID: 'x',
      TEMPORAL_API_KEY: 'x',
      HF_TOKEN: 'x',
      ESPALIER_SIGNING_KEY: 'x',
      https_proxy: 'x',
      NODE_OPTIONS: 'x',
    };
    const theirs = childEnvironment(ours, { job: emptyJob, python, workDir: '/work-dir' });
    assert.equal(theirs['PATH'], '/bin');
    assert.equal(theirs['CUDA_VISIBLE_DEVICES'], '1');
    assert.equal(theirs['HOME'], join('/work-dir', 'home'));
    assert.deepEqual(
      Object.values(theirs).filter((value) => value === 'x'),
      [],
    );
  });
});

describe('the watch for a hung training', () => {
  const step = { type: 'step' } as const;
  it('allows a slow start', () => {
    const watch = new StallWatch(60);
    watch.saw({ type: 'starting' }, 0);
    assert.equal(watch.stalledFor(299_000), null);
    assert.equal(watch.stalledFor(301_000), 301);
  });
  it('wants progress every minute once training moves; a heartbeat is none', () => {
    const watch = new StallWatch(60);
    watch.saw(step, 0);
    watch.saw(step, 100);
    watch.saw({ type: 'alive' }, 60_000);
    assert.equal(watch.stalledFor(60_000), null);
    assert.equal(watch.stalledFor(60_200), 60.1);
  });
  it('learns the pace from the first step already: slow steps are no silence', () => {
    const watch = new StallWatch(60);
    watch.saw({ type: 'ready' }, 0);
    assert.equal(watch.stalledFor(899_000), null);
    watch.saw(step, 90_000);
    assert.equal(watch.stalledFor(90_000 + 1_800_000), null);
    assert.equal(watch.stalledFor(90_000 + 1_800_001), 1800.001);
  });
  /** Seconds until one that moved last at 0, and computes `share(second)` of a core in each second from then on, is given up. */
  const givenUp = (
    seconds: number,
    last: 'starting' | 'step',
    share: (second: number) => number,
    beats: (second: number) => boolean = () => true,
  ): number | null => {
    const watch = new StallWatch(seconds);
    let cpuSeconds = 5;
    watch.saw({ type: 'alive', cpuSeconds }, 0);
    watch.saw({ type: last }, 0);
    for (let second = 1; second <= 100_000; second++) {
      cpuSeconds += share(second);
      if (beats(second)) watch.saw({ type: 'alive', cpuSeconds }, second * 1000);
      const silence = watch.stalledFor(second * 1000);
      if (silence !== null) return silence;
    }
    return null;
  };
  it('lets one that computes have as many seconds of a core: on a busy machine most of the time it waits for one', () => {
    // An export of 135 million parameters with a fifteenth of a core, as it was seen.
    const starved = givenUp(900, 'starting', () => 1 / 15)!;
    assert.ok(Math.abs(starved - 15 * 900) <= 2, String(starved));
    const inBursts = givenUp(900, 'starting', (second) => Number(second % 150 < 10))!;
    assert.ok(Math.abs(inBursts - 15 * 900) <= 150, String(inBursts));
    assert.equal(
      givenUp(900, 'starting', () => 1),
      901,
      'with a core of its own the clock is the limit',
    );
    assert.equal(
      givenUp(900, 'starting', () => 0.001),
      901,
      'one that hangs has only its heartbeat',
    );
  });
  it('wants computing of late: one that computed and then hangs has its limit once more, however much it computed', () => {
    // A deadlock right after a step of 16 threads lived for 1,685 s, an export's after 500 s of a core for 52,606.
    const deadlock = givenUp(60, 'step', (second) => (second === 1 ? 16 : 0.0005))!;
    assert.ok(deadlock <= 62, String(deadlock));
    const exporting = givenUp(900, 'starting', (second) => (second <= 500 ? 1 : 0.0005))!;
    assert.ok(exporting <= 500 + 901, String(exporting));
  });
  it('gives up one whose heart stopped, a limit after its last beat', () => {
    const paused = givenUp(
      60,
      'step',
      (second) => (second <= 20 ? 2 : 0),
      (second) => second <= 20,
    )!;
    assert.ok(paused <= 20 + 61, String(paused));
  });
  it('takes polling for hanging, and gives up by the clock what goes on without end', () => {
    assert.equal(
      givenUp(900, 'starting', () => 0.02),
      901,
    );
    assert.equal(
      givenUp(900, 'starting', () => 0.04),
      20 * 900 + 1,
    );
    assert.equal(
      givenUp(60, 'step', () => 1),
      61,
      'one that spins',
    );
    const starvedSpin = givenUp(60, 'step', () => 0.1)!;
    assert.ok(Math.abs(starvedSpin - 600) <= 2, String(starvedSpin));
  });
  it('gives slow steps twenty times their median', () => {
    const watch = new StallWatch(60);
    for (let time = 0; time <= 50_000; time += 10_000) watch.saw(step, time);
    assert.equal(watch.stalledFor(250_000), null);
    assert.equal(watch.stalledFor(250_001), 200.001);
  });
});
