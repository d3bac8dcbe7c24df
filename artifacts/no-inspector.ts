/**
 * Node opens its inspector, and with it everything a process knows, on a port of this machine where it is sent SIGUSR1, and any process
 * of the same user may send that: a module of gates, too. Who listens for the signal has said what it does: nothing.
 */
const nothing = (): void => {};

/** Of this process, from now on; as often as one likes. */
export function closeInspector(): void {
  if (!process.listeners('SIGUSR1').includes(nothing)) process.on('SIGUSR1', nothing);
}
