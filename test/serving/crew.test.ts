import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Crew } from '../../serving/crew.ts';
import { buffersOf, type Answered } from '../../serving/pool-messages.ts';
import type { ClassifierFiles } from '../../serving/verified-model.ts';
import { until } from '../support/model-server.ts';
import { folderSource } from '../support/model-source.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';

describe('threads that are replaced when they are lost', () => {
  let folder: string;
  before(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'espalier-crew-')), 'model');
    await writeTinyOnnx(folder, 'classifier');
  });
  after(() => rm(join(folder, '..'), { recursive: true }));

  function crewOf(take: () => Promise<ClassifierFiles>) {
    const restarts: string[] = [];
    const crew = new Crew<ClassifierFiles, ClassifierFiles, Answered, readonly unknown[]>({
      entry: 'pool-worker',
      name: 'test',
      what: 'a thread of this test',
      unloaded: 'this model',
      onRestart: (reason) => restarts.push(reason),
      take,
      give: (files) => ({ workerData: { files }, transferList: buffersOf(files) }),
      idle: () => [],
      dispatch: () => undefined,
      hear: () => undefined,
      lost: () => undefined,
      stranded: () => undefined,
    });
    return { crew, restarts };
  }

  it('are as many as were asked for, also where one was lost while the others started', async () => {
    const source = folderSource(folder);
    const { crew, restarts } = crewOf(() => source.take());
    await crew.start(await source.take());
    await crew.crash();
    deepEqual([crew.threadIds, restarts], [[], []], 'nothing is replaced before all have started');
    await crew.start(await source.take());
    crew.complete();
    equal(restarts.length, 1);
    match(restarts[0] ?? '', /a thread of this test ended with code 1/);
    await until('both are up', () => crew.up.length === 2);
    await crew.end();
    deepEqual(crew.threadIds, []);
  });

  it('end with the start that one of them cannot make, with its reason', async () => {
    let taken = 0;
    const source = folderSource(folder);
    const { crew, restarts } = crewOf(() => {
      taken++;
      return source.take();
    });
    const gone = new AbortController();
    const filling = crew.fill(2, gone.signal);
    gone.abort(new Error('not wanted any more'));
    await rejects(filling, /not wanted any more/);
    deepEqual([crew.threadIds, restarts, taken], [[], [], 1]);
  });
});
