/** The domain is no more: what a guest waits for rejects with this, and so does what it asks for. */
export class GuestEnded extends Error {
  override readonly name = "GuestEnded";

  constructor() {
    super("the domain has ended");
  }
}
