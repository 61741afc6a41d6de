export { emitSoftFloat } from "./emit.ts";
export {
  FP_CONTROL,
  FP_ROUNDED_UP,
  FP_SCRATCH_FREE,
  FP_UNMASKED,
  FpControl,
  FpFlag,
  Rounding,
  type SoftFloat,
} from "./types.ts";
