"""The public loss bugs of peers, made here as they have them, and which tests see them.

`like` names the issue; the names say what the peer does, as far as ugw has the same thing. Besides
them stand what every gateway gets wrong once: a queue without a bound, a sleep for a condition.
"""

from tests.planted.defect import Defect

POWER_CUT = "tests/backlog/test_power_cut.py"
DAMAGE = "tests/backlog/test_damage.py"
STORES = "tests/backlog/test_peers.py"  # of others, as their users tell it
HISTORIES = "tests/delivery/test_peers.py"
DELIVERY = "tests/delivery/test_delivery.py"
MACHINE = "tests/delivery/test_machine.py::TestMachine::runTest"

DEFECTS: tuple[Defect, ...] = (
    # ------------------------------------------------------------------------------ what is sent
    Defect(
        name="deletes a row before its PUBACK",
        file="gateway/refill.py",
        before="                kept = await self._backlog.lease(self._rows())\n",
        after=(
            "                kept = await self._backlog.lease(self._rows())\n"
            "                await self._backlog.settle([each.row for each in kept])\n"
        ),
        red=(
            f"{HISTORIES}::test_a_link_that_falls_silent_while_a_backlog_drains_costs_nothing",
            MACHINE,
        ),
        like="NanoMQ #2432",
    ),
    Defect(
        name="takes a refusal of the broker for an acknowledgement",
        file="gateway/core/puback.py",
        before="        return SET_ASIDE\n    return KEEP\n",
        after="        return SET_ASIDE\n    return SETTLE\n",
        red=(
            (
                "tests/delivery/test_refusals.py::"
                "test_what_is_refused_for_now_is_kept_and_travels_by_the_other_lane"
            ),
        ),
        like="Vector #12145",
    ),
    Defect(
        name="sends everything again at each start",
        file="gateway/keeper.py",
        before="            await self._backlog.settle(rows)\n",
        after="            pass\n",
        red=(f"{HISTORIES}::test_what_was_delivered_is_not_sent_again_by_the_run_after",),
        like="Telegraf #16500",
    ),
    Defect(
        name="drains its store for a while, and then no more",
        file="gateway/delivery.py",
        before=(
            "        if parcel.berth is not None or not self._lanes.replaying:\n"
            "            self.keeper.refill.wake()\n"
        ),
        after="",
        red=(
            (
                f"{HISTORIES}::"
                "test_a_backlog_drains_to_its_end_while_live_goes_on_and_in_one_connection"
            ),
        ),
        like="Telegraf #16314",
    ),
    Defect(
        name="hands all there is to the MQTT client, which queues it in memory",
        file="gateway/sender.py",
        before=(
            "        return len(self._flights) < self._throttle.window"
            " and self._uplink.connected\n"
        ),
        after="        return self._uplink.connected\n",
        red=(f"{DELIVERY}::test_never_more_in_flight_than_the_window_and_the_broker_allow",),
        like="ThingsBoard Gateway #1445",
    ),
    Defect(
        name="tries without TLS where TLS fails",
        file="gateway/dial.py",
        before='        raise _tls_error(error, f"{host}:{port}") from error\n',
        after="        return socket.create_connection((host, port), timeout_s)\n",
        red=("tests/mqtt/test_peers.py::test_where_tls_fails_nothing_is_said_in_clear",),
        like="ThingsBoard Gateway #2056",
    ),
    # ------------------------------------------------------------------------------ what is kept
    Defect(
        name="makes its store anew each time it connects",
        file="gateway/delivery.py",
        before=(
            "        self.sender.opened()\n"
            "        self.pump()\n"
            "        self.keeper.refill.wake()\n"
        ),
        after=(
            "        self.sender.opened()\n"
            "        self.keeper.order(self._made_anew)\n"
            "        self.pump()\n"
            "        self.keeper.refill.wake()\n"
            "\n"
            "    async def _made_anew(self) -> None:\n"
            "        await self.keeper._backlog.lease(1 << 30)\n"
            "        await self.keeper._backlog.settle(range(1 << 12))\n"
        ),
        red=(
            f"{HISTORIES}::test_however_often_the_broker_comes_and_goes_the_store_stays_as_it_is",
        ),
        like="ThingsBoard Gateway #2124",
    ),
    Defect(
        name="writes a snapshot every half hour, whatever is acknowledged meanwhile",
        file="gateway/assembly.py",
        before="            commit_after_ns=given.commit_after_ns,\n",
        after="            commit_after_ns=30 * 60 * 1_000_000_000,\n",
        red=(
            (
                "tests/sim/test_inside.py::"
                "test_a_kill_loses_nothing_that_was_accepted_and_the_boot_goes_on"
            ),
        ),
        like="mosquitto #1855",
    ),
    Defect(
        name="NORMAL instead of FULL: does not wait until a commit is on the medium",
        file="gateway/backlog/sqlite/schema.py",
        before='"PRAGMA synchronous=FULL"',
        after='"PRAGMA synchronous=NORMAL"',
        red=(f"{POWER_CUT}::test_a_power_cut_at_any_write_loses_nothing_that_was_accepted",),
    ),
    Defect(
        name="leaves a file behind that does not read after a power cut",
        file="gateway/backlog/sqlite/schema.py",
        before='"PRAGMA synchronous=FULL"',
        after='"PRAGMA synchronous=OFF"',
        red=(f"{POWER_CUT}::test_a_power_cut_at_any_write_loses_nothing_that_was_accepted",),
        like="Kura #2169",
    ),
    Defect(
        name="syncs each message by itself, while the inputs wait",
        file="gateway/keeper.py",
        before=(
            "            rows = await self._backlog.append("
            "[p.bundle for p in parcels], counters)\n"
        ),
        after=(
            "            rows = []\n"
            "            for p in parcels:\n"
            "                rows += await self._backlog.append([p.bundle], counters)\n"
        ),
        red=(f"{HISTORIES}::test_all_that_waits_is_kept_with_one_sync",),
        like="Telegraf #18085; ThingsBoard #7060",
    ),
    Defect(
        name="loses the part of its cache that is in memory when it ends",
        file="gateway/keeper.py",
        before="        if self._books.memory:\n            await self._commit_in_room()\n",
        after="",
        red=(f"{DELIVERY}::test_the_end_settles_what_it_can_and_commits_the_rest",),
        like="EMQX Neuron",
    ),
    Defect(
        name="merges what has the same time stamp",
        file="gateway/bundle.py",
        before="        self._entries.append(entry)\n",
        after=(
            "        if self._entries and self._entries[-1].heard_at_ns == entry.heard_at_ns:\n"
            "            self._entries.pop()\n"
            "        self._entries.append(entry)\n"
        ),
        red=(f"{HISTORIES}::test_what_was_heard_at_the_same_moment_is_all_sent",),
        like="ThingsBoard Gateway #1579",
    ),
    Defect(
        name="takes zero for no value",
        file="gateway/core/judgement.py",
        before="    if value is None:\n",
        after="    if not value:\n",
        red=("tests/pipeline/test_peers.py::test_zero_is_a_value_like_any_other",),
        like="ThingsBoard Gateway #238",
    ),
    # ----------------------------------------------------------------------------- when it is full
    Defect(
        name="refuses the newest when it is full, and keeps the oldest",
        file="gateway/shedding.py",
        before='if await self._drop_rows("routine", step) or self._books.to_delete:',
        after='if self._drop_in_memory("routine", needed_bytes) or self._books.to_delete:',
        red=(
            (
                "tests/delivery/test_full_store.py::"
                "test_a_full_store_gives_up_its_oldest_routine_rows_and_keeps_events_that_are_older"
            ),
        ),
        like="ThingsBoard Gateway #1483; Kura #2006",
    ),
    Defect(
        name="gives up what is beyond a limit, and tells nobody",
        file="gateway/backlog/sqlite/database.py",
        before=(
            "            tables.add_losses(connection,"
            ' [ranges.of_row(row, "full", at) for row in dropped])\n'
        ),
        after="",
        red=(
            (
                "tests/backlog/test_contract_losses.py::"
                "test_the_oldest_of_a_class_go_until_there_is_room_and_no_further"
            ),
        ),
        like="mosquitto #2415, #3472",
    ),
    Defect(
        name="lets its store grow until the disk is full",
        file="gateway/backlog/sqlite/file.py",
        before=(
            "        self.max_bytes = limits.max_bytes\n        self.tally = tallies.Tally()\n"
        ),
        after="        self.max_bytes = 1 << 40\n        self.tally = tallies.Tally()\n",
        red=(
            (
                "tests/backlog/test_contract.py::"
                "test_a_full_backlog_takes_none_of_the_bundles_and_takes_them_after_settling"
            ),
        ),
        like="ThingsBoard Gateway #2094",
    ),
    Defect(
        name="unbounded queue: LoRa packets wait in memory however many they are",
        file="gateway/pipeline.py",
        before="        if len(self._queue) < QUEUE_FRAMES:\n",
        after="        if len(self._queue) >= 0:\n",
        red=(
            (
                "tests/pipeline/test_pipeline.py::"
                "test_lora_packets_are_never_coalesced_and_their_queue_is_bounded"
            ),
        ),
    ),
    Defect(
        name="unbounded memory: always has room for another observation",
        file="gateway/keeper.py",
        before="        return not self._full() or (bool(self._failures) and not self._books.is_committing)\n",
        after="        return True\n",
        red=(f"{DELIVERY}::test_when_memory_is_full_there_is_no_room_until_a_commit_makes_it",),
    ),
    # -------------------------------------------------------------------------- when it is damaged
    Defect(
        name="does not start on a damaged store",
        file="gateway/backlog/sqlite/opening.py",
        before="            if isinstance(error, sqlite3.Error) and not is_damage(error):\n",
        after="            if error:\n",
        red=(
            f"{DAMAGE}::test_zeros_instead_of_a_store",
            f"{DAMAGE}::test_any_single_damaged_page_lets_the_agent_start",
        ),
        like="Telegraf #18528",
    ),
    Defect(
        name="reads the same damaged page for ever",
        file="gateway/backlog/sqlite/rows.py",
        before=(
            "        start, step, steps_ = start + step,"
            " step * (1 + (steps_ > _SMALL_STEPS)), steps_ + 1\n"
        ),
        after="        steps_ += 1\n",
        red=(f"{STORES}::test_a_page_that_does_not_read_any_more_is_stepped_over_in_a_run",),
        like="Vector #17644",
    ),
    Defect(
        name="unlinks the old file before the new one is durable",
        file="gateway/backlog/sqlite/opening.py",
        before="    _sync(new)\n    new.rename(directory / READY)\n",
        after=(
            "    (directory / FILE).unlink(missing_ok=True)\n"
            "    _sync(new)\n"
            "    new.rename(directory / READY)\n"
        ),
        red=(
            (f"{STORES}::test_a_start_killed_at_any_step_of_a_replacement_leaves_all_to_the_next"),
        ),
        like="Vector #25570",
    ),
    Defect(
        name="writes a counter beside what it counts, not with it",
        file="gateway/backlog/sqlite/database.py",
        before="        if there:\n            self._write_tally(connection, after)\n",
        after="",
        red=(f"{STORES}::test_after_a_kill_the_counter_fits_the_rows_whatever_was_deleted",),
        like="Vector #25767, #25845",
    ),
    Defect(
        name="believes a derived counter on disk",
        file="gateway/backlog/sqlite/soundness.py",
        before="    if tally.counted(connection) != tally.current(connection):\n",
        after="    if tally.counted(connection) is connection:\n",
        red=(f"{STORES}::test_a_counter_that_does_not_fit_its_rows_is_not_believed",),
        like="Vector #25845",
    ),
    # ------------------------------------------------------------------------------------- waiting
    Defect(
        name="sleep instead of a condition: looks after its store when the time is over",
        file="gateway/keeper.py",
        before=(
            "            try:\n"
            "                async with asyncio.timeout(wait_ns / NS):\n"
            "                    await self._wake.wait()\n"
            "            except TimeoutError:\n"
            "                return\n"
        ),
        after="            await asyncio.sleep(wait_ns / NS)\n",
        red=(f"{DELIVERY}::test_when_memory_is_full_there_is_no_room_until_a_commit_makes_it",),
    ),
    Defect(
        name="sleep instead of a condition, in a test",
        file=DELIVERY,
        before="        await d.until(lambda: d.backlog.held_up)\n",
        after="        await asyncio.sleep(0.1)\n",
        red=("tests/architecture/test_source.py::test_the_source_keeps_the_rule",),
    ),
)
