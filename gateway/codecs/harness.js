// What a codec finds around it, and the one door to it: JSON text in, JSON text out.
//
// Evaluated before the codec, whatever this keeps of the language's own is as it was made. The
// value of this file is the function that calls the codec. Everything a codec does, its getters and
// toJSON included, happens within that call and within its limits.
//
// Source of the forms: LoRa Alliance TS013-1.0.0, "Payload Codec API"; before it, The Things
// Network's Decoder(bytes, port) and ChirpStack's Decode(fPort, bytes, variables).
(function (global) {
  "use strict";
  const parse = JSON.parse;
  const stringify = JSON.stringify;
  const isArray = Array.isArray;

  // ----------------------------------------------------------------------- Node's, as far as used
  const silent = () => undefined;
  global.console = {};
  for (const name of ["debug", "error", "info", "log", "trace", "warn"]) global.console[name] = silent;
  global.module = { exports: {} };
  global.exports = global.module.exports;

  const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  const encodings = {
    hex: {
      read: (text) => (text.match(/^([0-9a-f]{2})*/i)[0].match(/../g) || []).map((two) => parseInt(two, 16)),
      write: (bytes) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    },
    base64: {
      read(text) {
        const bytes = [];
        let bits = 0;
        let value = 0;
        for (const char of text.replace(/-/g, "+").replace(/_/g, "/")) {
          const six = base64.indexOf(char);
          if (six < 0) continue;
          value = ((value << 6) | six) & 0xffff;
          bits += 6;
          if (bits >= 8) bytes.push((value >> (bits -= 8)) & 0xff);
        }
        return bytes;
      },
      write(bytes) {
        let text = "";
        for (let at = 0; at < bytes.length; at += 3) {
          const three = (bytes[at] << 16) | ((bytes[at + 1] || 0) << 8) | (bytes[at + 2] || 0);
          const there = Math.min(3, bytes.length - at);
          for (let six = 0; six < 4; six++) text += six > there ? "=" : base64[(three >> (18 - 6 * six)) & 63];
        }
        return text;
      },
    },
    latin1: {
      read: (text) => Array.from(text, (char) => char.charCodeAt(0) & 0xff),
      write: (bytes) => bytes.map((byte) => String.fromCharCode(byte)).join(""),
    },
    ascii: {
      read: (text) => Array.from(text, (char) => char.charCodeAt(0) & 0xff),
      write: (bytes) => bytes.map((byte) => String.fromCharCode(byte & 0x7f)).join(""),
    },
    utf8: {
      read: (text) => encodings.latin1.read(unescape(encodeURIComponent(text))),
      write(bytes) {
        try {
          return decodeURIComponent(escape(encodings.latin1.write(bytes)));
        } catch {
          return encodings.ascii.write(bytes);
        }
      },
    },
  };
  encodings.binary = encodings.latin1;
  encodings["utf-8"] = encodings.utf8;

  const encoding = (name) => {
    const found = encodings[String(name || "utf8").toLowerCase()];
    if (!found) throw new TypeError("Unknown encoding: " + name);
    return found;
  };

  class Buffer extends Uint8Array {
    static from(value, how, length) {
      if (typeof value === "string") return new Buffer(encoding(how).read(value));
      if (value instanceof ArrayBuffer) return new Buffer(value, how, length);
      return new Buffer(isArray(value) || ArrayBuffer.isView(value) ? value : value.data || Array.from(value));
    }
    static alloc(size, fill) {
      return new Buffer(size).fill(fill || 0);
    }
    static allocUnsafe(size) {
      return new Buffer(size);
    }
    static isBuffer(value) {
      return value instanceof Buffer;
    }
    static concat(list) {
      return Buffer.from(list.flatMap((one) => Array.from(one)));
    }
    static byteLength(text, how) {
      return encoding(how).read(text).length;
    }
    slice(start, end) {
      return this.subarray(start, end); // as Node's: the same memory
    }
    equals(other) {
      return this.length === other.length && this.every((byte, at) => byte === other[at]);
    }
    toString(how, start, end) {
      return encoding(how).write(Array.from(this.subarray(start || 0, end)));
    }
    toJSON() {
      return { type: "Buffer", data: Array.from(this) };
    }
    readUIntBE(at, size) {
      let value = 0;
      for (let byte = 0; byte < size; byte++) value = value * 256 + this.at_(at + byte);
      return value;
    }
    readUIntLE(at, size) {
      let value = 0;
      for (let byte = size - 1; byte >= 0; byte--) value = value * 256 + this.at_(at + byte);
      return value;
    }
    readIntBE(at, size) {
      return signed(this.readUIntBE(at, size), size);
    }
    readIntLE(at, size) {
      return signed(this.readUIntLE(at, size), size);
    }
    at_(at) {
      if (!(at >= 0 && at < this.length)) throw new RangeError("Attempt to access memory outside buffer bounds");
      return this[at];
    }
  }

  const signed = (value, size) => (value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value);

  // readUInt16BE and its kin, by DataView: [name, DataView's name, has an order of bytes]
  const fields = [
    ["UInt8", "Uint8", false],
    ["Int8", "Int8", false],
    ["UInt16", "Uint16", true],
    ["Int16", "Int16", true],
    ["UInt32", "Uint32", true],
    ["Int32", "Int32", true],
    ["BigUInt64", "BigUint64", true],
    ["BigInt64", "BigInt64", true],
    ["Float", "Float32", true],
    ["Double", "Float64", true],
  ];
  const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  for (const [name, type, ordered] of fields) {
    for (const [order, little] of ordered ? [["BE", false], ["LE", true]] : [["", false]]) {
      const read = function (at) {
        return view(this)["get" + type](at || 0, little);
      };
      const write = function (value, at) {
        view(this)["set" + type](at || 0, value, little);
        return (at || 0) + parseInt(type.replace(/\D/g, ""), 10) / 8;
      };
      for (const alias of [name, name.replace("UInt", "Uint")]) {
        Buffer.prototype["read" + alias + order] = read;
        Buffer.prototype["write" + alias + order] = write;
      }
    }
  }
  global.Buffer = Buffer;

  // recvTime: codecs were written for networks that hand over a text, and for those that hand over
  // a Date. This is the text (which keeps nanoseconds), and answers what a Date is asked.
  class Moment extends String {}
  for (const name of Object.getOwnPropertyNames(Date.prototype)) {
    if (!/^(get|to(Date|GMT|ISO|Locale|Time|UTC))/.test(name) || name in String.prototype) continue;
    Object.defineProperty(Moment.prototype, name, {
      value: function (...given) {
        return new Date(String(this))[name](...given);
      },
    });
  }

  // --------------------------------------------------------------------------------- the one door
  const isFunction = (value) => typeof value === "function";

  // Where a codec has put itself, the newest form first. `typeof` finds what `const` has declared.
  function find() {
    if (typeof decodeUplink === "function") return { uplink: decodeUplink };
    const places = [global.module && global.module.exports, global.exports];
    if (typeof driver === "object") places.push(driver);
    for (const place of places) {
      if (place && isFunction(place.decodeUplink)) return { uplink: place.decodeUplink.bind(place) };
    }
    if (typeof Decode === "function") return { decode: Decode };
    if (typeof Decoder === "function") return { decoder: Decoder };
    for (const place of places) {
      if (place && isFunction(place.Decode)) return { decode: place.Decode };
      if (place && isFunction(place.Decoder)) return { decoder: place.Decoder };
    }
    throw new TypeError("there is no decodeUplink, Decode or Decoder in it");
  }

  function call({ bytes, fPort, recvTime, variables }) {
    const { uplink, decode, decoder } = find();
    if (decode) return { data: decode(fPort, bytes, variables) };
    if (decoder) return { data: decoder(bytes, fPort) };
    const answer = uplink({ bytes, fPort, recvTime: new Moment(recvTime), variables });
    if (answer === null || typeof answer !== "object") return { data: answer };
    if (isFunction(answer.then)) throw new TypeError("it promises an answer and gives none");
    const { data, warnings, errors } = answer;
    const bare = data === undefined && warnings === undefined && errors === undefined;
    return bare ? { data: answer } : { data, warnings, errors };
  }

  const said = (texts) => (isArray(texts) ? texts : texts ? [texts] : []).slice(0, 16).map((one) => String(one).slice(0, 200));

  function described(error) {
    try {
      return String(error).slice(0, 200);
    } catch {
      return "something was thrown that cannot be told";
    }
  }

  return function (request) {
    try {
      const { data, warnings, errors } = call(parse(request));
      return stringify({ data, warnings: said(warnings), errors: said(errors) });
    } catch (error) {
      return stringify({ errors: [described(error)] });
    }
  };
})(globalThis);
