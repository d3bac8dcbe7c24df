import assert from 'node:assert/strict';
import type { AuditEntry } from '../../artifacts/audit-entry.ts';
import type { AuditVerdict } from '../../artifacts/audit.ts';
import { createToken } from '../../client/tokens.ts';
import { espalier, type Ended } from '../support/command.ts';
import { testFolder, withStore, type TestStore } from '../support/store.ts';

describe('the audit log from the command line', function () {
  this.timeout(120_000);
  let test: TestStore;
  before(async () => {
    test = await withStore();
  });
  const run = (...args: string[]): Promise<Ended> =>
    espalier(['audit', ...args], { ...process.env, ...test.env, ESPALIER_STATE: testFolder(), NO_COLOR: '1' });

  it('is listed and verified, and says by its exit code that somebody touched it', async () => {
    for (const user of ['lena', 'omar\u001b[2K\nfake'])
      await createToken(test.pointers, {
        user,
        scopes: ['runs:read'],
        createdBy: 'root',
        expiresAt: '2099-01-01T00:00:00Z',
      });
    const [listed, limited, whole] = await Promise.all([
      run('list', '--action', 'token.create'),
      run('list', '--json', '--limit', '1'),
      run('verify', '--json'),
    ]);
    assert.deepEqual([listed.code, listed.stdout.trim().split('\n').length], [0, 3], listed.stdout + listed.stderr);
    assert.match(listed.stdout, /^1 +\S+ \S+ +token\.create +token \w{12} for lena \(runs:read\), by root$/m);
    assert.ok(!listed.stdout.includes('\u001b'), 'a name cannot steer the terminal');
    const [newest] = JSON.parse(limited.stdout) as AuditEntry[];
    assert.deepEqual([newest?.seq, newest?.event.action], [2, 'token.create']);
    const verdict = JSON.parse(whole.stdout) as AuditVerdict;
    assert.deepEqual([whole.code, verdict.ok, verdict.entries], [0, true, 2]);

    await test.objects.delete('audit/000000000002');
    const [cut, missed, nonsense] = await Promise.all([
      run('verify', '--head', verdict.head ?? ''),
      run('verify'),
      run('verify', '--head', 'abc'),
    ]);
    assert.deepEqual([cut.code, missed.code, nonsense.code], [1, 0, 2]);
    assert.match(cut.stderr, /broken after 1 good entries: no entry is sha256:/);
    await test.objects.putBytes('audit/000000000001', Buffer.from('{}'));
    const broken = await run('verify', '--json');
    assert.deepEqual([broken.code, (JSON.parse(broken.stdout) as AuditVerdict).ok], [1, false]);
  });
});
