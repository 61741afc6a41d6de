export { ByteWriter } from "./bytes.ts";
export {
  type BlockType,
  F32,
  F64,
  FUNCREF,
  FunctionBuilder,
  I32,
  I64,
  type Label,
  V128,
  type ValueType,
  VOID,
} from "./function.ts";
export { type FunctionType, ModuleBuilder } from "./module.ts";
export {
  laneOpcodes,
  memoryOpcodes,
  plainOpcodes,
  saturatingOpcodes,
  vectorMemoryOpcodes,
  vectorOpcodes,
} from "./opcodes.ts";
export { bodyText, type TextLine } from "./text.ts";
