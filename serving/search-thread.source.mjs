// Starts search-thread.ts from sources: on Node 20 tsx hooks the main thread only, so a worker registers it itself.
import { register } from 'tsx/esm/api';

register();
await import('./search-thread.ts');
