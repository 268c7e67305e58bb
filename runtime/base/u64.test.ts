/** Integers beyond 2^53 come out of JSON as they went in. */
import { expect } from "chai";
import { parseJson, stringifyJson } from "./u64.ts";

describe("64-bit integers in JSON", () => {
  it("reads large integers exactly, at any place", () => {
    const text = `{"soft": 18446744073709551615, "a": [1, -9223372036854775808, {"b": 9223372036854775807}],
      "text": "18446744073709551615", "quote\\"18446744073709551615": "\\\\", "max": 9007199254740991}`;
    expect(parseJson(text)).to.deep.equal({
      soft: 18446744073709551615n,
      a: [1, -9223372036854775808n, { b: 9223372036854775807n }],
      text: "18446744073709551615",
      'quote"18446744073709551615': "\\",
      max: 9007199254740991,
    });
    expect(parseJson("9007199254740993")).to.equal(9007199254740993n);
  });

  it("leaves fractions and exponents to JSON.parse", () => {
    expect(parseJson("[0.1234567890123456789, 1e19, 12345678901234567.5]")).to.deep.equal([
      0.12345678901234568, 1e19, 12345678901234568,
    ]);
  });

  it("writes what it reads", () => {
    const text = '{"limit":18446744073709551615,"list":[-9223372036854775808,"a\\u0000b"]}';
    expect(stringifyJson(parseJson(text))).to.equal(text);
    expect(stringifyJson({ a: 2n ** 64n - 1n, b: 1 }, "\t")).to.equal(
      '{\n\t"a": 18446744073709551615,\n\t"b": 1\n}',
    );
  });

  it("throws what JSON.parse throws", () => {
    expect(() => parseJson("{")).to.throw(SyntaxError);
    expect(() => parseJson("[18446744073709551615")).to.throw(SyntaxError);
  });

  it("survives hostile nesting and a very long string", () => {
    const deep = `${"[".repeat(5000)}18446744073709551615${"]".repeat(5000)}`;
    expect(() => parseJson(deep)).not.to.throw();
    const long = JSON.stringify({ a: "x\\".repeat(2 ** 21), b: 1 }).replace(
      "1}",
      "18446744073709551615}",
    );
    expect((parseJson(long) as { b: bigint }).b).to.equal(18446744073709551615n);
  });
});
