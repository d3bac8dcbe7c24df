/** The accelerators of this machine, as a step borrows them. The worker process knows which there are (workers/devices.ts). */

export interface DeviceLease {
  /** `CUDA_VISIBLE_DEVICES` for the process that trains; empty: the CPU. */
  readonly visible: string;
  /** Names the process that computes on the devices: they stay taken while it lives, even if the worker is killed. */
  usedBy(pid: number): void;
  /** Safe to call twice. */
  release(): void;
}

export interface Devices {
  /**
   * Waits until `count` (default 1) devices are free, takes all of them at one moment or none, and tells about once a
   * second who has them. Rejects with the signal's reason, or BadConfig when there
   * are not that many. On the CPU any number is there at once.
   */
  acquire(options: {
    readonly count?: number;
    readonly signal: AbortSignal;
    readonly onWait?: (holders: string) => void;
  }): Promise<DeviceLease>;
}
