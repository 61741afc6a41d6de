/**
 * Why a request was not carried out. `kind`: nobody listens at the socket ("no-server"), no domain of that name or number
 * is there ("unknown-domain"), or the sentence that the server gives ("refused").
 */
export class ControlError extends Error {
  override readonly name = "ControlError";

  constructor(
    readonly kind: "no-server" | "unknown-domain" | "refused",
    message: string,
  ) {
    super(message);
  }
}

/** To be thrown by a server's handler. */
export const unknownDomain = (domain: string): ControlError =>
  new ControlError("unknown-domain", `there is no domain ${domain}.`);
