import { Flow } from "../decode/index.ts";
import type { ControlContext } from "../semantics/context.ts";
import { TranslatorContext } from "./context.ts";
import type { RegionInstruction } from "./flow-graph.ts";
import type { RegionEmitter } from "./region-emitter.ts";
import type { RecordFields } from "./region-record.ts";

/** A transfer's way out: within the region, or through the hub. */
export class RegionControlContext extends TranslatorContext implements ControlContext {
  constructor(
    region: RegionEmitter,
    record: RecordFields,
    private readonly insn: RegionInstruction,
    kinds: "n" | "r",
    segmented = false,
  ) {
    super(region, record, 8, kinds, false, segmented);
  }

  target(): void {
    this.region.pushAddress(this.insn.target!);
  }

  jump(): void {
    const target = this.insn.target!;
    if (this.insn.flow === Flow.CALL) this.region.goThroughDispatcher(target);
    else this.region.go(target);
  }

  jumpTo(): void {
    this.region.goIndirect(this.insn);
  }
}
