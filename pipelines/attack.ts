/** What a model of pictures is attacked for: the gates that a definition has to name. No imports: the plan of a run hangs on it. */

export const ATTACK_GATES = ['fgsmRobustness', 'pgdRobustness'] as const;
export type AttackGate = (typeof ATTACK_GATES)[number];

/** Whether one of them is on. Of gates that were recorded before there were any, none is. */
export function attackAsked(gates: unknown): boolean {
  return ATTACK_GATES.some((name) => {
    const gate: unknown = typeof gates === 'object' && gates !== null ? Reflect.get(gates, name) : undefined;
    return typeof gate === 'object' && gate !== null && Reflect.get(gate, 'severity') !== 'off';
  });
}
