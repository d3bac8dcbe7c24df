/** What the workers bundle: every workflow by its wire name. */
export { runPipeline } from './run-pipeline.ts';
export { notifyPeople } from './notify-people.ts';
export { reproduceModel } from './reproduce-model.ts';
export { tryTraining } from './try-training.ts';
export { watchModel } from './watch-model.ts';
