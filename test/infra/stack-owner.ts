/** A program for the stack's tests: runs a stack with one process on top until it is ended. Arguments: state folder. */
import { startStack } from '../../infra/embedded/stack.ts';

const stack = await startStack({ stateDir: process.argv[2] ?? '' });
await stack.start({ name: 'worker', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] });
process.stdout.write('ready\n');
