"""Codecs as vendors publish them, in every form there is, and codecs that mean harm."""

from typing import Final

# Temperature in tenths (0.1 is no double: noise), humidity in halves, a battery, a door.
CLIMATE: Final = """
function decodeUplink(input) {
  const buffer = Buffer.from(input.bytes);
  if (input.fPort !== 85) return { errors: ["unknown port " + input.fPort] };
  return {
    data: {
      temperature: buffer.readInt16BE(0) * 0.1,
      air: { humidity: buffer[2] / 2 },
      battery: 3600 + buffer[3],
      door: buffer[3] ? "open" : "closed",
    },
    warnings: buffer[3] > 100 ? ["battery low"] : [],
  };
}
"""

# Each says {"bytes": 3, "port": 7} of [1, 2, 3] on port 7.
FORMS: Final = {
    "TS013": "function decodeUplink(i) { return {data: {bytes: i.bytes.length, port: i.fPort}} }",
    "TS013 without data": """
        function decodeUplink(i) { return {bytes: i.bytes.length, port: i.fPort} }""",
    "const": "const decodeUplink = (i) => ({data: {bytes: i.bytes.length, port: i.fPort}})",
    "Decoder": "function Decoder(bytes, port) { return {bytes: bytes.length, port: port} }",
    "Decode": "function Decode(fPort, bytes) { return {bytes: bytes.length, port: fPort} }",
    "driver": """
        var driver = {
          count: (bytes) => bytes.length,
          decodeUplink(i) { return {data: {bytes: this.count(i.bytes), port: i.fPort}} },
        };""",
    "module.exports": """
        module.exports = {
          decodeUplink: (i) => ({data: {bytes: i.bytes.length, port: i.fPort}}),
        };""",
    "exports": "exports.decodeUplink = (i) => ({data: {bytes: i.bytes.length, port: i.fPort}});",
    "a list of errors that is empty": """
        function decodeUplink(i) {
          return {data: {bytes: i.bytes.length, port: i.fPort}, errors: [], warnings: []};
        }""",
}

_DEEP: Final = """
function decodeUplink() {{
  let data = {{}};
  for (let level = 0; level < {}; level++) data = {{data}};
  return {{data}};
}}"""
_BOMB: Final = "let a = []; for (;;) a.push('x'.repeat(1e5) + a.length);"

# Each costs its own frame: what the refusal is.
HARMFUL: Final = {
    "an endless loop": ("function decodeUplink() { for (;;) {} }", "codec_limit"),
    "an endless loop that catches": (
        "function decodeUplink() { for (;;) { try { for (;;) {} } catch (e) {} finally {} } }",
        "codec_limit",
    ),
    "an endless getter": (
        "function decodeUplink() { return {data: {get t() { for (;;) {} }}} }",
        "codec_limit",
    ),
    "an endless toJSON": (
        "function decodeUplink() { return {data: {toJSON() { for (;;) {} }}} }",
        "codec_limit",
    ),
    "an endless error": (
        "function decodeUplink() { throw new Proxy({}, {get() { for (;;) {} }}) }",
        "codec_limit",
    ),
    "an endless regular expression": (
        "function decodeUplink() { return {data: {x: /^(a+)+$/.test('a'.repeat(50) + 'b')}} }",
        "codec_limit",
    ),
    "an endless source": ("for (;;) {}", "codec_limit"),
    "memory without end": (f"function decodeUplink() {{ {_BOMB} }}", "codec_limit"),
    "memory without end, caught": (
        f"""
        function grow() {{ {_BOMB} }}
        function decodeUplink() {{
          try {{ grow() }} catch (error) {{ return {{data: {{error: `${{error}}`}}}} }}
        }}""",
        "codec_limit",
    ),
    "more memory than there is for one codec": (
        "function decodeUplink() { return {data: {size: 'x'.repeat(20 << 20).length}} }",
        "codec_limit",
    ),
    "one large array": (
        "function decodeUplink() { return {data: {n: new Uint8Array(1 << 30).length}} }",
        ("codec_limit", "codec_error"),
    ),
    "recursion": ("function decodeUplink() { return decodeUplink() + 1 }", "codec_limit"),
    "a deep tree": (
        _DEEP.format("1e5"),
        "codec_limit",
    ),
    "a tree deeper than any sensor's": (
        _DEEP.format("20"),
        "codec_limit",
    ),
    "a long text": (
        "function decodeUplink() { return {data: {text: 'x'.repeat(1e6)}} }",
        "codec_limit",
    ),
    "many values": (
        "function decodeUplink() { return {data: {list: Array(1e4).fill(1)}} }",
        "codec_limit",
    ),
    "a circle": (
        "function decodeUplink() { const data = {}; data.data = data; return {data} }",
        "codec_error",
    ),
    "a thrown nothing": ("function decodeUplink() { throw undefined }", "codec_error"),
    "a thrown thing that cannot be told": (
        "function decodeUplink() { throw {toString() { throw 1 }} }",
        "codec_error",
    ),
    "a thrown symbol": ("function decodeUplink() { throw Symbol('s') }", "codec_error"),
    "errors that are no list": (
        "function decodeUplink() { return {data: {a: 1}, errors: 'wrong'} }",
        "codec_error",
    ),
    "nothing": ("function decodeUplink() { }", "codec_error"),
    "a number": ("function decodeUplink() { return {data: 5} }", "codec_error"),
    "a list": ("function decodeUplink() { return {data: [1, 2]} }", "codec_error"),
    "a large integer": ("function decodeUplink() { return {data: {n: 1n}} }", "codec_error"),
    "no such function": ("var x = 1", "codec_error"),
    "no JavaScript": ("temperature = = 1", "codec_error"),
    "half a letter": ("function decodeUplink() { throw '\\ud800' }", "codec_error"),
    "Node's modules": ("const fs = require('fs')", "codec_error"),
    "the engine's modules": ("std.open('/etc/passwd', 'r')", "codec_error"),
    "another module": (
        "function decodeUplink() { return import('os') }",
        "codec_error",
    ),
    "a promise": ("async function decodeUplink() { return {data: {a: 1}} }", "codec_error"),
    "a language without its own functions": (
        """
        JSON.parse = JSON.stringify = () => 5;
        String = Array.isArray = Object = null;
        function decodeUplink() { throw new Error('x') }""",
        "codec_error",
    ),
}

# What only the end of the process helps against: thrown while the engine is being told of it.
FATAL: Final = "throw new Proxy({}, {get() { for (;;) {} }})"

POLLUTER: Final = """
Object.prototype.temperature = 99;
Array.prototype.map = () => [];
JSON.stringify = () => '{"data":{"temperature":99}}';
Buffer.from = () => ({readInt16BE: () => 990});
function decodeUplink() { return {data: {own: 1}} }
"""
