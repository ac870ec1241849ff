"""Pairing agents: who registers one is believed; nothing here pairs (BlueZ src/agent.c)."""

from dbus_fast import Message

from gateway.sim import bluez_names as names
from gateway.sim.bluez_call import Call, Handlers

_CAPABILITIES = frozenset(
    {"", "DisplayOnly", "DisplayYesNo", "KeyboardOnly", "NoInputNoOutput", "KeyboardDisplay"}
)


class Agents:
    """Who has registered an agent, one each."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}  # sender -> the agent's object path

    def handlers(self) -> Handlers:
        """Return the methods it answers."""
        return {
            (names.AGENT_MANAGER, "RegisterAgent"): self._register,
            (names.AGENT_MANAGER, "UnregisterAgent"): self._unregister,
            (names.AGENT_MANAGER, "RequestDefaultAgent"): self._request_default,
        }

    def forget_sender(self, sender: str) -> None:
        """Drop the agent of a client that left the bus."""
        self._paths.pop(sender, None)

    def forget_all(self) -> None:
        """Drop every agent: bluetoothd died."""
        self._paths.clear()

    def _register(self, call: Call) -> Message:
        path, capability = call.body
        if call.sender in self._paths:
            return call.error(names.ALREADY_EXISTS, "Already Exists")
        if capability not in _CAPABILITIES:
            return call.invalid_arguments()
        self._paths[call.sender] = path
        return call.reply()

    def _unregister(self, call: Call) -> Message:
        if self._paths.get(call.sender) != call.body[0]:
            return call.error(names.DOES_NOT_EXIST, "Does Not Exist")
        del self._paths[call.sender]
        return call.reply()

    def _request_default(self, call: Call) -> Message:
        if self._paths.get(call.sender) != call.body[0]:
            return call.error(names.DOES_NOT_EXIST, "Does Not Exist")
        return call.reply()
