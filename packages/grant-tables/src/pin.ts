/**
 * Pins of one grant entry: four 8-bit counters in one word, as in Xen, so that "any at all" is one comparison. A counter
 * takes no more pins once its top bit is set (128).
 */
export const Pin = {
  hostWrite: 0x00000001,
  hostRead: 0x00000100,
  deviceWrite: 0x00010000,
  deviceRead: 0x01000000,
} as const;

const WRITERS = 0x00ff00ff;

export function hasWriters(pin: number): boolean {
  return (pin & WRITERS) !== 0;
}

/** True if one of the counters that `increment` adds to is full. */
export function wouldOverflow(pin: number, increment: number): boolean {
  return (pin & (increment << 7)) !== 0;
}

/** The increments of a mapping's kinds. */
export function pinOf(host: boolean, device: boolean, readonly: boolean): number {
  let pin = 0;
  if (host) pin += readonly ? Pin.hostRead : Pin.hostWrite;
  if (device) pin += readonly ? Pin.deviceRead : Pin.deviceWrite;
  return pin;
}
