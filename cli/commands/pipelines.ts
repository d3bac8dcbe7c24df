import { listShippedPipelines } from '../../pipelines/load.ts';
import { loadChecked, sayEach } from '../definition.ts';
import { EXIT, printJson, printTable, say, style } from '../output.ts';

export async function list(json: boolean): Promise<number> {
  const shipped = await listShippedPipelines();
  if (json) printJson(shipped);
  else
    printTable(
      ['PIPELINE'],
      shipped.map((name) => [name]),
    );
  return EXIT.ok;
}

export async function check(json: boolean, name: string, options: { set: readonly string[] }): Promise<number> {
  const checked = await loadChecked(name, options.set, json);
  if (typeof checked === 'number') return checked;
  if (json) printJson({ ok: true, path: checked.path, pipeline: checked.pipeline, notes: checked.notes });
  else {
    say(
      `${style.green('ok')} ${checked.pipeline.name}: ${checked.pipeline.candidates.length} candidates, ${checked.path}`,
    );
    sayEach(checked.notes);
  }
  return EXIT.ok;
}
