/**
 * Says where and how a text is not JSON. Engines word this differently (JavaScriptCore gives no position at all), so a
 * scanner of our own runs after JSON.parse has failed.
 */

/** The place where a text stops being JSON, and why. */
export interface SyntaxProblem {
  /** Both count from 1; a column is a UTF-16 unit. */
  readonly line: number;
  readonly column: number;
  /** `expected "," or "}", found "x"`. */
  readonly text: string;
}

/** Deeper documents are refused; the engines would run out of stack somewhere. */
const maximumDepth = 512;

class Problem {
  readonly at: number;
  readonly text: string;

  constructor(at: number, text: string) {
    this.at = at;
    this.text = text;
  }
}

/** Walks a text by the grammar of RFC 8259; throws Problem. */
class Scanner {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): void {
    this.value(0);
    this.blank();
    if (this.at < this.text.length) throw this.unexpected("the end of the document");
  }

  private blank(): void {
    while (this.at < this.text.length && " \t\n\r".includes(this.text[this.at] as string))
      this.at++;
  }

  private unexpected(expected: string): Problem {
    const code = this.text.codePointAt(this.at);
    if (code === undefined)
      return new Problem(this.at, `expected ${expected}, found the end of the file`);
    const found = JSON.stringify(String.fromCodePoint(code));
    return new Problem(this.at, `expected ${expected}, found ${found}`);
  }

  private value(depth: number): void {
    if (depth > maximumDepth)
      throw new Problem(this.at, `nested more than ${maximumDepth} levels deep`);
    this.blank();
    const first = this.text[this.at];
    if (first === "{") this.object(depth);
    else if (first === "[") this.array(depth);
    else if (first === '"') this.string();
    else if (first !== undefined && "-0123456789".includes(first)) this.number();
    else this.word();
  }

  private word(): void {
    const word = /[A-Za-z]*/y;
    word.lastIndex = this.at;
    const found = word.exec(this.text)?.[0] ?? "";
    if (found === "true" || found === "false" || found === "null") {
      this.at += found.length;
      return;
    }
    if (found === "") throw this.unexpected("a value");
    throw new Problem(this.at, `expected a value, found ${JSON.stringify(found.slice(0, 40))}`);
  }

  private number(): void {
    const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    number.lastIndex = this.at;
    const found = number.exec(this.text)?.[0];
    if (found === undefined) {
      this.at++;
      throw this.unexpected("a digit");
    }
    this.at += found.length;
    const next = this.text[this.at];
    if (next !== undefined && /[\w.+-]/.test(next)) throw this.unexpected("the end of the number");
  }

  private string(): void {
    const start = this.at++;
    for (;;) {
      const next = this.text[this.at];
      if (next === undefined) throw new Problem(start, "string without an end");
      if (next < " ") throw new Problem(this.at, "control character in a string");
      if (next === '"') break;
      if (next === "\\") this.escape();
      else this.at++;
    }
    this.at++;
  }

  private escape(): void {
    const sequence = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
    sequence.lastIndex = this.at;
    if (!sequence.test(this.text)) throw new Problem(this.at, "invalid escape in a string");
    this.at = sequence.lastIndex;
  }

  private object(depth: number): void {
    this.at++;
    this.blank();
    if (this.text[this.at] === "}") {
      this.at++;
      return;
    }
    for (;;) {
      this.blank();
      if (this.text[this.at] !== '"') throw this.unexpected("a property name in quotes");
      this.string();
      this.blank();
      if (this.text[this.at] !== ":") throw this.unexpected('":"');
      this.at++;
      this.value(depth + 1);
      if (this.isLast("}")) return;
    }
  }

  private array(depth: number): void {
    this.at++;
    this.blank();
    if (this.text[this.at] === "]") {
      this.at++;
      return;
    }
    for (;;) {
      this.value(depth + 1);
      if (this.isLast("]")) return;
    }
  }

  private isLast(close: string): boolean {
    this.blank();
    const next = this.text[this.at];
    if (next !== close && next !== ",") throw this.unexpected(`"," or "${close}"`);
    this.at++;
    return next === close;
  }
}

/** What is wrong with `text`, or undefined when it is JSON after all. */
export function findSyntaxProblem(text: string): SyntaxProblem | undefined {
  try {
    new Scanner(text).document();
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const before = text.slice(0, error.at);
    const line = before.split("\n").length;
    return { line, column: error.at - before.lastIndexOf("\n"), text: error.text };
  }
}
