import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLinkKey } from '../../infra/embedded/link-key.ts';

describe('the key of signed links', () => {
  it('is made once, of 32 random bytes, readable by its owner only', () => {
    const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'espalier-link-key-')));
    try {
      const [folder = '', other = ''] = folders;
      const state = join(folder, 'state');
      const key = readLinkKey(state);
      assert.match(key, /^[A-Za-z0-9_-]{43}$/);
      assert.equal(readLinkKey(state), key);
      assert.notEqual(readLinkKey(other), key);
      assert.equal(statSync(join(state, 'link-key')).mode & 0o777, 0o600);
      assert.deepEqual(readdirSync(state), ['link-key']);
    } finally {
      for (const folder of folders) rmSync(folder, { recursive: true });
    }
  });
});
