/** A mistake in a domain's configuration. The message is one sentence for the user: what is wrong, where, and what to do. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
