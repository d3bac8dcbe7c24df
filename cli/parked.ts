/** What to say of a step that failed and waits for an operator. */
import type { ResolutionAction, StepView } from '../workflows/messages.ts';
import { style } from './output.ts';

const ACTIONS: readonly ResolutionAction[] = ['retry', 'skip', 'abort'];

/** The error, its fix, and the commands that decide, ready to paste. */
export function parkedLines(runId: string, { id, title, error, actions, standsBy }: StepView): readonly string[] {
  const commands = (actions ?? ACTIONS).map((action) => {
    const command = `espalier runs ${action} ${shellWord(runId)} ${shellWord(id)}`;
    return `  ${`${action}:`.padEnd(7)}${command}${action === 'retry' ? style.dim('   # --set path=value changes a setting') : ''}`;
  });
  return [
    `${style.yellow('‖')} ${style.bold(title)} is parked  ${error === undefined ? '' : `${error.kind}: ${error.message}`}`.trimEnd(),
    ...(error?.where === undefined || error.where === id ? [] : [`  ${'where:'.padEnd(7)}${error.where}`]),
    ...(error?.fix === undefined ? [] : [`  ${'fix:'.padEnd(7)}${error.fix}`]),
    ...(standsBy === true
      ? ['  It drops out by itself as soon as another candidate may win; nobody has to decide yet.']
      : []),
    ...commands,
  ];
}

/** As a POSIX shell reads it back. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
