"""Defects of radios and what comes from them, and which tests see them."""

from tests.planted.defect import Defect

STRANGERS = "tests/transport/test_ble_strangers.py"
BLE = "tests/transport/test_ble.py"
BLE_FAULTS = "tests/transport/test_ble_faults.py"
LADDER = "tests/transport/test_ble_ladder.py"
RECOVERY = "tests/transport/test_ble_recovery.py"
KILLED = "tests/transport/test_ble_killed.py"
UNFINISHED = "tests/transport/test_ble_unfinished.py"
WEDGE = "tests/scenarios/test_wedge.py"
QUIET = "tests/transport/test_ble_quiet.py"
LINE = "tests/transport/test_serial_flood.py"
SERIAL = "tests/transport/test_serial.py"
PIPELINE = "tests/pipeline/test_pipeline.py"
UPLINKS = "tests/pipeline/test_uplinks.py"

_STRANGERS: tuple[Defect, ...] = (
    Defect(
        name="keeps an object of every stranger that passes",
        file="gateway/pipeline.py",
        before="            frames.unlisted += 1\n"
        "            return None\n"
        "        listed.heard_at_ns",
        after="            frames.unlisted += 1\n"
        '            self.__dict__.setdefault("strangers", {})[address] = rssi_dbm\n'
        "            return None\n        listed.heard_at_ns",
        red=(
            f"{STRANGERS}::test_nothing_is_kept_of_any_stranger_not_even_a_byte",
            f"{PIPELINE}::test_an_unlisted_device_is_counted_and_nothing_else",
        ),
    ),
    Defect(
        name="takes an advertisement apart before it asks whether its device is listed",
        file="gateway/transport/ble/scanner.py",
        before="        at_ns = self._admits(address, content, rssi_dbm)\n",
        after="        structures(data)\n"
        "        at_ns = self._admits(address, content, rssi_dbm)\n",
        red=(f"{STRANGERS}::test_what_a_stranger_says_is_not_even_looked_at",),
    ),
    Defect(
        name="lets BlueZ list strangers without end",
        file="gateway/transport/ble/supervisor.py",
        before="few = self._scanner.listed_devices() <= self._settings.most_listed",
        after="few = self._scanner.listed_devices() >= 0",
        red=(f"{BLE}::test_above_the_limit_bluez_and_bleak_forget_strangers_and_nobody_else",),
    ),
    Defect(
        name="waits for a BlueZ that does not answer, once for each stranger",
        file="gateway/transport/ble/watcher.py",
        before="            if _Removal.UNANSWERED in answers:\n                break\n",
        after="",
        red=(
            (
                f"{STRANGERS}"
                "::test_a_bluez_that_does_not_answer_is_not_waited_for_stranger_by_stranger"
            ),
        ),
    ),
    Defect(
        name="one rate for the whole gateway: who talks too much takes everybody's",
        file="gateway/pipeline.py",
        before="        if not listed.spend(at_ns):",
        after="        if not next(iter(self._listed.values())).spend(at_ns):",
        red=(
            (
                "tests/scenarios/test_one_talks_too_much.py"
                "::test_a_sensor_at_50_hz_is_limited_and_counted_and_all_others_arrive_whole"
            ),
        ),
    ),
)
_WEDGES: tuple[Defect, ...] = (
    Defect(
        name="never notices a scan that has died without a sign",
        file="gateway/transport/ble/supervisor.py",
        before="elif self._boot_ns() - since_ns >= self._silence_limit_s() * _SECOND_NS:",
        after="elif self._boot_ns() < since_ns:",
        red=(
            f"{BLE_FAULTS}::test_a_scan_that_has_died_without_a_sign_is_deaf_and_then_replaced",
            f"{WEDGE}::test_a_wedge_is_mended_by_the_least_that_mends_it",
        ),
    ),
    Defect(
        name="stays on the first rung of the ladder",
        file="gateway/transport/ble/ladder.py",
        before="for one in self._rungs if now_ns",
        after="for one in self._rungs[:1] if now_ns",
        red=(
            f"{LADDER}::test_no_rung_is_the_last_one_forever",
            f"{WEDGE}::test_a_wedge_is_mended_by_the_least_that_mends_it",
            (
                f"{RECOVERY}"
                "::test_what_only_a_restart_of_the_service_mends_is_mended_where_it_is_permitted"
            ),
        ),
    ),
    Defect(
        name="switches the adapter off and on without end",
        file="gateway/transport/ble/ladder.py",
        before="return tried_ns is None or now_ns - tried_ns >= self._gap_s(rung) * _NS",
        after="return tried_ns is None or now_ns > tried_ns",
        red=(
            (
                f"{LADDER}"
                "::test_however_often_it_seems_mended_nothing_is_done_more_often_than_its_bound"
            ),
            (
                f"{WEDGE}"
                "::test_an_adapter_that_wedges_again_and_again_is_not_cycled_more_than_every_"
                "quarter_hour"
            ),
        ),
    ),
    Defect(
        name="takes an empty room for a wedged adapter",
        file="gateway/transport/ble/quiet.py",
        before="        if self._missing or self._since_ns is None:",
        after="        if self._since_ns is None:",
        red=(
            f"{RECOVERY}::test_silence_where_nothing_was_ever_heard_is_no_wedge",
            f"{WEDGE}::test_where_no_sensor_was_ever_heard_nobody_takes_silence_for_a_wedge",
        ),
    ),
    Defect(
        name="takes another's adapter for the replacement of its own",
        file="gateway/transport/ble/watcher.py",
        before="        others = self._running - {self}\n",
        after="        others = set[Watcher]()\n",
        red=(
            (
                f"{BLE_FAULTS}::test_two_adapters_that_come_back_numbered_the_other_way_round_are"
                "_each_followed"
            ),
        ),
    ),
    Defect(
        name="lets a frame that is held back for its turn be overtaken",
        file="gateway/pipeline.py",
        before="        if self._due is not None and self._ready() < BATCH_FRAMES and",
        after="        if self._loop is None and",
        red=(
            (
                "tests/pipeline/test_pipeline.py"
                "::test_what_a_device_says_while_its_last_word_waits_for_its_turn_overtakes_nothing"
            ),
        ),
    ),
    Defect(
        name="takes sensors that speak each hour for a wedged adapter",
        file="gateway/transport/ble/quiet.py",
        before="_TIMES * self._usual_ns(now_ns)",
        after="0 * self._usual_ns(now_ns)",
        red=(
            f"{WEDGE}::test_nobody_takes_the_usual_silence_of_sensors_that_speak_seldom_for_a_wedge",
            f"{QUIET}::test_silence_is_unusual_three_times_as_long_as_the_longest_that_has_ended",
        ),
    ),
    Defect(
        name="keeps the word of an adapter without power that has it again at its end",
        file="gateway/transport/ble/recovery.py",
        before="        except (LeftAloneError, asyncio.CancelledError):",
        after="        except LeftAloneError:",
        red=(f"{UNFINISHED}::test_an_end_after_which_the_adapter_has_power_leaves_no_word",),
    ),
    Defect(
        name="switches on at its end what somebody has switched off in the meantime",
        file="gateway/transport/ble/remedies.py",
        before='    if _shows(objects.get(f"/org/bluez/{adapter}", {}), _ADAPTER, "Powered", value=False):\n',
        after="    if not objects:\n",
        red=(f"{RECOVERY}::test_an_adapter_that_somebody_has_just_switched_off_is_not_cycled",),
    ),
    Defect(
        name="switches off an adapter through which somebody is connected",
        file="gateway/transport/ble/remedies.py",
        before="            await _require_free(bus, adapter)\n",
        after="",
        red=(f"{RECOVERY}::test_an_adapter_through_which_somebody_is_connected_keeps_its_power",),
    ),
    Defect(
        name="ends between off and on, and leaves the adapter without power",
        file="gateway/transport/ble/remedies.py",
        before="            finally:  # also when that was not answered, and may come to pass"
        " yet\n"
        "                await _on_again(bus, adapter)\n",
        after="            except RemedyError:\n"
        "                raise\n"
        "            await _on_again(bus, adapter)\n",
        red=(f"{RECOVERY}::test_an_adapter_is_never_left_without_power",),
    ),
    Defect(
        name="forgets an adapter that would not go on again",
        file="gateway/transport/ble/recovery.py",
        before="        await self._unfinished.begin(address)\n",
        after="",
        red=(
            f"{RECOVERY}::test_an_adapter_that_would_not_go_on_again_is_switched_on_when_it_does",
        ),
    ),
    Defect(
        name="is killed between off and on, and no run after it knows whose doing that was",
        file="gateway/app.py",
        before="        known = self.registry, self.pipeline, self.health, self.memory\n",
        after="        known = self.registry, self.pipeline, self.health, None\n",
        red=(
            (
                f"{KILLED}::test_the_next_run_switches_on_what_a_killed_one_has_left_off_and_what_a"
                "_person_has_never"
            ),
        ),
    ),
    Defect(
        name="switches the adapter off before that is written down",
        file="gateway/transport/ble/unfinished.py",
        before="        await set_within(kept, _KEPT_WITHIN_S)\n",
        after="",
        red=(f"{UNFINISHED}::test_the_power_goes_only_once_the_word_of_it_is_kept",),
    ),
    Defect(
        name="believes what it wrote of an adapter before the machine was started anew",
        file="gateway/transport/ble/unfinished.py",
        before="bool(boot_id) and boot_id == self._boot_id and",
        after="bool(boot_id) and",
        red=(
            (
                f"{UNFINISHED}"
                "::test_in_another_boot_of_the_machine_whoever_has_switched_it_off_was_not_us"
            ),
        ),
    ),
    Defect(
        name="touches the power of an adapter although it may only scan",
        file="gateway/transport/ble/recovery.py",
        before="        if self._may_switch and self._unfinished.is_it(address):",
        after="        if self._unfinished.is_it(address):",
        red=(
            (
                f"{RECOVERY}"
                "::test_nothing_is_finished_where_power_may_not_be_touched_nor_on_another_adapter"
            ),
        ),
    ),
    Defect(
        name="does not end while an adapter would not go on again",
        file="gateway/transport/ble/recovery.py",
        before="            _end_if_asked()\n",
        after="",
        red=(
            (
                f"{UNFINISHED}"
                "::test_an_adapter_that_would_not_go_on_again_does_not_keep_the_agent_from_ending"
            ),
        ),
    ),
    Defect(
        name="switches on an adapter that somebody has switched off",
        file="gateway/transport/ble/recovery.py",
        before="        self._unfinished.end()\n\n    @property",
        after="\n    @property",
        red=(f"{RECOVERY}::test_an_adapter_that_somebody_switches_off_stays_off",),
    ),
    Defect(
        name="restarts bluetoothd once for each adapter",
        file="gateway/transport/ble/remedies.py",
        before="        if time.monotonic() - self._restarted_s < self._service_gap_s:",
        after="        if self._service_gap_s < 0:",
        red=(f"{RECOVERY}::test_two_adapters_have_bluetoothd_restarted_once",),
    ),
    Defect(
        name="starts a bluetoothd that somebody has stopped",
        file="gateway/transport/ble/remedies.py",
        before="                if await _was_stopped(bus):",
        after="                if not UNIT:",
        red=(
            (
                f"{RECOVERY}"
                "::test_a_bluetoothd_that_has_crashed_is_started_and_one_that_was_stopped_is_not"
            ),
        ),
    ),
    Defect(
        name="follows an adapter by its number",
        file="gateway/transport/ble/watcher.py",
        before='        if found is not None and self._address in ("", found.get("Address")):\n',
        after="        if found is not None or self._address:\n",
        red=(f"{BLE_FAULTS}::test_it_hears_again_after",),
    ),
    Defect(
        name="ends when BlueZ refuses a scan, and takes the other radios down",
        file="gateway/transport/ble/supervisor.py",
        before='            self._record.count("start_errors")\n',
        after="            raise\n",
        red=(f"{BLE_FAULTS}::test_a_start_that_bluez_refuses_is_tried_again",),
    ),
)
_LINES: tuple[Defect, ...] = (
    Defect(
        name="ends when a port cannot be opened, and takes the other radios down",
        file="gateway/transport/serial/supervisor.py",
        before="            except PortError as error:\n"
        "                self._report(TransportState.DOWN, str(error))\n"
        "            else:\n",
        after="            except OSError as error:\n"
        "                self._report(TransportState.DOWN, str(error))\n"
        "            else:\n",
        red=(f"{SERIAL}::test_a_modem_that_is_plugged_in_later_is_found",),
    ),
    Defect(
        name="keeps the descriptor of a port that was pulled",
        file="gateway/transport/serial/supervisor.py",
        before="            await port.close()\n            self._fall_silent()",
        after="            self._fall_silent()",
        red=(f"{LINE}::test_a_pulled_port_is_let_go_of_at_once_so_that_its_name_is_free",),
    ),
    Defect(
        name="keeps a line for as long as it has no end",
        file="gateway/core/lines.py",
        before="        if excess <= 0:\n",
        after="        if excess <= 1 << 40:\n",
        red=(
            f"{LINE}::test_ten_megabytes_without_an_end_are_counted_and_take_no_memory",
            "tests/drivers/test_modems.py::test_a_modem_driver_keeps_its_promise",
        ),
    ),
    Defect(
        name="does not count what the kernel lost",
        file="gateway/transport/serial/supervisor.py",
        before="now.overruns - before.overruns",
        after="0",
        red=(f"{LINE}::test_what_the_kernel_loses_and_damages_is_counted_from_the_opening_on",),
    ),
)
_HALVES: tuple[Defect, ...] = (
    Defect(
        name="puts the halves of two openings together",
        file="gateway/transport/serial/supervisor.py",
        before="            self._fall_silent()  # half a packet of this opening fits no other\n",
        after="",
        red=(f"{SERIAL}::test_half_a_packet_of_the_last_opening_spoils_no_packet_of_the_next",),
    ),
)
_FORGERIES: tuple[Defect, ...] = (
    Defect(
        name="takes a frame in clear from a sensor that has a key",
        file="gateway/decoding.py",
        before="    elif key is not None and not driver.needs_key"
        " and driver.decode(payload, context):",
        after="    elif key is not None and not driver.model:",
        red=(f"{PIPELINE}::test_clear_text_from_a_device_with_a_key_is_refused",),
    ),
    Defect(
        name="moves the counter before it knows whose frame it is",
        file="gateway/admission.py",
        before="        self.refuse_replay(counter)\n"
        "        self.context.opened = self.device.key.open(sealed)\n"
        "        return self.advance(counter)\n",
        after="        self.refuse_replay(counter)\n"
        "        flags = self.advance(counter)\n"
        "        self.context.opened = self.device.key.open(sealed)\n"
        "        return flags\n",
        red=(f"{PIPELINE}::test_a_forged_frame_neither_passes_nor_moves_the_counter",),
    ),
    Defect(
        name="forgets the replay counters at a restart",
        file="gateway/roster.py",
        before="            counter = known.get(device.address)\n",
        after="            counter = None\n",
        red=(
            f"{UPLINKS}::test_the_counter_outlives_the_agent",
            "tests/pipeline/test_list.py::test_a_new_device_starts_from_the_counter_the_store_has",
        ),
    ),
    Defect(
        name="takes a recording for news",
        file="gateway/core/replay.py",
        before="        if self.counter is not None and RESTART_BELOW <= counter < self.counter:",
        after="        if self.counter is not None and counter < 0:",
        red=(
            f"{PIPELINE}::test_a_replayed_frame_is_refused",
            (
                f"{UPLINKS}"
                "::test_an_uplink_by_another_gateway_is_a_copy_and_a_recorded_one_is_refused"
            ),
        ),
    ),
    Defect(
        name="lets forged frames use up a sensor's rate",
        file="gateway/admission.py",
        before="        self._tokens = min(float(self.device.limits.burst), self._tokens + 1)",
        after="        self._tokens = min(float(self.device.limits.burst), self._tokens)",
        red=(f"{PIPELINE}::test_forged_frames_take_nothing_of_a_device_s_rate",),
    ),
)
DEFECTS: tuple[Defect, ...] = (
    *_STRANGERS,
    *_WEDGES,
    *_LINES,
    *_HALVES,
    *_FORGERIES,
)
