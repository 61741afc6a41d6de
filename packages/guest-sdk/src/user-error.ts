/** A mistake of the user's, or something that is missing on the host: its message is one sentence that says what to do. */
export class UserError extends Error {}
