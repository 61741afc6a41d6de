import { Flow } from "../decode/index.ts";
import type { ControlContext } from "../semantics/context.ts";
import type { BlockEmitter } from "./block-emitter.ts";
import { TranslatorContext } from "./context.ts";
import type { Place, RegionInstruction } from "./flow-graph.ts";
import type { RecordFields } from "./region-record.ts";

/** Ways from a block to others. */
export interface Transfers {
  /** Goes to a block, or out of the region. */
  go(place: Place): void;
  /** As `go`, where the block ends and its code may run on into that of the next. */
  runOn(place: Place): void;
  /** Goes to a block that is an entry by its state. */
  goThroughDispatcher(place: Place): void;
  /** Pops an address: goes there within the region if that is one of its entries. */
  goIndirect(insn: RegionInstruction): void;
}

/** A transfer's way out: within the region, or through the hub. */
export class RegionControlContext extends TranslatorContext implements ControlContext {
  constructor(
    block: BlockEmitter,
    private readonly transfers: Transfers,
    record: RecordFields,
    private readonly insn: RegionInstruction,
    kinds: "n" | "r",
    segmented = false,
  ) {
    super(block, record, 8, kinds, false, segmented);
  }

  target(): void {
    this.block.pushAddress(this.insn.target!);
  }

  jump(): void {
    const target = this.insn.target!;
    if (this.insn.flow === Flow.CALL) this.transfers.goThroughDispatcher(target);
    else this.transfers.go(target);
  }

  jumpTo(): void {
    this.transfers.goIndirect(this.insn);
  }
}
