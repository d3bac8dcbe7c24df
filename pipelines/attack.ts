/** What a model of pictures is attacked for: the gates that a definition has to name. No imports: the plan of a run hangs on it. */

/** Through the gradients of the tuned model, which has to have some. */
export const GRADIENT_GATES = ['fgsmRobustness', 'pgdRobustness'] as const;
export type GradientGate = (typeof GRADIENT_GATES)[number];
/** By questions to the graph that is served, whatever it came as. */
export const SQUARE_GATES = ['squareRobustness'] as const;
export type SquareGate = (typeof SQUARE_GATES)[number];

export const ATTACK_GATES = [...GRADIENT_GATES, ...SQUARE_GATES] as const;
export type AttackGate = GradientGate | SquareGate;

/** Whether an attack through gradients is asked for. Of gates that were recorded before there were any, none is on. */
export function gradientsAsked(gates: unknown): boolean {
  return GRADIENT_GATES.some((name) => isOn(gates, name));
}

/** Whether one is that needs none. */
export function squaresAsked(gates: unknown): boolean {
  return SQUARE_GATES.some((name) => isOn(gates, name));
}

function isOn(gates: unknown, name: AttackGate): boolean {
  const gate: unknown = typeof gates === 'object' && gates !== null ? Reflect.get(gates, name) : undefined;
  return typeof gate === 'object' && gate !== null && Reflect.get(gate, 'severity') !== 'off';
}
