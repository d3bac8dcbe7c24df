/** The public API of the package `espalier`: what a pipeline file imports. */
export { definePipeline } from './definition.ts';
export type { Pipeline, PipelineDefinition } from './definition.ts';
