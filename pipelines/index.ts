/** The public API of the package `espalier`: what a pipeline file and a module of gates import. */
export { definePipeline } from './definition.ts';
export type { Pipeline, PipelineDefinition } from './definition.ts';
export type {
  AnswersEvidence,
  CustomGate,
  CustomGates,
  GateMeasure,
  GateScore,
  LabelSetsEvidence,
  LabelsEvidence,
  NeighboursEvidence,
} from './custom-gates.ts';
