import { rejects } from 'node:assert/strict';
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestBytes } from '../../artifacts/digest.ts';
import type { TreeManifest } from '../../artifacts/reference.ts';
import { verifyFolder } from '../../serving/release.ts';

describe('a bundle’s folder', () => {
  const manifest = (files: Readonly<Record<string, string>>): TreeManifest => ({
    version: 1,
    entries: Object.entries(files).map(([path, text]) => ({
      path,
      digest: digestBytes(text),
      size: text.length,
      mode: '644',
    })),
  });

  it('is refused for a file too many, a link, a missing or a changed file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-folder-'));
    await mkdir(join(folder, 'm', '1'), { recursive: true });
    await writeFile(join(folder, 'm', '1', 'model.onnx'), 'abc');
    const listed = manifest({ 'm/1/model.onnx': 'abc' });
    await verifyFolder(folder, listed);
    await rejects(verifyFolder(folder, manifest({ 'm/1/model.onnx': 'abd' })), {
      kind: 'Corrupt',
      message: /model\.onnx: it is sha256/,
    });
    await rejects(verifyFolder(folder, manifest({ 'm/1/model.onnx': 'abcd' })), /4 bytes/);
    await rejects(verifyFolder(folder, manifest({ 'm/1/model.onnx': 'abc', 'm/x': '' })), /m\/x: it is missing/);
    await symlink('/etc/hostname', join(folder, 'm', 'link'));
    await rejects(verifyFolder(folder, listed), /m\/link: it is not a plain file/);
    const other = await mkdtemp(join(tmpdir(), 'espalier-folder-'));
    await writeFile(join(other, 'extra.so'), '');
    await rejects(verifyFolder(other, manifest({})), /extra\.so: the manifest does not list it/);
  });
});
