/** Processor modes that code is decoded for. */
export const CodeMode = {
  /** 64-bit code rather than 32-bit compatibility mode. */
  LONG: 1,
  /** CR0.TS or CR0.EM: x87, MMX and SSE instructions raise #NM (or #UD). */
  FPU_UNAVAILABLE: 2,
  /** One instruction a block. */
  STEP: 4,
  /** CPL 0: POPF changes what only a kernel may. */
  KERNEL: 8,
  /** Compatibility mode with segments that are not flat: fetches and accesses by DS, ES and SS are checked. */
  SEGMENTED: 16,
} as const;
