/** A bound on how long something is waited for. */

/**
 * Waits for a promise, `timeoutMs` at most. What it becomes afterwards is the caller's business.
 * @returns whether it was fulfilled in time.
 * @throws what it is rejected with in time.
 */
export function within(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, timeoutMs, false);
    promise.then(
      () => {
        clearTimeout(timer);
        resolve(true);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
