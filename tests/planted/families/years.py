"""Defects that take long to show, or a clock that is wrong, and which tests see them."""

from typing import Final

from tests.planted.defect import Defect

BOOTS_IN_1970: Final = (
    "tests/sim/test_inside_time.py"
    "::test_what_two_boots_in_1970_heard_keeps_its_order_and_the_third_is_dated"
)
BUNDLE: Final = "tests/delivery/test_bundle.py"
DESCRIPTORS: Final = "tests/scenarios/test_descriptors.py"
TIME: Final = "tests/sim/test_inside_time.py"
YEARS: Final = "tests/scenarios/test_years.py"

CLOCKS: Final = (
    Defect(
        name="measures intervals by the wall clock",
        file="gateway/clock.py",
        before="        self.boot_ns = self._host.boot_ns\n",
        after="        self.boot_ns = self._host.wall_ns\n",
        red=(
            f"{TIME}::test_a_step_of_ten_years_changes_nothing_but_the_times",
            (
                "tests/test_clock.py"
                "::test_in_holdover_boot_time_goes_on_counting_whoever_sets_the_clock"
            ),
        ),
    ),
    Defect(
        name="expires what the wall clock says is a month old",
        file="gateway/refill.py",
        before="            damaged = self._backlog.damaged()\n",
        after=(
            "            past_ns = self._clock.wall_ns() - 30 * 86_400 * NS\n"
            "            for one in list(kept):\n"
            "                heard_ns = one.bundle.entries[0].heard_at_ns\n"
            "                if heard_ns + (one.bundle.wall_offset_ns or 10**20) < past_ns:\n"
            "                    await self._backlog.settle([one.row])\n"
            "                    kept = [other for other in kept if other is not one]\n"
            "            damaged = self._backlog.damaged()\n"
        ),
        red=(f"{TIME}::test_a_step_of_ten_years_changes_nothing_but_the_times",),
    ),
    Defect(
        name="calls a time exact that nobody vouches for",
        file="gateway/bundle.py",
        before="""    if reading.offset_ns is None or heard_at_ns < reading.since_ns:
        return None, ""
""",
        after="""    if reading.offset_ns is None:
        return reading.shown_ns, "exact"
""",
        red=(
            BOOTS_IN_1970,
            f"{BUNDLE}::test_without_a_clock_order_and_spacing_survive",
        ),
    ),
    Defect(
        name="does not date what was kept when the time becomes known",
        file="gateway/bundle.py",
        before="        return None if quality == policy.UNKNOWN else reading.offset_ns, ",
        after="        return None, ",
        red=(
            BOOTS_IN_1970,
            (
                f"{BUNDLE}::test_what_was_heard_before_the_clock_was_set_is_reconstructed_in_the_"
                "same_boot"
            ),
        ),
    ),
    Defect(
        name="gives what another boot heard to this one, and loses its order",
        file="gateway/bundle.py",
        before="            boot = bundle.boot\n",
        after="            boot = self._clock.boot_id\n",
        red=(
            BOOTS_IN_1970,
            f"{BUNDLE}::test_another_boot_that_never_knew_the_time_stays_unknown",
        ),
    ),
    Defect(
        name="accuses all sensors of silence when the machine wakes up",
        file="gateway/silence.py",
        before="_LONGEST_TICK_NS: Final = 2 * TICK_NS\n",
        after="_LONGEST_TICK_NS: Final = 1_000_000 * TICK_NS\n",
        red=(f"{TIME}::test_a_machine_that_was_asleep_accuses_nobody_and_loses_nothing",),
    ),
    Defect(
        name="numbers sessions of a new store by a clock of 1970, and leaves it at that",
        file="gateway/sessions.py",
        before="        if self._in_doubt and is_synced:\n",
        after="        if False and is_synced:\n",
        red=(
            (
                f"{TIME}::test_a_store_made_in_1970_numbers_sessions_above_those_of_a_gateway_it_"
                "replaces"
            ),
        ),
    ),
)

LONG_RUNS: Final = (
    Defect(
        name="numbers observations with 32 bits",
        file="gateway/model.py",
        before="        self.next_seq = seq + 1\n",
        after="        self.next_seq = (seq + 1) & 0xFFFF_FFFF\n",
        red=(f"{TIME}::test_numbers_go_on_beyond_any_number_of_bits",),
    ),
    Defect(
        name="counts uptime in milliseconds with 32 bits, which is 49.7 days",
        file="gateway/uplink/status.py",
        before="""        ("uptimeMs", report.boot_ns // _NS_PER_MS),
""",
        after="""        ("uptimeMs", report.boot_ns // _NS_PER_MS & 0xFFFF_FFFF),
""",
        red=(f"{TIME}::test_a_machine_that_was_asleep_accuses_nobody_and_loses_nothing",),
    ),
    Defect(
        name="remembers every connection there has been",
        file="gateway/uplink/record.py",
        before="            self._uplink.since_ns = self._clock.boot_ns()\n",
        after="""            self._uplink.since_ns = self._clock.boot_ns()
            vars(self).setdefault("_past", []).append([self._uplink.since_ns] * 256)
""",
        red=(f"{YEARS}::test_hundreds_of_connections_leave_nothing_behind",),
    ),
    Defect(
        name="leaves a descriptor of each connection open",
        file="gateway/packet_socket.py",
        before="""        self._loop.remove_writer(self._fd)
        self._sock.close()
""",
        after="""        self._loop.remove_writer(self._fd)
        self._sock.dup().detach()
        self._sock.close()
""",
        red=(f"{DESCRIPTORS}::test_connections_leave_no_descriptor_open",),
    ),
)

DEFECTS: tuple[Defect, ...] = (*CLOCKS, *LONG_RUNS)
