"""Defects of the borders: bytes from outside that would get further than they may."""

from typing import Final

from tests.planted.defect import Defect

_KEPT: Final = (
    "tests/fuzz/test_corpus.py::test_a_border_keeps_its_promises_for_what_searches_have_found"
)
_NEARLY: Final = (
    "tests/fuzz/test_corpus.py::test_a_border_keeps_its_promises_for_what_is_nearly_right"
)
_FOUND: Final = "tests/fuzz/test_corpus.py::test_what_was_a_fault_once_is_none_any_more"

DEFECTS: tuple[Defect, ...] = (
    Defect(
        "reads one byte beyond the end of a payload",
        "gateway/core/fields.py",
        '    """Two bytes, high byte first."""\n    if not 0 <= offset <= len(data) - 2:',
        '    """Two bytes, high byte first."""\n    if not 0 <= offset <= len(data) - 1:',
        (_NEARLY,),
    ),
    Defect(
        "lets an IndexError out of a driver",
        "drivers/lora/cayenne_lpp.py",
        "size, values = _value(u8(payload, at + 1), payload, at + 2)",
        "size, values = _value(payload[at + 1], payload, at + 2)",
        (_KEPT,),
    ),
    Defect(
        "makes more of an advertisement than an observation holds",
        "gateway/core/judgement.py",
        "    if len(readings) > MOST_RESULTS:\n",
        "    if len(readings) > 9 * MOST_RESULTS:\n",
        (_FOUND,),
    ),
    Defect(
        "keeps what a modem says without a line's end",
        "gateway/core/lines.py",
        "excess = len(line) - self._longest\n",
        "excess = len(line) - 99 * self._longest\n",
        (_NEARLY,),
    ),
    Defect(
        "hears something else where the serial line was read in other pieces",
        "gateway/core/lines.py",
        "        self._rest = self._end_of(rest)\n",
        "        self._rest = self._end_of(rest).rstrip(_BLANKS)\n",
        (_KEPT,),
    ),
    Defect(
        "takes any signal strength a damaged line tells",
        "gateway/core/reyax.py",
        "        return None  # a digit too many, or another one: the line is damaged\n",
        "        pass\n",
        (_FOUND,),
    ),
    Defect(
        "believes a LoRaWAN frame of which half the MIC fits",
        "gateway/lorawan.py",
        "return hmac.compare_digest(self.mic(uplink.message, counter), uplink.mic)",
        "return hmac.compare_digest(self.mic(uplink.message, counter)[:2], uplink.mic[:2])",
        (_KEPT,),
    ),
    Defect(
        "takes a refusal in a PUBACK for a success",
        "gateway/mqtt.py",
        "done(outcome(code) if code else _SUCCESS)",
        "done(_SUCCESS)",
        (_KEPT,),
    ),
    Defect(
        "reads a PUBACK that is too short to name a message",
        "gateway/packet_socket.py",
        " or (start and head[0] == _PUBACK and length < _ID_BYTES)",
        "",
        (
            "tests/mqtt/test_packet_socket.py::test_what_no_broker_sends_ends_the_connection_once",
            "tests/mqtt/test_acknowledgements.py::test_what_is_no_puback_ends_the_connection_and_settles_nothing",
        ),
    ),
    Defect(
        "lets a board take a PUBACK that refuses for one that settles",
        "gateway/esp32/uplink.py",
        "            if data[0] == 2 and pid in self.in_flight:",
        "            if pid in self.in_flight:",
        (_FOUND,),
    ),
    Defect(
        "raises KeyError for a fault that has no place in the file",
        "gateway/config/places.py",
        "document.keys.get(written), document.values.get(written, (1, 1))",
        "document.keys[written], document.values.get(written, (1, 1))",
        (_NEARLY,),
    ),
    Defect(
        "takes a minute over a file with ten thousand faults",
        "gateway/config/places.py",
        "any(path[:length] in broken for length in range(len(path) + 1))",
        "any(path[: len(each)] == each for each in broken)",
        ("tests/fuzz/test_measure.py::test_twice_as_many_faults_take_about_twice_as_long",),
    ),
    Defect(
        "raises struct.error for a capture that was cut off",
        "gateway/sim/capture/btsnoop.py",
        "            if len(head) < _PACKET.size:\n",
        "            if len(head) > _PACKET.size:\n",
        (_NEARLY,),
    ),
    Defect(
        "answers a token beyond ASCII with a 500 of its own",
        "gateway/web/gate.py",
        "        except ValueError:  # binascii's is one",
        "        except UnicodeDecodeError:  # binascii's is one",
        (_FOUND,),
    ),
    Defect(
        "stops at a row whose text is damaged",
        "gateway/backlog/sqlite/schema.py",
        "except (zlib.error, msgspec.DecodeError, UnicodeDecodeError):",
        "except (zlib.error, msgspec.DecodeError):",
        (_FOUND,),
    ),
    Defect(
        "raises for a codec's answer that is no text",
        "gateway/codecs/output.py",
        "_OUTPUT.decode(text)\n    except (msgspec.DecodeError, UnicodeError, RecursionError):",
        "_OUTPUT.decode(text)\n    except (msgspec.DecodeError, RecursionError):",
        (_FOUND,),
    ),
    Defect(
        "ends enrolment with a traceback for an answer of another kind",
        "gateway/certification.py",
        "    except (UnsupportedAlgorithm, InvalidVersion) as error:",
        "    except InvalidVersion as error:",
        (_FOUND,),
    ),
    Defect(
        "stops a board for a damaged byte without saying where",
        "gateway/esp32/settings.py",
        '        with open(root + "/site/" + name, "rb") as file:',
        '        with open(root + "/site/" + name) as file:',
        (_FOUND,),
    ),
    Defect(
        "looks for a partition table beyond every end",
        "tools/flash/ugw_flash/card/table.py",
        ' if at * SECTOR < medium.size else b""',
        "",
        (_FOUND,),
    ),
)
