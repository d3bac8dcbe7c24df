import assert from 'node:assert/strict';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey } from '../../artifacts/bundle.ts';
import { PROTOTYPE_FILE } from '../../artifacts/prototype.ts';
import { checkPipeline } from '../../pipelines/check.ts';
import { parseSettings } from '../../client/settings.ts';
import { MODEL, testPipeline, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy } from '../support/release.ts';

const prototype = { trainRows: 100, measuredRows: 100, seed: 7 };
const trial = () => ({ ...testPipeline(), prototype });

describe('a prototype', () => {
  let services: ActivityServices;
  beforeEach(async () => {
    services = await withServices();
  });

  it('is refused for production by the check of its definition, and taken for staging', () => {
    const { deploy: target, ...rest } = trial();
    const checked = checkPipeline({ ...rest, deploy: target });
    assert.ok(!checked.ok);
    assert.deepEqual(
      checked.problems
        .filter(({ path }) => path.startsWith('deploy'))
        .map(({ path, message }) => [path, /never deployed/.test(message)]),
      [['deploy.channel', true]],
    );
    const staged = checkPipeline({ ...rest, deploy: { ...target, channel: 'staging' } });
    assert.ok(staged.ok);
    // Left out, the channel is production.
    assert.ok(!checkPipeline({ ...rest, deploy: { model: target.model } }).ok);
  });

  it('says so in its card and in a file of its own', async () => {
    const release = await approvedRelease(services, { pipeline: trial() });
    const { entries } = await services.store.tree(release.bundle);
    const textOf = async (name: string): Promise<string> => {
      const entry = entries.find(({ path }) => path === name);
      assert.ok(entry, name);
      return (await services.store.getBytes(entry.digest)).toString('utf8');
    };
    assert.match(await textOf(PROTOTYPE_FILE), /small part of the data/);
    const card = await textOf('MODEL_CARD.md').catch(() => textOf('README.md'));
    assert.match(card, /\*\*This is a prototype/);
    assert.match(card, /- prototype/);
  });

  it('does not reach production with every approval, nor with one of its marks taken off', async () => {
    const attempts = [
      await approvedRelease(services, { pipeline: trial() }),
      // The mark is taken out of the bundle: the evidence's definition has it.
      await approvedRelease(services, { pipeline: trial(), bundleFiles: { [PROTOTYPE_FILE]: null } }),
      // The evidence claims an ordinary run: the bundle has it.
      await approvedRelease(services, { bundleFiles: { [PROTOTYPE_FILE]: '# Prototype' } }),
    ];
    for (const release of attempts) {
      await assert.rejects(deploy(services, release), (error: Error) =>
        /is a prototype.*production takes none/.test(error.message),
      );
    }
    assert.equal(await services.pointers.read(channelKey(MODEL, 'production')), undefined);
  });

  it('has settings that the command can change, and none that reach beyond the definition', () => {
    assert.deepEqual(parseSettings(['prototype.trainRows=50', 'selection.prototype.enabled=false']), {
      'prototype.trainRows': 50,
      'selection.prototype.enabled': false,
    });
    assert.throws(() => parseSettings(['constructor.prototype.polluted=1']));
    assert.throws(() => parseSettings(['__proto__.polluted=1']));
  });
});
