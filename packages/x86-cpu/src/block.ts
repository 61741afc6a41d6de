/** A straight line of code, decoded: its records are what the interpreter executes. */
export interface Block {
  readonly key: number;
  readonly record: number;
  readonly records: number;
  readonly instructions: number;
  /** Bytes [start, end) of the page that it was decoded from. */
  readonly start: number;
  readonly end: number;
  /** Bytes of its instructions, those in the second page too. */
  readonly bytes: number;
  /** Place of the second page of an instruction that crosses into it, or −1. */
  readonly secondPlace: number;
  /** The records as they were before a region took the block over, or 0. */
  plain: number;
  /** Jump-cache word of the region that is entered here, or 0. */
  regionWord: number;
  /** How often it was looked up while translations were known that might be of its code. */
  met: number;
  /** How often it was interpreted on the way between regions, in steps of COUNTED_ENTRIES. */
  interpreted: number;
}
