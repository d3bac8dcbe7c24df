import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../infra/root.ts';
import { checkNode, refuseLinkedPackages } from '../../infra/setup.mjs';
import { isAtLeast, trainerEnvironment } from '../../infra/toolchain.mjs';

const PYTHON = (version: string) => `
case "$1 $2" in
  "-c "*) echo "$0"; echo ${version}; echo \${STUB_VENV:-True} ;;
  "-m venv") echo venv >> "$CALLS"; mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  "-m pip") echo pip >> "$CALLS"; sleep 0.3; echo "Collecting torch"; exit \${STUB_PIP:-0} ;;
esac`;
const GO = (version: string) => `
case "$1" in
  env) echo go${version} ;;
  install)
    name=$(basename "\${3%@*}"); echo "go $name" >> "$CALLS"; sleep 0.2
    printf '#!/bin/sh\\n' > "$GOBIN/$name"; chmod +x "$GOBIN/$name"; exit \${STUB_GO:-0} ;;
esac`;

describe('set-up', () => {
  let folder: string;
  let root: string;
  let calls: string;
  let env: Record<string, string>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-setup-'));
    root = join(folder, 'package');
    calls = join(folder, 'calls');
    // As npm installs it: no lock file and no sources to compile, so only the machine's part is left to do.
    mkdirSync(join(root, 'infra'), { recursive: true });
    for (const name of readdirSync(join(packageRoot, 'infra')).filter((file) => file.endsWith('.mjs'))) {
      cpSync(join(packageRoot, 'infra', name), join(root, 'infra', name));
    }
    mkdirSync(join(root, 'workers/trainer'), { recursive: true });
    writeFileSync(join(root, 'workers/trainer/requirements.lock'), 'torch==1 --hash=sha256:00\n');
    mkdirSync(join(folder, 'home'));
    mkdirSync(join(folder, 'bin'));
    for (const name of ['sh', 'echo', 'mkdir', 'cp', 'chmod', 'sleep', 'basename', 'printf']) {
      const path = ['/usr/bin', '/bin'].map((bin) => join(bin, name)).find(existsSync);
      if (path !== undefined) stub(name, `exec ${path} "$@"`);
    }
    env = { PATH: join(folder, 'bin'), HOME: join(folder, 'home'), CALLS: calls };
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function stub(name: string, script: string): void {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
  async function setUp(more: Record<string, string> = {}): Promise<{ code: number; said: string }> {
    const child = spawn(process.execPath, [join(root, 'infra/setup.mjs')], { env: { ...env, ...more } });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const [code] = (await once(child, 'close')) as [number];
    return { code, said };
  }
  const called = (): string[] => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []);
  const cache = () => join(folder, 'home/.cache/espalier');

  it('builds what is missing in an empty home, and does nothing the second time', async () => {
    stub('python3.13', PYTHON('3.13.1'));
    stub('go', GO('1.26.1'));
    assert.equal((await setUp()).code, 0);
    assert.deepEqual(called().toSorted(), ['go temporal', 'go versitygw', 'pip', 'venv']);
    assert.deepEqual(readdirSync(join(cache(), 'bin')).toSorted(), ['temporal', 'versitygw']);
    assert.ok(existsSync(join(trainerEnvironment(root, env), '.complete')));
    assert.equal((await setUp()).code, 0);
    assert.equal(called().length, 4, 'nothing was called again');
  });

  it('needs neither Go nor a build where services are configured', async () => {
    stub('python3', PYTHON('3.11.0'));
    const own = { TEMPORAL_ADDRESS: '127.0.0.1:1', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:2' };
    assert.equal((await setUp(own)).code, 0);
    assert.deepEqual(called(), ['venv', 'pip']);
  });

  it('uses programs that are on PATH', async () => {
    stub('python3', PYTHON('3.12.0'));
    stub('temporal', 'exit 0');
    stub('versitygw', 'exit 0');
    assert.equal((await setUp()).code, 0);
    assert.deepEqual(called(), ['venv', 'pip']);
  });

  it('names what to install when Go is missing or too old, before it starts anything', async () => {
    stub('python3', PYTHON('3.12.0'));
    const missing = await setUp();
    assert.equal(missing.code, 1);
    assert.match(
      missing.said,
      /Temporal CLI and S3 gateway \(versitygw\) are not on this machine.*Go 1\.26.*no go on PATH/,
    );
    assert.match(missing.said, /→ .*https:\/\/go\.dev\/dl.*TEMPORAL_ADDRESS and AWS_ENDPOINT_URL_S3/);
    stub('go', GO('1.21.5'));
    assert.match((await setUp()).said, /found 1\.21\.5/);
    assert.deepEqual(called(), []);
  });

  it('names what to install when no Python is new enough, saying which it saw', async () => {
    stub('go', GO('1.26.1'));
    stub('python3.12', 'exit 127'); // a version manager's shim for a version that is not installed
    stub('python3', PYTHON('3.9.2'));
    const { code, said } = await setUp();
    assert.equal(code, 1);
    assert.match(said, /Python 3\.11 or newer \(python3 is 3\.9\.2\)/);
    assert.match(said, /→ .*ESPALIER_PYTHON/);
    assert.deepEqual(called(), []);
  });

  it('says which package is missing when Python cannot make environments', async () => {
    stub('go', GO('1.26.1'));
    stub('python3', PYTHON('3.12.0'));
    assert.match(
      (await setUp({ STUB_VENV: 'False' })).said,
      /cannot make virtual environments[^]*apt install python3-venv/,
    );
  });

  it('shows the output of a failed installation, stops, and makes the environment anew the next time', async () => {
    stub('python3', PYTHON('3.12.0'));
    stub('temporal', 'exit 0');
    stub('versitygw', 'exit 0');
    const failed = await setUp({ STUB_PIP: '1' });
    assert.equal(failed.code, 1);
    assert.match(failed.said, /installing the Python packages failed \(exit code 1\):\nCollecting torch/);
    assert.match(failed.said, /→ check that the Python package index is reachable/);
    assert.ok(!existsSync(join(trainerEnvironment(root, env), '.complete')));
    assert.equal((await setUp()).code, 0);
    assert.deepEqual(called(), ['venv', 'pip', 'venv', 'pip']);
  });

  it('leaves no tool behind when its build fails', async () => {
    stub('python3', PYTHON('3.12.0'));
    stub('go', GO('1.26.1'));
    const { code, said } = await setUp({ STUB_GO: '2' });
    assert.equal(code, 1);
    assert.match(said, /building the Temporal CLI.*failed \(exit code 2\)/);
    assert.ok(!existsSync(join(cache(), 'bin/temporal')));
  });

  it('lets a second one wait for the first and then find everything done', async () => {
    stub('python3', PYTHON('3.12.0'));
    stub('go', GO('1.26.1'));
    const both = await Promise.all([setUp(), setUp()]);
    assert.deepEqual(
      both.map(({ code }) => code),
      [0, 0],
    );
    assert.deepEqual(called().toSorted(), ['go temporal', 'go versitygw', 'pip', 'venv']);
  });

  it('installs nothing through a linked node_modules: that would empty the folder it points to', () => {
    const link = join(folder, 'linked');
    symlinkSync(root, link);
    assert.throws(() => refuseLinkedPackages(link), /is a link: npm ci would empty/);
    assert.doesNotThrow(() => refuseLinkedPackages(root));
    assert.doesNotThrow(() => refuseLinkedPackages(join(folder, 'not-there-yet')));
  });

  it('refuses an old Node by its number', () => {
    assert.throws(() => checkNode('18.20.4'), /Node 18\.20\.4 is too old: Espalier needs 20\.19/);
    assert.doesNotThrow(() => checkNode('24.0.0'));
    assert.deepEqual(
      ['20.18.9', '20.19.0', '20.100.0', '21.0.0', '9.99.0'].map((version) => isAtLeast(version, '20.19')),
      [false, true, true, true, false],
    );
  });
});
