import { deepEqual, equal, rejects } from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { Loads } from '../../serving/loads.ts';

/** A load that ends when it is let, or when it is called off. */
function held(loads: Loads, log: string[], model: string, again = async (): Promise<void> => {}) {
  let end = () => {};
  const ending = new Promise<void>((resolve) => (end = resolve));
  const run = async (signal: AbortSignal): Promise<void> => {
    signal.addEventListener('abort', () => end());
    await loads
      .inTurn(signal, async () => {
        log.push(`${model} begins`);
        await ending;
        log.push(`${model} ends`);
      })
      .catch((error: Error) => log.push(`${model}: ${error.message}`));
  };
  return { load: loads.begin(model, '1', { run, again }), end: () => end() };
}

describe('loads', () => {
  it('run two at a time, the others in their order; one that is called off while it waits takes no turn', async () => {
    const loads = new Loads();
    const log: string[] = [];
    const [one, , , four] = ['one', 'two', 'three', 'four'].map((model) => held(loads, log, model));
    await turn();
    deepEqual(log, ['one begins', 'two begins']);
    loads.callOff('three', 'withdrawn');
    await turn();
    one?.end();
    await one?.load.ended;
    await turn();
    deepEqual(log, ['one begins', 'two begins', 'three: withdrawn', 'one ends', 'four begins']);
    four?.end();
    await four?.load.ended;
    deepEqual(loads.models, ['two']);
    await loads.stop();
    deepEqual([log.at(-1), loads.models], ['two ends', []]);
    await rejects(
      loads.inTurn(AbortSignal.abort(new Error('late')), async () => undefined),
      { message: 'late' },
    );
  });

  it('are looked at again only where they were called off, once they have ended', async () => {
    const loads = new Loads();
    const seen: (readonly [string, readonly string[]])[] = [];
    const again = (model: string) => async () => void seen.push([model, loads.models]);
    const kept = held(loads, [], 'kept', again('kept'));
    const gone = held(loads, [], 'gone', again('gone'));
    await turn();
    equal(loads.of('gone')?.version, '1');
    loads.callOff('gone', 'overtaken');
    await gone.load.ended;
    deepEqual(seen, [['gone', ['kept']]]);
    kept.end();
    await kept.load.ended;
    deepEqual([seen.length, loads.of('kept')], [1, undefined]);
  });
});
