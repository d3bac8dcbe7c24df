import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageModel } from '../../activities/deployment/package-model.ts';
import { decideLicence } from '../../activities/review/decide-licence.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { BundleTermsSchema } from '../../artifacts/bundle-terms.ts';
import { packageRoot } from '../../pipelines/load.ts';
import { recogniseText } from '../../pipelines/licence/recognise.ts';
import { packageInput, testPipeline, withServices } from '../support/bundle.ts';
import { runStep } from '../support/step.ts';

const shipped = (file: string): string => readFileSync(join(packageRoot(), 'pipelines/licence/texts', file), 'utf8');

describe('the duties of a licence', () => {
  let services: ActivityServices;
  before(async () => {
    services = await withServices();
  });

  /** A bundle of a model whose card and files are these, released under `name`, with every file read as text. */
  async function bundled(card: string, files: Readonly<Record<string, string>>, name: string) {
    const pipeline = testPipeline();
    const named = { ...pipeline, deploy: { ...pipeline.deploy, model: name } };
    const use = { ...pipeline.intendedUse, publish: true, derivedName: name, passThroughTerms: true };
    const licence = decideLicence(
      { card, texts: Object.entries(files).map(([path, text]) => recogniseText(path, text)) },
      {
        use: { ...use, automatedDecision: false, mauNow: 1, mauAtModelRelease: 1, disclosesMachineGenerated: true },
        identity: { model: 'org/base', revision: '1' },
        sizeBytes: null,
        today: '2026-06-01',
      },
    );
    const input = await packageInput(services, { pipeline: named, card, base: { licence }, baseFiles: files });
    const { bundle, duties } = await runStep(packageModel, input, services);
    const { entries } = await services.store.tree(bundle);
    const text = async (path: string): Promise<string> => {
      const entry = entries.find((file) => file.path === path);
      ok(entry, `${path} is in the bundle`);
      return (await services.store.getBytes(entry.digest)).toString('utf8');
    };
    return { paths: entries.map(({ path }) => path), text, duties, licence };
  }
  const card = (licence: string): string => `---\nlicense: ${licence}\n---\n`;

  it('are carried out for Llama: text, notice, words to show, name, and restrictions that go on', async () => {
    const files = { LICENSE: shipped('llama-3.1-license-2024.txt'), 'USE_POLICY.md': 'the policy' };
    const { text, paths, duties } = await bundled(card('llama3.1'), files, 'llama-sorter');
    match(
      await text('NOTICE'),
      /^Llama 3\.1 is licensed under the Llama 3\.1 Community License, Copyright © Meta Platforms, Inc\. All Rights Reserved\.$/m,
    );
    match(await text('NOTICE'), /It was changed: fine-tuned/);
    match(await text('MODEL_CARD.md'), /^# llama-sorter\n\n\*\*Built with Llama\*\*$/m);
    match(await text('MODEL_CARD.md'), /excludes fields of use: military/);
    match(await text('TERMS.md'), /\*\*Built with Llama\*\*/);
    match(await text('TERMS.md'), /^- llama3\.1: excludes fields of use: military.*acceptable use policy/m);
    ok(paths.includes('LICENSES/base/LICENSE') && paths.includes('LICENSES/base/USE_POLICY.md'));
    deepEqual(
      duties.map(({ clause, state, file }) => [clause, state, file]),
      [
        ['s.1.b', 'done', 'LICENSES/base/LICENSE'],
        ['s.1.b (Notice file)', 'done', 'NOTICE'],
        ['s.1.b.i', 'done', 'MODEL_CARD.md'],
        ['s.1.b.i', 'done', 'MODEL_CARD.md'],
      ],
    );
    const terms = BundleTermsSchema.parse(JSON.parse(await text('LICENSES/terms.json')));
    deepEqual([terms.builtWith, terms.licences, terms.duties], [['Built with Llama'], ['llama3.1'], duties]);
  });

  it('are carried out for Gemma, whose terms and use policy come from Espalier where the source brings none', async () => {
    const { text, duties } = await bundled(card('gemma'), {}, 'sorter');
    match(await text('NOTICE'), /^Gemma is provided under and subject to the Gemma Terms of Use found at /m);
    match(await text('LICENSES/texts/gemma-tou-2025-03-24.txt'), /Gemma Terms of Use/i);
    match(await text('LICENSES/texts/gemma-pup-2024-02-21.txt'), /Prohibited Use Policy/);
    match(await text('TERMS.md'), /bind your users, in enforceable terms/);
    deepEqual(
      duties.filter(({ state }) => state === 'person').map(({ text: what, file }) => [what, file]),
      [
        ['its use restrictions must bind your users, in enforceable terms', 'TERMS.md'],
        ['models trained on its outputs are derivatives too', null],
        ['the owner may restrict use remotely, and may change the terms', null],
      ],
    );
    equal(
      duties.find(({ clause, state }) => clause === 's.3.1' && state === 'done')?.file,
      'LICENSES/texts/gemma-tou-2025-03-24.txt',
    );
  });

  it('are carried out for a RAIL, which asks for disclosure, too', async () => {
    const { text, duties } = await bundled(card('bigscience-bloom-rail-1.0'), {}, 'sorter');
    match(await text('TERMS.md'), /must be disclosed as made by a machine/);
    match(await text('MODEL_CARD.md'), /must be disclosed as made by a machine/);
    match(await text('TERMS.md'), /excludes fields of use: medical, law-enforcement/);
    match(await text('LICENSES/texts/bigscience-rail-1.0.txt'), /RAIL/);
    ok(
      duties.some(({ text: what, state, file }) => /disclosed/.test(what) && state === 'person' && file === 'TERMS.md'),
    );
    ok(duties.some(({ text: what, file }) => what === 'state that the model was changed' && file === 'NOTICE'));
  });

  it('are carried out for Qwen', async () => {
    const { text, duties } = await bundled(card('qwen'), { LICENSE: shipped('qwen-2024.txt') }, 'sorter');
    match(await text('NOTICE'), /^Qwen is licensed under the Qwen LICENSE AGREEMENT, Copyright \(c\) Alibaba Cloud\./m);
    match(await text('MODEL_CARD.md'), /\*\*Built with Qwen\*\*/);
    deepEqual([...new Set(duties.map(({ state }) => state))], ['done']);
  });

  it('are carried out for Apache-2.0, whose own NOTICE stays readable', async () => {
    const files = { LICENSE: shipped('apache-2.0.txt'), NOTICE: 'Copyright 2024 Somebody\nThis product …\n' };
    const { text, duties, paths } = await bundled(card('apache-2.0'), files, 'sorter');
    match(await text('NOTICE'), /Notices of the base model \(LICENSES\/base\/NOTICE\):\n\nCopyright 2024 Somebody\n/);
    equal(await text('LICENSES/base/NOTICE'), files.NOTICE);
    ok(!paths.some((path) => path.startsWith('LICENSES/texts/')));
    match(await text('TERMS.md'), /They restrict no use\./);
    deepEqual(
      duties.map(({ clause, state, file }) => [clause, state, file]),
      [
        ['s.4(a)', 'done', 'LICENSES/base/LICENSE'],
        ['s.4(b)', 'done', 'NOTICE'],
        ['s.4(c), NOTICE file s.4(d)', 'done', 'NOTICE'],
        ['s.3', 'person', null],
      ],
    );
  });

  it('are left to a person where no text of the licence can be found, and let no text become markup', async () => {
    const { duties } = await bundled(card('llama3'), {}, 'llama-3-sorter');
    const copy = duties.find(({ text: what }) => what === 'include a copy of the licence');
    deepEqual([copy?.state, copy?.file, copy?.note], ['person', null, 'the source brings no text of it: add one']);
    const hostile = await bundled('---\nlicense: "<script>x</script>"\n---\n', {}, 'sorter');
    doesNotMatch(await hostile.text('TERMS.md'), /(?<!\\)<script/);
    // The front matter is data; what follows is what people see.
    doesNotMatch((await hostile.text('MODEL_CARD.md')).split('# sorter')[1] ?? '', /(?<!\\)<script/);
  });
});
