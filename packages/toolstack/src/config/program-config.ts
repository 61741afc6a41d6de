import { type DomainConfig, type DomainConfigInput, validateDomainConfig } from "./domain-config.ts";

/** The configuration of a guest that is a TypeScript class: it names no files but those of its disks, and has no vcpus. */
export type ProgramConfigInput = Omit<DomainConfigInput, "kernel" | "ramdisk" | "type" | "vcpus">;

/**
 * Checks it and fills in the defaults.
 * @param className what xenstore shows in the place of the kernel's path
 * @throws ConfigError, one sentence
 */
export function validateProgramConfig(config: ProgramConfigInput, className: string): DomainConfig {
  return validateDomainConfig({ memory: 16, ...config, kernel: `typescript:${className || "anonymous"}` });
}
