import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readApprovers } from '../../client/approvals.ts';
import { recordInput } from '../../client/start-run.ts';
import { withStore } from '../support/store.ts';
import { runInput } from '../support/workflow.ts';

describe('the approvers of a run', () => {
  it('must be able to fill every seat, or it does not start and says what is missing', async () => {
    const { store } = await withStore();
    const { definition: _, ...input } = runInput();
    const authors = [{ of: 'definition-author', person: 'Lena', approvers: ['lena'] }] as const;
    await recordInput(store, input);
    await assert.rejects(recordInput(store, { ...input, authors }), {
      kind: 'BadDefinition',
      message:
        /approval 'review' lacks somebody for legal \(left out: starter, run-starter; lena, definition-author\)$/,
    });
    const { approvals, ...rest } = input.pipeline;
    const review = { ...approvals.review, liftedExclusions: ['definition-author' as const] };
    const lifted = { ...input, authors, pipeline: { ...rest, approvals: { ...approvals, review } } };
    await recordInput(store, lifted);
  });

  it('are read with addresses and break-glass; a name that is there twice or holds nothing is refused', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'espalier-approvers-')), 'approvers.json');
    const read = async (people: object[]) => {
      await writeFile(path, JSON.stringify(people));
      return readApprovers(path);
    };
    const people = [
      { name: 'lena', roles: ['legal'], emails: ['lena@example.org'] },
      { name: 'bruno', roles: [], breakGlass: true },
    ];
    assert.deepEqual(
      (await read(people)).map(({ emails, breakGlass }) => [emails, breakGlass]),
      [
        [['lena@example.org'], false],
        [[], true],
      ],
    );
    for (const wrong of [[{ name: 'x', roles: [] }], [people[0] ?? {}, people[0] ?? {}]]) {
      await assert.rejects(read(wrong), { kind: 'BadConfig' });
    }
  });
});
