/** Stdio addresses are taken apart as containerd's shim does it. */
import { expect } from "chai";
import { parseStdioUri } from "./uri.ts";

describe("shim/io/uri", () => {
  it("takes a bare path as it is", () => {
    const path = "/run/containerd/fifo/1/a%20b?c=d#e-stdout";
    expect(parseStdioUri(path)).to.deep.equal({ scheme: "fifo", path, query: [] });
    expect(parseStdioUri("")).to.deep.equal({ scheme: "fifo", path: "", query: [] });
  });

  it("takes URIs apart", () => {
    expect(parseStdioUri("binary:///usr/bin/log?id=a+b&%2dx=%2Fy&flag&flag=&k=v=w")).to.deep.equal({
      scheme: "binary",
      path: "/usr/bin/log",
      query: [
        ["id", "a b"],
        ["-x", "/y"],
        ["flag", ""],
        ["flag", ""],
        ["k", "v=w"],
      ],
    });
    expect(parseStdioUri("FILE:///var/log/a%20b.log#part?x=y")).to.deep.equal({
      scheme: "file",
      path: "/var/log/a b.log",
      query: [],
    });
    expect(parseStdioUri("binary-v2:/x").path).to.equal("/x");
    expect(parseStdioUri("file://host/x/y").path).to.equal("/x/y");
    expect(parseStdioUri("file://host").path).to.equal("");
    expect(parseStdioUri("ttrpc+unix:///s?streaming_id=1").scheme).to.equal("ttrpc+unix");
  });

  it("drops pairs with semicolons and refuses broken escapes", () => {
    expect(parseStdioUri("binary:///x?a;b=c&&d=e").query).to.deep.equal([["d", "e"]]);
    expect(() => parseStdioUri("binary:///x?a=%zz")).to.throw("invalid escape in stdio address");
    expect(() => parseStdioUri("file:///%")).to.throw("invalid escape");
  });
});
