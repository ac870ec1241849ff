"""A modem's driver and a modem's model that speak with each other, without a port and a clock."""

from collections.abc import Iterable, Sequence

from gateway.driver import Command, Modem, Packet
from gateway.sim.modems import ModemModel
from gateway.sim.sensors import LoraPacket


class Conversation:
    """Both ends; what the driver hears of packets is kept in `packets`."""

    def __init__(self, modem: Modem, model: ModemModel) -> None:
        self.modem = modem
        self.model = model
        self.packets: list[Packet] = []
        self._take(model.boot())

    def tell(self, commands: Iterable[Command]) -> str:
        """Have commands answered up to the first that is not; return "" or what is wrong."""
        for command in commands:
            self._take(self.model.feed(self.modem.ask(command)))
            if self.modem.answer is None:
                return "no answer"
            if self.modem.answer:
                return self.modem.answer
        return ""

    def set_up(self, **settings: int | str) -> str:
        """Set the modem up as the transport does, chores included."""
        return self.tell(self.modem.setup(settings)) or self.do_chores()

    def do_chores(self) -> str:
        """Tell the modem what it has to be told until it needs nothing more."""
        for _ in range(10):
            wrong = self.tell(self.modem.chores())
            if wrong or not self.modem.chores():
                return wrong
        return "chores without end"

    def receive(self, payload: bytes, *, rssi_dbm: int = -70, snr_db: int = 8) -> None:
        """Let a packet arrive by radio."""
        packet = LoraPacket(address=0, payload=payload, rssi_dbm=rssi_dbm, snr_db=snr_db)
        self._take(self.model.receive(packet))

    def be_silent(self) -> None:
        """Let nothing come for as long as ends a packet."""
        self.packets += self.modem.idle()

    def _take(self, data: bytes) -> None:
        self.packets += self.modem.feed(data)


def told(modem: Modem, model: ModemModel, commands: Sequence[Command]) -> list[bytes]:
    """Have a model told commands, each answered as the driver expects; return what was written."""
    written: list[bytes] = []
    for command in commands:
        data = modem.ask(command)
        if data:
            written.append(data)
            modem.feed(model.feed(data))
        assert modem.answer == "", (command, modem.answer)
    return written


def refused(modem: Modem, model: ModemModel, command: Command) -> str:
    """Have a model refuse a command; return what the driver says of it."""
    modem.feed(model.feed(modem.ask(command)))
    assert modem.answer
    return modem.answer


def packet(payload: bytes = b"\x00\x11ABC") -> LoraPacket:
    """Return a packet from the air."""
    return LoraPacket(address=17, payload=payload, rssi_dbm=-97, snr_db=-3)


HEARD = ("", b"\x00\x11ABC", -97, -3)
