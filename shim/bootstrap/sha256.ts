/** SHA-256 of short texts (FIPS 180-4): loading node:crypto takes longer than all the rest of a join. */

/** The first 32 bits of the fractional parts of the square or cube roots of the first primes: the constants. */
function rootsOfPrimes(count: number, root: (prime: number) => number): Uint32Array {
  const fractions = new Uint32Array(count);
  let found = 0;
  for (let candidate = 2; found < count; candidate++) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= candidate && isPrime; divisor++) {
      isPrime = candidate % divisor !== 0;
    }
    if (isPrime) fractions[found++] = (root(candidate) % 1) * 2 ** 32;
  }
  return fractions;
}

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}

/** The message, a one, zeros, and its length in bits, as big-endian words in blocks of 16. */
function paddedWords(message: Uint8Array): Uint32Array {
  const words = new Uint32Array(16 * (Math.floor((message.length + 8) / 64) + 1));
  const put = (at: number, byte: number): void => {
    words[at >> 2] = (words[at >> 2] ?? 0) | (byte << (24 - 8 * (at % 4)));
  };
  for (const [at, byte] of message.entries()) put(at, byte);
  put(message.length, 0x80);
  words[words.length - 1] = message.length * 8;
  return words;
}

function compress(state: Uint32Array, schedule: Uint32Array, constants: Uint32Array): void {
  for (let t = 16; t < 64; t++) {
    const w15 = schedule[t - 15] ?? 0;
    const w2 = schedule[t - 2] ?? 0;
    const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
    const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
    schedule[t] = (schedule[t - 16] ?? 0) + s0 + (schedule[t - 7] ?? 0) + s1;
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let t = 0; t < 64; t++) {
    const S1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const choice = (e & f) ^ (~e & g);
    const one = (h + S1 + choice + (constants[t] ?? 0) + (schedule[t] ?? 0)) | 0;
    const S0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + S0 + majority) | 0;
  }
  for (const [at, word] of [a, b, c, d, e, f, g, h].entries()) state[at] = (state[at] ?? 0) + word;
}

/** In: a text, taken as UTF-8. Out: 64 hex digits. */
export function sha256Hex(text: string): string {
  const constants = rootsOfPrimes(64, Math.cbrt);
  const state = rootsOfPrimes(8, Math.sqrt);
  const words = paddedWords(new TextEncoder().encode(text));
  const schedule = new Uint32Array(64);
  for (let block = 0; block < words.length; block += 16) {
    schedule.set(words.subarray(block, block + 16));
    compress(state, schedule, constants);
  }
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}
