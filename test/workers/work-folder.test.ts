import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { clearDeadWorkFolders, openWorkFolder } from '../../workers/work-folder.ts';
import { testFolder } from '../support/store.ts';

describe('the work folder of a worker process', () => {
  /** A worker that has a step's files in its folder and waits to be killed. */
  async function worker(parent: string) {
    const module = new URL('../../workers/work-folder.ts', import.meta.url).href;
    const program = `import { mkdtempSync, writeFileSync } from 'node:fs';
      import { openWorkFolder } from ${JSON.stringify(module)};
      const { path } = openWorkFolder(${JSON.stringify(parent)});
      writeFileSync(mkdtempSync(path + '/espalier-step-') + '/weights', 'large');
      console.log(path); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(child.stdout, 'data')) as [Buffer];
    return { child, path: String(printed).trim() };
  }

  it('is cleared by the next worker when its own was killed, and never before', async () => {
    const parent = await mkdtemp(join(testFolder(), 'work-'));
    const mine = openWorkFolder(parent);
    const { child, path } = await worker(parent);
    assert.equal(dirname(path), parent);
    assert.equal(await clearDeadWorkFolders(parent), 0, 'both live');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(await clearDeadWorkFolders(parent), 1);
    assert.deepEqual(await readdir(parent), [basename(mine.path)]);
    mine.remove();
    assert.equal(existsSync(mine.path), false);
  });

  it('is told from one of an earlier process with the same id, and from those of other machines and programs', async () => {
    const parent = await mkdtemp(join(testFolder(), 'work-'));
    const mine = basename(openWorkFolder(parent).path);
    const [, , machine = '', pid = '', identity = ''] = mine.split('-');
    const earlier = `espalier-worker-${machine}-${pid}-00000000-aaaaaa`;
    const others = [
      `espalier-worker-00000000-${pid}-${identity}-aaaaaa`, // another machine's
      `espalier-worker-${machine}-${pid}`, // not ours
      'espalier-step-aaaaaa',
      'somebody-elses',
    ];
    for (const name of [earlier, ...others]) await mkdir(join(parent, name));
    await writeFile(join(parent, earlier, 'file'), '');
    assert.equal(await clearDeadWorkFolders(parent), 1);
    assert.deepEqual((await readdir(parent)).toSorted(), [mine, ...others].toSorted());
    await Promise.all([clearDeadWorkFolders(parent), clearDeadWorkFolders(parent)]);
  });
});
