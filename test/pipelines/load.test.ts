import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { listShippedPipelines, loadPipeline, packageRoot } from '../../pipelines/load.ts';

describe('loadPipeline', () => {
  let home: string;
  before(async () => void (home = await mkdtemp(join(tmpdir(), 'espalier-load-'))));
  after(() => rm(home, { recursive: true }));

  async function put(path: string, text: string): Promise<string> {
    const full = join(home, path);
    await mkdir(dirname(full), { recursive: true });
    await writeFile(full, text);
    return full;
  }

  const TYPED =
    "import { definePipeline, type PipelineDefinition } from 'espalier';\nconst d: PipelineDefinition = { name: 'mine' } as never;\nexport default definePipeline(d);\n";
  const refused = (kind: string, message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof EspalierError);
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    assert.ok(error.fix !== undefined && error.where !== undefined);
    return true;
  };

  it("leads 'espalier' to this package from a folder that does not have it installed", async () => {
    const path = await put('bare/pipeline.ts', TYPED);
    assert.deepEqual(await loadPipeline(path), { path, folder: join(home, 'bare'), value: { name: 'mine' } });
  });

  it('does so for CommonJS and ES module projects, and for a folder with another espalier inside', async () => {
    await put('cjs/package.json', '{"type":"commonjs"}');
    await put('esm/package.json', '{"type":"module"}');
    await put('own/node_modules/espalier/package.json', '{"name":"espalier","main":"index.js"}');
    await put('own/node_modules/espalier/index.js', "throw new Error('the wrong espalier');");
    for (const folder of ['cjs', 'esm', 'own']) {
      await put(`${folder}/pipeline.ts`, TYPED);
      const { value } = await loadPipeline(join(home, folder));
      assert.deepEqual(value, { name: 'mine' }, folder);
    }
  });

  it('loads JavaScript and JSON, and what the definition imports', async () => {
    await put('js/name.mjs', "export const name = 'helped';");
    const script = await put(
      'js/pipeline.mjs',
      "import { definePipeline } from 'espalier';\nimport { name } from './name.mjs';\nexport default definePipeline({ name });",
    );
    assert.deepEqual((await loadPipeline(script)).value, { name: 'helped' });
    assert.deepEqual((await loadPipeline(await put('json/pipeline.json', '{"name":"plain"}'))).value, {
      name: 'plain',
    });
  });

  it('sees an edited file on the next load', async () => {
    const path = await put('edit/pipeline.ts', "export default { name: 'first' };");
    assert.deepEqual((await loadPipeline(path)).value, { name: 'first' });
    await put('edit/pipeline.ts', "export default { name: 'second' };");
    assert.deepEqual((await loadPipeline(path)).value, { name: 'second' });
  });

  it('says which file does not parse, does not run, or exports nothing', async () => {
    await assert.rejects(
      loadPipeline(await put('broken/syntax.ts', 'export default {{{')),
      refused('BadDefinition', /does not load: .*syntax\.ts:1/s),
    );
    await assert.rejects(
      loadPipeline(await put('broken/throws.ts', "throw new Error('on purpose')")),
      refused('BadDefinition', /on purpose/),
    );
    await assert.rejects(
      loadPipeline(await put('broken/import.ts', "import 'no-such-package'; export default {}")),
      refused('BadDefinition', /no-such-package/),
    );
    await assert.rejects(
      loadPipeline(await put('broken/none.ts', 'export const pipeline = {}')),
      refused('BadDefinition', /no default export/),
    );
    await put('broken-cjs/package.json', '{"type":"commonjs"}');
    await assert.rejects(
      loadPipeline(await put('broken-cjs/none.ts', 'export const pipeline = {}')),
      refused('BadDefinition', /no default export/),
    );
    await assert.rejects(loadPipeline(await put('broken/bad.json', '{')), refused('BadDefinition', /not JSON/));
    await assert.rejects(
      loadPipeline(await put('broken/pipeline.yaml', 'name: x')),
      refused('BadDefinition', /ending/),
    );
  });

  it('says what there is when there is no such pipeline, and takes no path for a name', async () => {
    await assert.rejects(loadPipeline('no-such-pipeline'), refused('NotFound', /no-such-pipeline/));
    await assert.rejects(loadPipeline('../pipelines/no-such'), refused('NotFound', /there is no pipeline/));
    await mkdir(join(home, 'hollow'));
    await assert.rejects(loadPipeline(join(home, 'hollow')), refused('NotFound', /has no pipeline/));
  });

  it('loads a shipped pipeline by its name, from its own folder', async () => {
    assert.deepEqual(await listShippedPipelines(), [
      'machine-parts',
      'part-finder',
      'support-intents',
      'support-replies',
    ]);
    const { path, folder } = await loadPipeline('support-intents');
    assert.equal(folder, join(packageRoot(), 'pipelines', 'support-intents'));
    assert.equal(path, join(folder, 'pipeline.ts'));
  });
});
