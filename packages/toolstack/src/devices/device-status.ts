/** A disk as xl's block-list shows it. */
export interface DiskStatus {
  /** Virtual device number. */
  vdev: number;
  name: string;
  target: string;
  /** State of the backend, XenbusState*. */
  state: number;
  eventChannel: number | undefined;
  ringRef: number | undefined;
  backendPath: string;
}

/** A network interface as xl's network-list shows it. */
export interface VifStatus {
  handle: number;
  mac: string;
  bridge: string;
  state: number;
  eventChannel: number | undefined;
  txRingRef: number | undefined;
  rxRingRef: number | undefined;
  backendPath: string;
}
