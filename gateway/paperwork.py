"""What the store writes down beside bundles to send: what is set aside, and what is lost.

Each is one transaction. Until it is durable, the books say what they said before.
"""

import logging

from gateway.books import Books, Parcel
from gateway.losses import Losses
from gateway.model import Aside
from gateway.rim import Rim
from gateway.stocktaking import Stocktaking

log = logging.getLogger(__name__)


class Paperwork:
    """Has it written. Every call may raise BacklogError, and is then to be made again."""

    def __init__(self, rim: Rim, books: Books, losses: Losses, stock: Stocktaking) -> None:
        self._backlog = rim.backlog
        self._books = books
        self._losses = losses
        self._stock = stock

    async def set_aside(self) -> None:
        """Put the oldest that is condemned where people look into it."""
        for parcel, reason in list(self._books.condemned.items())[:1]:
            await self._set_aside(parcel, reason)

    async def _set_aside(self, parcel: Parcel, reason: str) -> None:
        berth = parcel.berth
        # The last part of a row takes the row along.
        row = berth.row if berth is not None and len(berth.parcels) == 1 else None
        aside = Aside(parcel.bundle, reason, row)
        parcel.committing = True  # it is not dropped meanwhile
        try:
            given_up = await self._backlog.set_aside([aside], self._losses.now())
        finally:
            parcel.committing = False
        self._books.set_aside(parcel, row=row)
        log.warning("set aside stream=%s first=%d reason=%r", *parcel.bundle.key, reason)
        for loss in given_up:
            self._losses.remember(loss)
            self._stock.losses_changed()
        await self._stock.look()

    async def declare(self) -> None:
        """Write down what was given up in memory."""
        losses = tuple(self._losses.undeclared)
        await self._backlog.declare(losses)
        self._losses.declared(losses)
        self._stock.losses_changed()

    async def forget(self) -> None:
        """Strike out what the platform knows."""
        losses = self._losses.to_forget()
        await self._backlog.forget_losses(losses)
        self._losses.forgotten(losses)
