import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { authorsOf } from '../../client/authors.ts';

const APPROVERS = [
  { name: 'lena', roles: ['legal'], emails: ['Lena@Example.org'] },
  { name: 'Omar Product', roles: ['product-owner'] },
];

describe("the authors of a run's files", () => {
  it('are those of the last commits, matched to approvers by address or name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-authors-'));
    const git = (...args: string[]): void => void execFileSync('git', args, { cwd: folder });
    git('init', '-q');
    const commit = async (file: string, name: string, email: string): Promise<string> => {
      await writeFile(join(folder, file), `${file} by ${name}`);
      git('add', file);
      git('-c', `user.name=${name}`, '-c', `user.email=${email}`, 'commit', '-q', '-m', file);
      return join(folder, file);
    };
    await commit('pipeline.ts', 'Somebody Else', 'else@example.org');
    const definition = await commit('pipeline.ts', 'L. Egal', 'lena@example.org');
    const policy = await commit('policy.yaml', 'omar product', 'o@example.org');
    assert.deepEqual(await authorsOf({ 'definition-author': definition, 'policy-editor': policy }, APPROVERS), [
      { of: 'definition-author', person: 'L. Egal', approvers: ['lena'] },
      { of: 'policy-editor', person: 'omar product', approvers: ['Omar Product'] },
    ]);
  });

  it('are unknown outside a repository, and not asked for without a file', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'espalier-authors-')), 'pipeline.ts');
    await writeFile(path, '');
    assert.deepEqual(await authorsOf({ 'definition-author': path, 'policy-editor': undefined }, APPROVERS), [
      { of: 'definition-author', person: null, approvers: [] },
    ]);
  });
});
